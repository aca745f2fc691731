/* protocol: what goes between a host and a jailed process, over a socket pair in the byte
 * order of the machine.
 *
 * Uses nothing. A message is this head and its fields in the order given here, each as
 * wire.h writes it: u32, u64, or text (a length, the bytes, a NUL). The host asks and the
 * process answers, once to each question; only while it loads or executes may it ask back
 * (READ, COMPILE), and then it waits for that answer.
 */
#ifndef ELG_JAIL_PROTOCOL_H
#define ELG_JAIL_PROTOCOL_H

#include <stdint.h>

struct elg_jail_head {
    uint32_t kind;
    uint32_t bytes; /* of the fields */
};

enum elg_jail_message {
    /* From the host; "->" names what answers. */
    ELG_JAIL_LOAD = 1, /* entry -> LOADED or FAILED */
    ELG_JAIL_RUN,      /* a job, see job_write of job.c -> OUTCOME or FAILED */
    ELG_JAIL_RESUME,   /* u32 given, u32 ok, value -> OUTCOME or FAILED */
    ELG_JAIL_WHERE,    /* -> PLACE */
    ELG_JAIL_PARK,     /* -> PARKED or FAILED */
    ELG_JAIL_UNPARK,   /* u32 slot; no answer: the next RESUME fails if this did */
    ELG_JAIL_DROP,     /* u32 slot; no answer */
    ELG_JAIL_SOURCE,   /* to READ: u32 status, text (or where, text of the error) */
    ELG_JAIL_BYTECODE, /* to COMPILE: as SOURCE */
    /* From the process. */
    ELG_JAIL_READY = 64, /* fingerprint, u32 layers; once, before anything else */
    ELG_JAIL_REFUSED,    /* u32 status, reason; in place of READY */
    ELG_JAIL_READ,       /* path */
    ELG_JAIL_COMPILE,    /* chunk, source */
    ELG_JAIL_LOADED,     /* description */
    ELG_JAIL_FAILED,     /* u32 status, where, text */
    ELG_JAIL_OUTCOME,    /* see outcome_read of check.c */
    ELG_JAIL_PLACE,      /* where */
    ELG_JAIL_PARKED      /* u32 slot, u64 bytes */
};

#endif
