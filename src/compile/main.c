/* elg-compile: turns Lua source into bytecode, in a process of its own, because the
 * engine's parser can crash on a wrong program.
 *
 * Uses the same engine as the sandbox (its string hash has a fixed seed, so the same
 * source gives the same bytecode). Reads requests from descriptor 0 until it is closed;
 * answers there, confined as jailed/confine.h can on this kernel. A crash, or running out
 * of time or memory, is the answer "none". With a file's name as its argument it writes
 * that file's bytecode, which the build embeds; with a chunk's name behind it, that of
 * a file whose lines are shown. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <unwind.h>

#include "base/limits.h"
#include "compile/protocol.h"
#include "jailed/confine.h"

int elglj_strscan_scan(const uint8_t *text, uint32_t size, void *out, uint32_t options);
int elglj_engine_strscan_scan(const uint8_t *text, uint32_t size, void *out,
                              uint32_t options);
_Unwind_Reason_Code elglj__Unwind_RaiseException(struct _Unwind_Exception *raised);
double elglj_fmod(double a, double b);
double elglj_musl_fmod(double a, double b);

struct text {
    char *data;
    size_t size, capacity;
};

static bool get_bytes(void *data, size_t size)
{
    char *p = data;
    while (size > 0) {
        ssize_t n = read(0, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool put_bytes(const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(0, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

/* lua_Writer; 1 (an error) without memory. */
static int append(lua_State *L, const void *data, size_t size, void *self)
{
    struct text *text = self;
    (void)L;
    if (text->capacity - text->size < size) {
        size_t grown = (text->size + size) * 2;
        char *p = realloc(text->data, grown);
        if (p == NULL)
            return 1;
        text->data = p;
        text->capacity = grown;
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
    return 0;
}

/* To `out` the message for a text that begins as bytecode does. */
static void refuse_bytecode(const char *chunk, struct text *out)
{
    static const char WHY[] = ":1: bytecode is refused; give Lua source";
    (void)append(NULL, chunk, strlen(chunk), out);
    (void)append(NULL, WHY, sizeof WHY - 1, out);
}

/* Bytecode or an error message to `out`; whether it is bytecode. */
static bool compile(const char *chunk, const char *source, size_t size, struct text *out)
{
    char name[ELG_COMPILE_CHUNK_BYTES_MAX + 2];
    if (size > 0 && source[0] == LUA_SIGNATURE[0]) {
        refuse_bytecode(chunk, out);
        return false;
    }
    lua_State *L = luaL_newstate();
    if (L == NULL)
        abort();
    lua_newtable(L); /* keeps what a 64-bit literal makes the parser load */
    lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
    name[0] = '@';
    strcpy(name + 1, chunk);
    bool ok = luaL_loadbufferx(L, source, size, name, "t") == 0 &&
              lua_dump(L, append, out) == 0;
    if (!ok) {
        const char *message = lua_tolstring(L, -1, &size);
        out->size = 0;
        (void)append(L, message != NULL ? message : "no memory",
                     message != NULL ? size : 9, out);
    }
    lua_close(L);
    return ok;
}

/* A host that is gone cannot end what takes for ever: this does. 0: off. */
static void set_alarm(int seconds)
{
    const struct itimerval timer = {{0, 0}, {seconds, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static bool serve_one(struct text *out)
{
    struct elg_compile_request request;
    struct elg_compile_answer answer;
    char chunk[ELG_COMPILE_CHUNK_BYTES_MAX + 1];
    if (!get_bytes(&request, sizeof request) ||
        request.chunk_bytes > ELG_COMPILE_CHUNK_BYTES_MAX ||
        request.source_bytes > ELG_SOURCE_BYTES_MAX)
        return false;
    char *source = malloc((size_t)request.source_bytes + 1);
    bool ok = source != NULL && get_bytes(chunk, request.chunk_bytes) &&
              get_bytes(source, request.source_bytes);
    if (ok) {
        chunk[request.chunk_bytes] = '\0';
        out->size = 0;
        set_alarm(ELG_COMPILE_MS_MAX / 1000 + 1);
        answer.ok = compile(chunk, source, request.source_bytes, out);
        set_alarm(0);
        answer.bytes = (uint32_t)out->size;
        ok = put_bytes(&answer, sizeof answer) && put_bytes(out->data, out->size);
    }
    free(source);
    return ok;
}

/* What the interpreter calls through sandbox/fuel.c and counted.c in a host. Nothing is
 * executed here. */
#define NEVER_CALLED(name)                                                               \
    void name(void);                                                                     \
    void name(void)                                                                      \
    {                                                                                    \
        abort();                                                                         \
    }
NEVER_CALLED(elglj_dispatch_ins)
NEVER_CALLED(elglj_meta_cat)
NEVER_CALLED(elglj_meta_comp)
NEVER_CALLED(elglj_meta_tget)
NEVER_CALLED(elglj_meta_tset)
NEVER_CALLED(elglj_str_new)
NEVER_CALLED(elglj_buf_putstr_reverse)
NEVER_CALLED(elglj_buf_putstr_lower)
NEVER_CALLED(elglj_buf_putstr_upper)
NEVER_CALLED(elglj_string_byte)

/* What the engine calls there while it parses, too. */
int elglj_strscan_scan(const uint8_t *text, uint32_t size, void *out, uint32_t options)
{
    return elglj_engine_strscan_scan(text, size, out, options);
}

_Unwind_Reason_Code elglj__Unwind_RaiseException(struct _Unwind_Exception *raised)
{
    return _Unwind_RaiseException(raised);
}

double elglj_fmod(double a, double b)
{
    return elglj_musl_fmod(a, b);
}

#define FILE_BYTES_MAX (1u << 20)

/* Replaces the function at the top by its bytecode. */
static int dump(lua_State *L, bool stripped)
{
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "dump");
    lua_pushvalue(L, -3);
    lua_pushboolean(L, stripped);
    return lua_pcall(L, 2, 1, 0);
}

/* For the build: bytecode of our own Lua. Without names and lines: nobody is shown its
 * frames. */
static int compile_file(const char *path, const char *chunk, bool stripped)
{
    char *source = malloc(FILE_BYTES_MAX);
    FILE *file = fopen(path, "rb");
    lua_State *L = luaL_newstate();
    if (source == NULL || file == NULL || L == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    size_t size = fread(source, 1, FILE_BYTES_MAX, file);
    fclose(file);
    if (luaL_loadbufferx(L, source, size, chunk, "t") != 0 || dump(L, stripped) != 0) {
        fprintf(stderr, "%s: %s\n", path, lua_tostring(L, -1));
        return 1;
    }
    const char *bytecode = lua_tolstring(L, -1, &size);
    fwrite(bytecode, 1, size, stdout);
    lua_close(L);
    free(source);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* Outside of a jail, what the kernel has of the layers is enough. */
static void confine(bool jailed)
{
    char reason[ELG_CONFINE_REASON_BYTES_MAX];
    const struct elg_confine_options options = {
        .address_bytes_max = ELG_COMPILE_MEMORY_BYTES_MAX,
    };
    (void)elg_jailed_confine(&options, reason);
    if (jailed && reason[0] != '\0')
        exit(1);
}

int main(int argc, char **argv)
{
    struct text out = {NULL, 0, 0};
    bool jailed = argc == 2 && strcmp(argv[1], ELG_COMPILE_JAILED) == 0;
    if (argc == 3)
        return compile_file(argv[1], argv[2], false);
    if (argc == 2 && !jailed)
        return compile_file(argv[1], "=elg", true);
    confine(jailed);
    while (serve_one(&out))
        ;
    free(out.data);
    return 0;
}
