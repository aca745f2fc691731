/* process_c: processes as a spec needs them: started with their own files, environment
 * and limits, waited for with a time limit, ended by pid. And clocks, and a connection to
 * SQLite as a stranger would have it.
 *
 * Uses POSIX and SQLite; knows nothing of elg. What it starts ends with the spec's
 * process.
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 256
#define BUSY_MS 10000

int luaopen_process_c(lua_State *L);

static double clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* monotonic_us() */
static int l_monotonic_us(lua_State *L)
{
    lua_pushnumber(L, clock_us(CLOCK_MONOTONIC));
    return 1;
}

/* wall_ms(): milliseconds since 1970 */
static int l_wall_ms(lua_State *L)
{
    lua_pushnumber(L, clock_us(CLOCK_REALTIME) / 1e3);
    return 1;
}

/* sleep_us(us) */
static int l_sleep_us(lua_State *L)
{
    double us = luaL_checknumber(L, 1);
    struct timespec t = {(time_t)(us / 1e6), 0};
    t.tv_nsec = (long)((us - (double)t.tv_sec * 1e6) * 1e3);
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
    return 0;
}

/* ---- spawn */

struct child {
    const char *argv[WORDS_MAX + 1], *env[WORDS_MAX + 1];
    const char *cwd, *in, *out, *err;
    double file_bytes, memory_bytes, files;
    int uid; /* 0: as we are */
    pid_t parent;
};

/* The list's strings stay alive in the caller's table. */
static void read_words(lua_State *L, const char *name, const char **words)
{
    int count = 0;
    lua_getfield(L, 1, name);
    if (lua_istable(L, -1)) {
        count = (int)lua_objlen(L, -1);
        luaL_argcheck(L, count <= WORDS_MAX, 1, "too many words");
        for (int i = 0; i < count; i++) {
            lua_rawgeti(L, -1, i + 1);
            words[i] = luaL_checkstring(L, -1);
            lua_pop(L, 1);
        }
    }
    words[count] = NULL;
    lua_pop(L, 1);
}

static const char *read_text(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const char *text = luaL_optstring(L, -1, NULL);
    lua_pop(L, 1);
    return text;
}

static double read_number(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    double number = luaL_optnumber(L, -1, 0);
    lua_pop(L, 1);
    return number;
}

static void limit(int what, double value)
{
    if (value <= 0)
        return;
    struct rlimit r = {(rlim_t)value, (rlim_t)value};
    setrlimit((__rlimit_resource_t)what, &r);
}

static void redirect(int fd, const char *path, int flags)
{
    int file = open(path != NULL ? path : "/dev/null", flags, 0644);
    if (file < 0 || dup2(file, fd) < 0)
        _exit(126);
    if (file != fd)
        close(file);
}

/* In the child; does not come back. */
static void become(const struct child *child)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != child->parent)
        _exit(126);
    redirect(0, child->in, O_RDONLY);
    redirect(1, child->out, O_WRONLY | O_CREAT | O_APPEND);
    redirect(2, child->err, O_WRONLY | O_CREAT | O_APPEND);
    if (child->cwd != NULL && chdir(child->cwd) != 0)
        _exit(126);
    limit(RLIMIT_FSIZE, child->file_bytes);
    limit(RLIMIT_AS, child->memory_bytes);
    limit(RLIMIT_NOFILE, child->files);
    if (child->file_bytes > 0)
        signal(SIGXFSZ, SIG_IGN); /* a full disk is an error, not a signal */
    if (child->uid != 0 &&
        (setgid((gid_t)child->uid) != 0 || setuid((uid_t)child->uid) != 0))
        _exit(126);
    if (child->env[0] != NULL)
        execvpe(child->argv[0], (char *const *)(uintptr_t)child->argv,
                (char *const *)(uintptr_t)child->env);
    else
        execvp(child->argv[0], (char *const *)(uintptr_t)child->argv);
    _exit(127);
}

/* spawn{ argv =, env = list or nil, cwd =, stdin =, stdout =, stderr = paths, file_bytes,
 * memory_bytes, files = limits, uid = } -> pid */
static int l_spawn(lua_State *L)
{
    struct child child;
    memset(&child, 0, sizeof child);
    luaL_checktype(L, 1, LUA_TTABLE);
    read_words(L, "argv", child.argv);
    read_words(L, "env", child.env);
    luaL_argcheck(L, child.argv[0] != NULL, 1, "argv is missing");
    child.cwd = read_text(L, "cwd");
    child.in = read_text(L, "stdin");
    child.out = read_text(L, "stdout");
    child.err = read_text(L, "stderr");
    child.file_bytes = read_number(L, "file_bytes");
    child.memory_bytes = read_number(L, "memory_bytes");
    child.files = read_number(L, "files");
    child.uid = (int)read_number(L, "uid");
    child.parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(&child);
    if (pid < 0)
        return luaL_error(L, "fork: %s", strerror(errno));
    lua_pushinteger(L, pid);
    return 1;
}

