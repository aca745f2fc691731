/* child: the host's end of one jailed process: starting it, asking it, ending it, and
 * what became of it.
 *
 * Uses wire, base. Trusts nothing that comes: a message that is not whole, too long, too
 * late or unasked for ends the process.
 */
#ifndef ELG_JAIL_CHILD_H
#define ELG_JAIL_CHILD_H

#include <sys/types.h>

#include "base/clock.h"
#include "jail/wire.h"

/* Why a process is no more. */
enum elg_jail_end {
    ELG_JAIL_LIVES,
    ELG_JAIL_KILLED,  /* by SIGKILL, which nothing within can send: somebody, or the
                         system for want of memory */
    ELG_JAIL_CRASHED, /* by anything else that is its own doing; or it was ended for what
                         it said, or for saying nothing */
    ELG_JAIL_STARVED  /* ended because this process has no memory for its messages */
};

struct elg_jail_child_options {
    const struct elg_alloc *alloc;
    struct elg_clock clock;
    const char *path;        /* of elg-jail */
    const char *const *argv; /* NULL behind the last; argv[0] is its name */
    const char *fingerprint; /* that it must have */
};

struct elg_jail_child {
    const struct elg_alloc *alloc;
    struct elg_clock clock;
    pid_t pid;
    int fd; /* -1: it has ended */
    struct elg_buf in, out;
    unsigned layers; /* that it put on */
    enum elg_jail_end end;
    char why[160]; /* how it ended, once it has */
};

/* Starts a process and waits until it is confined. ELG_UNSUPPORTED: this kernel lacks a
 * layer, the text says which; ELG_IO: it cannot be started, or is of another build;
 * ELG_ABORTED: it was killed from outside meanwhile. */
enum elg_status elg_jail_child_create(const struct elg_jail_child_options *options,
                                      struct elg_jail_child **out,
                                      struct elg_error *error);
/* Ends it, if it lives. NULL is fine. */
void elg_jail_child_destroy(struct elg_jail_child *child);

/* Sends what is in child->out and empties it. False: it is no more. */
bool elg_jail_child_send(struct elg_jail_child *child, int64_t until_us);
/* The next message, whose fields are borrowed until the next one. False: it is no more:
 * gone, or ended for being late or wrong. */
bool elg_jail_child_receive(struct elg_jail_child *child, int64_t until_us,
                            enum elg_jail_message *kind, struct elg_jail_fields *fields);
/* Ends it because there is no memory for what it says. Afterwards as before. */
void elg_jail_child_starve(struct elg_jail_child *child);
/* Ends it for what it did. */
void elg_jail_child_blame(struct elg_jail_child *child, const char *why);

#endif
