/* confine: takes from the calling process everything that a helper does not need: every
 * descriptor but the pipe, rights, files, network, system calls. For elg-jail and
 * elg-compile, whose one thread then answers what comes over descriptor 0.
 *
 * Uses the kernel alone. Must not know what the helper does.
 */
#ifndef ELG_JAILED_CONFINE_H
#define ELG_JAILED_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

/* The layers, in the order in which they are put on. */
enum elg_layer {
    ELG_LAYER_DESCRIPTORS = 1, /* all closed but 0 */
    ELG_LAYER_RIGHTS = 2,      /* no_new_privs, no capabilities, not dumpable */
    ELG_LAYER_LIMITS = 4,      /* no files, processes, core; bounded address space */
    ELG_LAYER_NETWORK = 8,     /* a network namespace of its own, with nothing in it */
    ELG_LAYER_LANDLOCK = 16, /* no right to any file; TCP and scopes where it has them */
    ELG_LAYER_SECCOMP = 32   /* the system calls of a table; all others kill */
};

/* What a jail must have. The network namespace is put on where it is permitted: without
 * it no descriptor, and no system call that makes one, leads to a network anyway. */
#ifdef __SANITIZE_ADDRESS__ /* its runtime needs system calls and terabytes */
#define ELG_LAYERS_NEEDED (ELG_LAYER_DESCRIPTORS | ELG_LAYER_RIGHTS)
#else
#define ELG_LAYERS_NEEDED                                                                \
    (ELG_LAYER_DESCRIPTORS | ELG_LAYER_RIGHTS | ELG_LAYER_LIMITS | ELG_LAYER_LANDLOCK |  \
     ELG_LAYER_SECCOMP)
#endif

#define ELG_CONFINE_REASON_BYTES_MAX 200

struct elg_confine_options {
    size_t address_bytes_max; /* of the address space */
    bool network_namespace;   /* half a millisecond at the start */
    bool dies_with_parent;    /* with the thread that started it */
};

/* Puts every layer on that the kernel has; what it got. For the first needed one that it
 * did not get, `reason` says which call failed and how; else it is empty. */
unsigned elg_jailed_confine(const struct elg_confine_options *options,
                            char reason[ELG_CONFINE_REASON_BYTES_MAX]);

#endif