/* kill(pid, signal) -> true if there is such a process */
static int l_kill(lua_State *L)
{
    int pid = luaL_checkint(L, 1);
    luaL_argcheck(L, pid > 1, 1, "not a process");
    lua_pushboolean(L, kill(pid, luaL_checkint(L, 2)) == 0);
    return 1;
}

/* { code = or signal =, cpu_us =, rss_kb = } */
static void push_end(lua_State *L, int status, const struct rusage *usage)
{
    lua_newtable(L);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    lua_setfield(L, -2, WIFEXITED(status) ? "code" : "signal");
    lua_pushnumber(L, (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e6 +
                          (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec));
    lua_setfield(L, -2, "cpu_us");
    lua_pushnumber(L, (double)usage->ru_maxrss);
    lua_setfield(L, -2, "rss_kb");
}

/* wait(pid, timeout_ms) -> { code = or signal =, cpu_us =, rss_kb = } | nil: it goes on
 */
static int l_wait(lua_State *L)
{
    int pid = luaL_checkint(L, 1), status = 0;
    double until_us = clock_us(CLOCK_MONOTONIC) + luaL_checknumber(L, 2) * 1e3;
    long pause_ns = 100000;
    for (;;) {
        struct rusage usage;
        pid_t got = wait4(pid, &status, WNOHANG, &usage);
        if (got == pid) {
            push_end(L, status, &usage);
            return 1;
        }
        if (got < 0 && errno != EINTR)
            return luaL_error(L, "wait: %s", strerror(errno));
        if (clock_us(CLOCK_MONOTONIC) >= until_us)
            return 0;
        struct timespec pause = {0, pause_ns};
        nanosleep(&pause, NULL);
        if (pause_ns < 2000000)
            pause_ns += pause_ns / 4;
    }
}

/* ---- SQLite, by a connection of its own that moves no data into the database file */

static void push_column(lua_State *L, sqlite3_stmt *statement, int i)
{
    int type = sqlite3_column_type(statement, i);
    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT)
        lua_pushnumber(L, sqlite3_column_double(statement, i));
    else if (type == SQLITE_NULL)
        lua_pushnil(L);
    else {
        const char *data = sqlite3_column_blob(statement, i);
        lua_pushlstring(L, data != NULL ? data : "",
                        (size_t)sqlite3_column_bytes(statement, i));
    }
}

static void push_row(lua_State *L, sqlite3_stmt *statement)
{
    lua_newtable(L);
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        push_column(L, statement, i);
        lua_setfield(L, -2, sqlite3_column_name(statement, i));
    }
}

static int bind_values(lua_State *L, sqlite3_stmt *statement)
{
    int code = SQLITE_OK;
    for (int i = 3; i <= lua_gettop(L) - 1 && code == SQLITE_OK; i++) {
        size_t size = 0;
        if (lua_type(L, i) == LUA_TNUMBER) {
            code = sqlite3_bind_double(statement, i - 2, lua_tonumber(L, i));
        } else if (lua_isnil(L, i)) {
            code = sqlite3_bind_null(statement, i - 2);
        } else {
            const char *data = luaL_checklstring(L, i, &size);
            code = sqlite3_bind_blob(statement, i - 2, data, (int)size, SQLITE_TRANSIENT);
        }
    }
    return code;
}

static int run_statement(lua_State *L, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = bind_values(L, statement);
    for (int n = 1; code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW;
         n++) {
        push_row(L, statement);
        lua_rawseti(L, -2, n);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* sql(path, text, values...) -> rows, of one statement. Values: numbers, strings (bound
 * as blobs), nil. */
static int l_sql(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *sql = luaL_checkstring(L, 2);
    sqlite3 *db = NULL;
    lua_newtable(L);
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_busy_timeout(db, BUSY_MS);
        code = run_statement(L, db, sql);
    }
    if (code != SQLITE_OK)
        lua_pushstring(L, sqlite3_errmsg(db));
    sqlite3_close(db);
    return code == SQLITE_OK ? 1 : lua_error(L);
}

static const luaL_Reg FUNCTIONS[] = {
    {"monotonic_us", l_monotonic_us},
    {"wall_ms", l_wall_ms},
    {"sleep_us", l_sleep_us},
    {"spawn", l_spawn},
    {"kill", l_kill},
    {"wait", l_wait},
    {"sql", l_sql},
    {NULL, NULL},
};

__attribute__((visibility("default"))) int luaopen_process_c(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
