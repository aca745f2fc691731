/* interpose: stands between elg and the C library, for specs (LD_PRELOAD). Knows nothing
 * of elg.
 *
 *   ELG_SPEC_PAUSE=FILE ELG_SPEC_PORT=N  whoever sends to TCP port N while FILE exists
 * takes it (renamed to FILE.PID) and stops itself by SIGSTOP, before the first byte
 * leaves
 *   ELG_SPEC_CLOCK=FILE  the wall clock is off by the milliseconds in FILE, looked at
 * every 20 ms; other clocks are not
 *   ELG_SPEC_BEGUN=FILE  FILE.PID is made when the loader is done with the process
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 20
#define NS_PER_MS 1000000
#define MS_PER_S 1000

/* ---- beginning */

__attribute__((constructor)) static void tell_begun(void)
{
    char path[4096];
    const char *prefix = getenv("ELG_SPEC_BEGUN");
    if (prefix == NULL)
        return;
    snprintf(path, sizeof path, "%s.%ld", prefix, (long)getpid());
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

/* ---- sending */

static int port_wanted(void)
{
    static atomic_int port;
    int value = atomic_load(&port);
    if (value == 0) {
        const char *text = getenv("ELG_SPEC_PORT");
        value = text != NULL ? atoi(text) : -1;
        atomic_store(&port, value);
    }
    return value;
}

static void pause_maybe(int fd)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    char taken[4096];
    const char *path = getenv("ELG_SPEC_PAUSE");
    if (path == NULL || getpeername(fd, (struct sockaddr *)&peer, &size) != 0 ||
        peer.sin_family != AF_INET || ntohs(peer.sin_port) != port_wanted())
        return;
    snprintf(taken, sizeof taken, "%s.%ld", path, (long)getpid());
    if (rename(path, taken) == 0)
        raise(SIGSTOP);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    static ssize_t (*next)(int, const void *, size_t, int);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "send");
    pause_maybe(fd);
    return next(fd, data, size, flags);
}

/* ---- the wall clock */

static int (*real_gettime)(clockid_t, struct timespec *);

static int real_clock(clockid_t clock, struct timespec *out)
{
    if (real_gettime == NULL)
        *(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    return real_gettime(clock, out);
}

static int64_t file_ms(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    return got > 0 ? strtoll(text, NULL, 10) : 0;
}

static int64_t offset_ms(void)
{
    static atomic_llong offset, looked_ms;
    struct timespec now;
    const char *path = getenv("ELG_SPEC_CLOCK");
    if (path == NULL)
        return 0;
    real_clock(CLOCK_MONOTONIC, &now);
    int64_t now_ms = (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
    if (now_ms - atomic_load(&looked_ms) >= LOOK_MS) {
        atomic_store(&looked_ms, now_ms);
        atomic_store(&offset, file_ms(path));
    }
    return atomic_load(&offset);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int result = real_clock(clock, out);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += offset_ms() / MS_PER_S;
    return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}
