/* fault_files: system calls on files that fail where they are told to and keep a list.
 *
 * Included by one C file of a spec module: the module is linked with -Bsymbolic, so the
 * library inside it calls these, and nothing else in the process does. One thread only.
 */
#ifndef SPEC_FAULT_FILES_H
#define SPEC_FAULT_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    bool on;
    int calls, fail_at; /* the fail_at-th call fails; 0: none */
    int code;           /* errno of the failure */
    char list[65536];   /* "fsync /path\n" of each call that was made */
    size_t size;
} fault_files;

/* True if this call is to fail. */
static bool fault_files_note(const char *call, const char *path)
{
    if (!fault_files.on)
        return false;
    size_t room = sizeof fault_files.list - fault_files.size;
    int size = snprintf(fault_files.list + fault_files.size, room, "%s %s\n", call, path);
    if (size > 0 && (size_t)size < room)
        fault_files.size += (size_t)size;
    if (++fault_files.calls != fault_files.fail_at)
        return false;
    errno = fault_files.code;
    return true;
}

static const char *fault_files_path(int fd)
{
    static char path[4096];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    return path;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (fault_files_note("open", path))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Writes at most 3,000 bytes at once, as a system may. */
ssize_t write(int fd, const void *data, size_t size)
{
    if (fault_files_note("write", fault_files_path(fd)))
        return -1;
    return syscall(SYS_write, fd, data, fault_files.on && size > 3000 ? 3000 : size);
}

int fsync(int fd)
{
    if (fault_files_note("fsync", fault_files_path(fd)))
        return -1;
    return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    if (fault_files_note("rename", to))
        return -1;
    return (int)syscall(SYS_rename, from, to);
}

int mkdir(const char *path, mode_t mode)
{
    if (fault_files_note("mkdir", path))
        return -1;
    return (int)syscall(SYS_mkdir, path, mode);
}

#endif
