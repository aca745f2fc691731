/* children: processes of a supervisor, for elg.sys. They are in process groups of their
 * own, so that a terminal's Ctrl-C reaches the supervisor alone. Uses bind.h. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bind/bind.h"

#define ARGUMENTS_MAX 256

extern char **environ;

static int fail_number(lua_State *L, int number, const char *where)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s", strerror(number));
    lua_pushstring(L, "ERRNO");
    lua_pushstring(L, where);
    return 4;
}

/* spawn{ program, arguments } -> process id | nil, message */
static int sys_spawn(lua_State *L)
{
    char *argv[ARGUMENTS_MAX + 1];
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t count = lua_objlen(L, 1);
    luaL_argcheck(L, count > 0 && count <= ARGUMENTS_MAX, 1, "not in range");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (int)i + 1);
        argv[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
        lua_pop(L, 1); /* the list keeps it */
    }
    argv[count] = NULL;
    int number = posix_spawnattr_init(&attributes);
    if (number != 0)
        return fail_number(L, number, argv[0]);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    number = posix_spawn(&pid, argv[0], NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (number != 0)
        return fail_number(L, number, argv[0]);
    lua_pushinteger(L, pid);
    return 1;
}

/* reap() -> process id, exit code or nil, signal or nil, of a child that ended; nothing:
 * there is none */
static int sys_reap(lua_State *L)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0)
        return 0;
    lua_pushinteger(L, pid);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    lua_replace(L, WIFEXITED(status) ? -3 : -2);
    return 3;
}

/* kill(process id, signal) */
static int sys_kill(lua_State *L)
{
    pid_t pid = (pid_t)luaL_checkinteger(L, 1);
    luaL_argcheck(L, pid > 0, 1, "not a process");
    kill(pid, (int)luaL_checkinteger(L, 2));
    return 0;
}

/* end_with(process id): SIGTERM for this process when that, its parent, ends -> true, or
 * false if it has ended already */
static int sys_end_with(lua_State *L)
{
    pid_t parent = (pid_t)luaL_checkinteger(L, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    lua_pushboolean(L, getppid() == parent);
    return 1;
}

/* pid() -> this process's id */
static int sys_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

void elg__bind_open_children(lua_State *L)
{
    static const luaL_Reg FUNCTIONS[] = {
        {"spawn", sys_spawn},       {"reap", sys_reap}, {"kill", sys_kill},
        {"end_with", sys_end_with}, {"pid", sys_pid},   {NULL, NULL},
    };
    luaL_register(L, NULL, FUNCTIONS);
}
