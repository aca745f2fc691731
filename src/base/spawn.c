/* spawn: posix_spawn with a socket pair. Provides base/spawn.h. */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr, int fd)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int rc = posix_spawn_file_actions_adddup2(actions, fd, 0);
    for (int out = 1; rc == 0 && out <= 2; out++)
        rc = posix_spawn_file_actions_addopen(actions, out, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawnattr_setflags(
            attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attr, &all);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(attr, &none);
    return rc;
}

static int spawn_on(int fd, const char *path, const char *const *argv, pid_t *pid)
{
    static char *const NO_ENVIRONMENT[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc == 0) {
        rc = set_up(&actions, &attr, fd);
        if (rc == 0)
            rc = posix_spawn(pid, path, &actions, &attr, (char *const *)(uintptr_t)argv,
                             NO_ENVIRONMENT);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int elg_base_spawn(const char *path, const char *const *argv, int *fd, pid_t *pid)
{
    int ends[2];
    pid_t child;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    int rc = spawn_on(ends[1], path, argv, &child);
    close(ends[1]);
    if (rc != 0) {
        close(ends[0]);
        return rc;
    }
    *fd = ends[0];
    *pid = child;
    return 0;
}

int elg_base_spawn_end(pid_t pid)
{
    int status = 0;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}
