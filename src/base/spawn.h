/* spawn: a helper process that talks over one socket. Uses nothing of elg. */
#ifndef ELG_BASE_SPAWN_H
#define ELG_BASE_SPAWN_H

#include <sys/types.h>

/* Starts `path` with `argv`: no environment, a process group of its own, every signal as
 * at a process's birth, outputs that lead nowhere, its standard input one end of a socket
 * pair. *fd is the other end, closed at exec. 0, or an errno and nothing started. */
int elg_base_spawn(const char *path, const char *const *argv, int *fd, pid_t *pid);

/* Kills it and waits until it is gone. What waitpid says of it: one that had ended, or
 * was ending, keeps its own reason. */
int elg_base_spawn_end(pid_t pid);

#endif
