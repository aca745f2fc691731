/* fault_c: plants faults in the store of an open host of elg.core, from outside its API.
 *
 * Uses the host's inside for its store and nothing else of it.
 */
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "bind/bind.h"
#include "host/internal.h"

int luaopen_fault_c(lua_State *L);

static struct elg_store *store_of(lua_State *L)
{
    const struct bind_host *host = luaL_checkudata(L, 1, BIND_HOST);
    luaL_argcheck(L, host->host != NULL, 1, "the host is closed");
    return host->host->store;
}

/* slow(host, op, us): each call of op (nil: none) takes that much longer. */
static int l_slow(lua_State *L)
{
    struct elg_store *store = store_of(L);
    const char *op = luaL_optstring(L, 2, NULL);
    elg_checkpoint_fault(store, op, 0, 0, ELG_OK, (uint32_t)luaL_optnumber(L, 3, 0));
    return 0;
}

/* fail(host, op, skip, count, "ELG_IO"): after `skip` calls of op, `count` fail so. */
static int l_fail(lua_State *L)
{
    struct elg_store *store = store_of(L);
    const char *op = luaL_optstring(L, 2, NULL), *name = luaL_optstring(L, 5, "ELG_IO");
    enum elg_status status = ELG_OK;
    while (status < ELG_INTERNAL && strcmp(elg_status_name(status), name) != 0)
        status++;
    elg_checkpoint_fault(store, op, (uint32_t)luaL_optnumber(L, 3, 0),
                         (uint32_t)luaL_optnumber(L, 4, 1), status, 0);
    return 0;
}

/* stuck_after(host, us): the loop counts as stuck after so long. */
static int l_stuck_after(lua_State *L)
{
    const struct bind_host *host = luaL_checkudata(L, 1, BIND_HOST);
    luaL_argcheck(L, host->host != NULL, 1, "the host is closed");
    atomic_store(&host->host->stuck_us, (long long)luaL_checknumber(L, 2));
    return 0;
}

static const luaL_Reg FUNCTIONS[] = {
    {"slow", l_slow}, {"fail", l_fail}, {"stuck_after", l_stuck_after}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_fault_c(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
