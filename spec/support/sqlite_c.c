/* sqlite_c: SQLite as someone else would use it, for specs.
 *
 * Provides sql (a connection of its own), fail (SQLite's allocator, made to fail) and
 * pid. Knows nothing of elg.
 */
#include <lauxlib.h>
#include <lua.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <unistd.h>

int luaopen_sqlite_c(lua_State *L);

/* ---- SQLite's allocator, made to fail on request */

static sqlite3_mem_methods sqlite_memory;
static long sqlite_left = -1;
static long sqlite_calls;

static bool sqlite_take(void)
{
    sqlite_calls++;
    if (sqlite_left == 0)
        return false;
    if (sqlite_left > 0)
        sqlite_left--;
    return true;
}
static void *sqlite_malloc(int size)
{
    return sqlite_take() ? sqlite_memory.xMalloc(size) : NULL;
}
static void *sqlite_realloc(void *p, int size)
{
    return sqlite_take() ? sqlite_memory.xRealloc(p, size) : NULL;
}

static void sqlite_memory_init(void)
{
    sqlite3_shutdown();
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory);
    sqlite3_mem_methods ours = sqlite_memory;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    sqlite3_initialize();
}

/* ---- the calls */

static int sql_row(void *self, int count, char **values, char **names)
{
    lua_State *L = self;
    lua_newtable(L);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, values[i]);
        lua_setfield(L, -2, names[i]);
    }
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    return 0;
}

/* sql(path, text) -> rows: by a connection of its own, as someone else would */
static int l_sql(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *sql = luaL_checkstring(L, 2);
    sqlite3 *db = NULL;
    lua_newtable(L);
    int code =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code == SQLITE_OK) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_busy_timeout(db, 5000);
        code = sqlite3_exec(db, sql, sql_row, L, NULL);
    }
    if (code != SQLITE_OK) {
        lua_pushstring(L, sqlite3_errmsg(db));
        sqlite3_close(db);
        return lua_error(L);
    }
    sqlite3_close(db);
    return 1;
}

/* fail(n) -> calls so far: the n-th from now and all later ones fail; -1: none */
static int l_sqlite_fail(lua_State *L)
{
    sqlite_left = luaL_checkint(L, 1);
    lua_pushnumber(L, (lua_Number)sqlite_calls);
    sqlite_calls = 0;
    return 1;
}

static int l_pid(lua_State *L)
{
    lua_pushnumber(L, getpid());
    return 1;
}

static const luaL_Reg FUNCTIONS[] = {
    {"sql", l_sql}, {"fail", l_sqlite_fail}, {"pid", l_pid}, {NULL, NULL}};

/* May be loaded anew by each suite, and is set up once. Before any connection of this
 * process is open: SQLite is set up anew. */
__attribute__((visibility("default"))) int luaopen_sqlite_c(lua_State *L)
{
    static bool started;
    if (!started)
        sqlite_memory_init();
    started = true;
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
