/* postgres_c: libpq as someone else would use it, for specs.
 *
 * Provides sql (a connection of its own for each call), pid and root (are we). Knows
 * nothing of elg.
 */
#include <lauxlib.h>
#include <libpq-fe.h>
#include <lua.h>
#include <stdbool.h>
#include <unistd.h>

int luaopen_postgres_c(lua_State *L);

static void quiet(void *self, const PGresult *result)
{
    (void)self;
    (void)result;
}

static void rows_push(lua_State *L, const PGresult *result)
{
    lua_newtable(L);
    for (int row = 0; row < PQntuples(result); row++) {
        lua_newtable(L);
        for (int column = 0; column < PQnfields(result); column++) {
            if (PQgetisnull(result, row, column))
                continue;
            lua_pushlstring(L, PQgetvalue(result, row, column),
                            (size_t)PQgetlength(result, row, column));
            lua_setfield(L, -2, PQfname(result, column));
        }
        lua_rawseti(L, -2, row + 1);
    }
}

/* sql(url, text) -> rows of the last statement, values as text | nil, message */
static int l_sql(lua_State *L)
{
    const char *url = luaL_checkstring(L, 1), *text = luaL_checkstring(L, 2);
    PGconn *pg = PQconnectdb(url);
    PGresult *result = NULL;
    if (PQstatus(pg) == CONNECTION_OK) {
        PQsetNoticeReceiver(pg, quiet, NULL);
        result = PQexec(pg, text);
    }
    ExecStatusType status = PQresultStatus(result);
    bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (ok) {
        rows_push(L, result);
    } else {
        lua_pushnil(L);
        lua_pushstring(L, PQerrorMessage(pg));
    }
    PQclear(result);
    PQfinish(pg);
    return ok ? 1 : 2;
}

static int l_pid(lua_State *L)
{
    lua_pushnumber(L, getpid());
    return 1;
}

static int l_root(lua_State *L)
{
    lua_pushboolean(L, geteuid() == 0);
    return 1;
}

static const luaL_Reg FUNCTIONS[] = {
    {"sql", l_sql}, {"pid", l_pid}, {"root", l_root}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_postgres_c(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
