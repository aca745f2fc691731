/* sys: the module elg.sys, what a program on a terminal needs of its process: waiting,
 * signals, usage, temporary folders, whole writes. Uses base's clock; knows nothing of
 * graphs and runs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "bind/bind.h"

#define PATH_BYTES_MAX 4096
#define READ_BYTES_MAX 1048576
#define TREE_DESCRIPTORS_MAX 16
#define ORDERLY_SIGNALS 2  /* stop, and stop at once */
#define ORDERLY_US 2000000 /* that long, more of them are of the same stop */

/* Signals belong to a process, so these do too: the last signal caught, how many were,
 * how many are kept, when the last kept one came, and the pipe that wakes a poll. */
static volatile sig_atomic_t signal_caught;
static volatile sig_atomic_t signal_count;
static volatile sig_atomic_t signals_kept = 1;
static volatile int64_t signal_us;
static bool signal_told; /* poll says no more of it */
static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    int before = errno;
    int64_t now_us = elg_base_monotonic_us(elg_base_clock_system());
    if (signal_count < signals_kept) {
        signal_count++;
        signal_caught = number;
        signal_us = now_us;
        (void)!write(signal_pipe[1], "", 1);
    } else if (signals_kept == 1 || now_us - signal_us > ORDERLY_US) {
        signal(number, SIG_DFL);
        raise(number); /* delivered when this returns */
    }
    errno = before;
}

static int fail_errno(lua_State *L, const char *where)
{
    int number = errno;
    lua_pushnil(L);
    lua_pushfstring(L, "%s", strerror(number));
    lua_pushstring(L, number == EPIPE ? "EPIPE" : "ERRNO");
    lua_pushstring(L, where);
    return 4;
}

/* catch_signals() -> true | nil, message. The first SIGINT or SIGTERM is kept for
 * signal(); a second one has its ordinary effect; the first too, if that failed. SIGPIPE
 * and SIGXFSZ are ignored: the write that they are about fails instead. What came before,
 * held, is delivered. */
static int sys_catch_signals(lua_State *L)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    bool piped = signal_pipe[0] >= 0 || pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) == 0;
    int number = errno;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    const sigset_t held = action.sa_mask;
    action.sa_handler = on_signal;
    if (piped) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &held, NULL);
    errno = number;
    if (!piped)
        return fail_errno(L, "pipe");
    lua_pushboolean(L, 1);
    return 1;
}

/* stop_in_order(): from now on a second signal is kept too, for signal_count, and has its
 * ordinary effect only two seconds after the last that was kept: who executes runs hands
 * them back first, and no impatience makes a crash of it. */
static int sys_stop_in_order(lua_State *L)
{
    (void)L;
    signals_kept = ORDERLY_SIGNALS;
    return 0;
}

/* signal_count() -> how many signals were caught and kept */
static int sys_signal_count(lua_State *L)
{
    lua_pushinteger(L, signal_count);
    return 1;
}

/* signal() -> the number of the signal that was caught, or nil */
static int sys_signal(lua_State *L)
{
    if (signal_caught == 0)
        return 0;
    lua_pushinteger(L, signal_caught);
    return 1;
}

/* signal_seen(): poll waits again as if none had been caught; signal() still tells it */
static int sys_signal_seen(lua_State *L)
{
    char bytes[16];
    (void)L;
    signal_told = true;
    while (signal_pipe[0] >= 0 && read(signal_pipe[0], bytes, sizeof bytes) > 0)
        continue;
    return 0;
}

/* poll(fd, timeout_ms [, other_fd]) -> "ready", "timeout" or "signal"; -1: no time limit
 */
static int sys_poll(lua_State *L)
{
    struct pollfd fds[3] = {{.events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};
    fds[0].fd = (int)luaL_checkinteger(L, 1);
    fds[1].fd = (int)luaL_optinteger(L, 3, -1); /* poll passes over a negative one */
    fds[2].fd = signal_pipe[0];
    int timeout_ms = (int)luaL_checkinteger(L, 2);
    int ready = poll(fds, 3, timeout_ms);
    if (signal_caught != 0 && !signal_told)
        lua_pushliteral(L, "signal");
    else if (ready > 0 && (fds[0].revents != 0 || fds[1].revents != 0))
        lua_pushliteral(L, "ready");
    else
        lua_pushliteral(L, "timeout");
    return 1;
}

/* read(fd, bytes_max) -> text, "" at the end | nil, message, "ERRNO", where */
static int sys_read(lua_State *L)
{
    int fd = (int)luaL_checkinteger(L, 1);
    lua_Integer size = luaL_checkinteger(L, 2);
    luaL_argcheck(L, size > 0 && size <= READ_BYTES_MAX, 2, "not in range");
    void *buffer = lua_newuserdata(L, (size_t)size);
    ssize_t got;
    do
        got = read(fd, buffer, (size_t)size);
    while (got < 0 && errno == EINTR && signal_caught == 0);
    if (got < 0)
        return fail_errno(L, "read");
    lua_pushlstring(L, buffer, (size_t)got);
    return 1;
}

/* write(fd, text) -> true | nil, message, "EPIPE" or "ERRNO", where */
static int sys_write(lua_State *L)
{
    size_t size = 0, done = 0;
    int fd = (int)luaL_checkinteger(L, 1);
    const char *text = luaL_checklstring(L, 2, &size);
    while (done < size) {
        ssize_t wrote = write(fd, text + done, size - done);
        if (wrote >= 0)
            done += (size_t)wrote;
        else if (errno == EAGAIN) {
            struct pollfd wait = {fd, POLLOUT, 0};
            poll(&wait, 1, -1);
        } else if (errno != EINTR)
            return fail_errno(L, "write");
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* isatty(fd) -> boolean */
static int sys_isatty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* columns(fd) -> width of the terminal, or 80 */
static int sys_columns(lua_State *L)
{
    struct winsize size;
    int fd = (int)luaL_checkinteger(L, 1);
    bool known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    lua_pushinteger(L, known ? size.ws_col : 80);
    return 1;
}

static lua_Number microseconds(struct timeval t)
{
    return (lua_Number)t.tv_sec * 1e6 + (lua_Number)t.tv_usec;
}

/* usage() -> CPU time of all threads so far in us, peak resident memory in KB */
static int sys_usage(lua_State *L)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    lua_pushnumber(L, microseconds(usage.ru_utime) + microseconds(usage.ru_stime));
    lua_pushnumber(L, (lua_Number)usage.ru_maxrss);
    return 2;
}

/* monotonic_us() -> microseconds on a clock that never goes back */
static int sys_monotonic_us(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)elg_base_monotonic_us(elg_base_clock_system()));
    return 1;
}

