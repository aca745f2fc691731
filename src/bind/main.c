/* main: the program elg. Opens a Lua state of its own, makes the embedded modules of
 * lua/elg known to require, and runs elg.cli. Uses elg.core and elg.sys. The JIT stays
 * off: the command line gains nothing from it. */
#include <errno.h>
#include <fcntl.h>
#include <luajit.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"

#define EXIT_UNAVAILABLE 4

/* A file of lua/, by its module name; the build makes the table, a row of NULLs ends
 * it. */
struct embedded {
    const char *name;
    const char *text, *text_end;
};
extern const struct embedded elg__bind_embedded[];

static const struct embedded *embedded_file(const char *name)
{
    const struct embedded *file = elg__bind_embedded;
    while (file->name != NULL && strcmp(file->name, name) != 0)
        file++;
    return file->name != NULL ? file : NULL;
}

/* elg.embedded.text(name) -> the text of an embedded file, by its module name */
static int embedded_text(lua_State *L)
{
    const struct embedded *file = embedded_file(luaL_checkstring(L, 1));
    luaL_argcheck(L, file != NULL, 1, "no such embedded file");
    lua_pushlstring(L, file->text, (size_t)(file->text_end - file->text));
    return 1;
}

static int open_embedded(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, embedded_text);
    lua_setfield(L, -2, "text");
    return 1;
}

/* package.loaders entry: a module from the embedded table. */
static int find_embedded(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct embedded *file = embedded_file(name);
    if (file == NULL) {
        lua_pushfstring(L, "\n\tno embedded module '%s'", name);
        return 1;
    }
    size_t size = (size_t)(file->text_end - file->text);
    lua_pushfstring(L, "=%s", name);
    if (luaL_loadbuffer(L, file->text, size, lua_tostring(L, -1)) != 0)
        return lua_error(L);
    return 1;
}

static void preload(lua_State *L, const char *name, lua_CFunction open)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, open);
    lua_setfield(L, -2, name);
    lua_pop(L, 2);
}

/* Only what is embedded can be required: no file of the current folder. */
static void set_loaders(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    lua_pushcfunction(L, find_embedded);
    lua_rawseti(L, -2, 2);
    for (int i = 3; i <= 4; i++) {
        lua_pushnil(L);
        lua_rawseti(L, -2, i);
    }
    lua_pop(L, 2);
}

struct arguments {
    int count;
    char **texts;
    int code;
};

/* require("elg.cli").main{ arguments } -> exit code */
static int run_cli(lua_State *L)
{
    struct arguments *arguments = lua_touserdata(L, 1);
    luaL_openlibs(L);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    preload(L, "elg.core", luaopen_elg_core);
    preload(L, "elg.sys", luaopen_elg_sys);
    preload(L, "elg.embedded", open_embedded);
    set_loaders(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "elg.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_createtable(L, arguments->count, 0);
    for (int i = 1; i < arguments->count; i++) {
        lua_pushstring(L, arguments->texts[i]);
        lua_rawseti(L, -2, i);
    }
    lua_call(L, 1, 1);
    arguments->code = (int)luaL_checkinteger(L, -1);
    return 0;
}

static int with_traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

/* Descriptors 0 to 2 that are closed are opened in the mode that nobody uses, so that no
 * file of the store gets their number: what reads or writes them gets EBADF as before. */
static void hold_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* Until catch_signals takes them: none of them ends the process in its first instants.
 * A sanitizer is not there yet. */
__attribute__((no_sanitize("address", "undefined"))) static void hold_signals(void)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, NULL);
}

/* As soon as the loader is done, before what the libraries do at their start. */
static void (*const first)(void)
    __attribute__((used, section(".preinit_array"))) = hold_signals;

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    struct arguments arguments = {argc, argv, EXIT_UNAVAILABLE};
    lua_State *L = luaL_newstate();
    if (L == NULL) {
        fputs("elg: no memory\n", stderr);
        return EXIT_UNAVAILABLE;
    }
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, run_cli);
    lua_pushlightuserdata(L, &arguments);
    if (lua_pcall(L, 1, 0, 1) != 0) {
        fprintf(stderr, "elg: a defect of elg itself, please report it: %s\n",
                lua_tostring(L, -1));
        arguments.code = EXIT_UNAVAILABLE;
    }
    lua_close(L);
    return arguments.code;
}
