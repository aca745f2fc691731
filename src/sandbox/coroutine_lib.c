/* coroutine_lib: resume and wrap over lua_resume, with the depth of C frames counted: a
 * coroutine in a coroutine in a coroutine takes C stack each. Provides that part of
 * library.h. */
#include <lauxlib.h>

#include "sandbox/box.h"
#include "sandbox/library.h"

/* NULL: `co` can be resumed; else why not. */
static const char *refusal(lua_State *L, lua_State *co)
{
    lua_Debug ar;
    if (co == L)
        return "cannot resume running coroutine";
    if (lua_status(co) == LUA_YIELD)
        return NULL;
    if (lua_status(co) != 0)
        return "cannot resume dead coroutine";
    if (lua_getstack(co, 0, &ar) > 0)
        return "cannot resume running coroutine";
    return lua_gettop(co) == 0 ? "cannot resume dead coroutine" : NULL;
}

/* Resumes `co` with the `count` values at the top. Returns how many results were pushed,
 * or -1 with the error value pushed. */
static int resume_with(lua_State *L, lua_State *co, int count)
{
    const char *why = refusal(L, co);
    if (why == NULL && !lua_checkstack(co, count))
        why = "too many arguments to resume";
    if (why != NULL) {
        lua_pushstring(L, why);
        return -1;
    }
    lua_xmove(L, co, count);
    elg_sandbox_depth_enter(L, __builtin_frame_address(0));
    elg_sandbox_head(L)->running = co;
    int status = lua_resume(co, count);
    elg_sandbox_head(L)->running = L;
    elg_sandbox_depth_leave(L);
    if (status != 0 && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    int results = lua_gettop(co);
    if (!lua_checkstack(L, results + 1)) {
        lua_settop(co, 0);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

int elg_sandbox_lib_resume(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argcheck(L, co != NULL, 1, "coroutine expected");
    int results = resume_with(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, results >= 0);
    if (results < 0)
        results = 1;
    lua_insert(L, -(results + 1));
    return results + 1;
}

static int wrap_call(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int results = resume_with(L, co, lua_gettop(L));
    if (results >= 0)
        return results;
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

int elg_sandbox_lib_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, wrap_call, 1);
    return 1;
}