/* wall_ms() -> milliseconds since 1970 */
static int sys_wall_ms(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)elg_base_wall_ms(elg_base_clock_system()));
    return 1;
}

/* exe() -> the path of the running program | nil, message */
static int sys_exe(lua_State *L)
{
    char path[PATH_BYTES_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    if (size < 0)
        return fail_errno(L, "/proc/self/exe");
    lua_pushlstring(L, path, (size_t)size);
    return 1;
}

/* setenv(name, value): for this process and those it starts, unless it is set already */
static int sys_setenv(lua_State *L)
{
    if (setenv(luaL_checkstring(L, 1), luaL_checkstring(L, 2), 0) != 0)
        return fail_errno(L, lua_tostring(L, 1));
    lua_pushboolean(L, 1);
    return 1;
}

/* kind(path) -> "file", "folder" or "other" | nil, message */
static int sys_kind(lua_State *L)
{
    struct stat info;
    const char *path = luaL_checkstring(L, 1);
    if (stat(path, &info) != 0)
        return fail_errno(L, path);
    lua_pushstring(L, S_ISREG(info.st_mode)   ? "file"
                      : S_ISDIR(info.st_mode) ? "folder"
                                              : "other");
    return 1;
}

/* names(folder) -> what is in it, sorted | nil, message */
static int sys_names(lua_State *L)
{
    struct dirent **entries;
    const char *path = luaL_checkstring(L, 1);
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return fail_errno(L, path);
    lua_newtable(L);
    for (int i = 0, n = 0; i < count; i++) {
        if (strcmp(entries[i]->d_name, ".") != 0 &&
            strcmp(entries[i]->d_name, "..") != 0) {
            lua_pushstring(L, entries[i]->d_name);
            lua_rawseti(L, -2, ++n);
        }
        free(entries[i]);
    }
    free(entries);
    return 1;
}

/* mkdtemp(prefix) -> the path of a new folder | nil, message */
static int sys_mkdtemp(lua_State *L)
{
    char path[PATH_BYTES_MAX];
    const char *prefix = luaL_checkstring(L, 1);
    int size = snprintf(path, sizeof path, "%sXXXXXX", prefix);
    luaL_argcheck(L, size > 0 && size < PATH_BYTES_MAX, 1, "path too long");
    if (mkdtemp(path) == NULL)
        return fail_errno(L, prefix);
    lua_pushstring(L, path);
    return 1;
}

static int remove_entry(const char *path, const struct stat *info, int kind,
                        struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

/* mkdir(path) -> true, also if the folder is there | nil, message */
static int sys_mkdir(lua_State *L)
{
    struct stat info;
    const char *path = luaL_checkstring(L, 1);
    int made = mkdir(path, 0777);
    bool there = made != 0 && errno == EEXIST && stat(path, &info) == 0;
    if (made != 0 && !(there && S_ISDIR(info.st_mode)))
        return fail_errno(L, path);
    lua_pushboolean(L, 1);
    return 1;
}

/* remove_tree(path) -> true | nil, message. Follows no links. */
static int sys_remove_tree(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (nftw(path, remove_entry, TREE_DESCRIPTORS_MAX, FTW_DEPTH | FTW_PHYS) != 0)
        return fail_errno(L, path);
    lua_pushboolean(L, 1);
    return 1;
}

int luaopen_elg_sys(lua_State *L)
{
    static const luaL_Reg FUNCTIONS[] = {
        {"catch_signals", sys_catch_signals},
        {"stop_in_order", sys_stop_in_order},
        {"signal_count", sys_signal_count},
        {"signal", sys_signal},
        {"signal_seen", sys_signal_seen},
        {"poll", sys_poll},
        {"read", sys_read},
        {"write", sys_write},
        {"isatty", sys_isatty},
        {"columns", sys_columns},
        {"usage", sys_usage},
        {"monotonic_us", sys_monotonic_us},
        {"wall_ms", sys_wall_ms},
        {"exe", sys_exe},
        {"setenv", sys_setenv},
        {"kind", sys_kind},
        {"names", sys_names},
        {"mkdtemp", sys_mkdtemp},
        {"mkdir", sys_mkdir},
        {"remove_tree", sys_remove_tree},
        {NULL, NULL},
    };
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    elg__bind_open_children(L);
    return 1;
}
