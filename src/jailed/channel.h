/* channel: the jailed process's end of the pipe, descriptor 0.
 *
 * Uses jail/protocol.h, jail/wire.h. When the host is gone, or what it says cannot be,
 * the process ends: nobody is left to tell.
 */
#ifndef ELG_JAILED_CHANNEL_H
#define ELG_JAILED_CHANNEL_H

#include "jail/wire.h"

struct elg_channel {
    struct elg_buf in, out;
    size_t taken; /* bytes of `in` that were messages already taken */
};

void elg_jailed_channel_init(struct elg_channel *channel, const struct elg_alloc *alloc);
/* The next message; its fields are borrowed until the call after that. */
enum elg_jail_message elg_jailed_receive(struct elg_channel *channel,
                                         struct elg_jail_fields *fields);
/* A message of this kind, and no other. */
void elg_jailed_receive_only(struct elg_channel *channel, enum elg_jail_message kind,
                             struct elg_jail_fields *fields);
/* The fields were not as the protocol says, or the host is gone: ends the process. */
void elg_jailed_give_up(void) __attribute__((noreturn));
/* Sends what is in `out`, all or the process ends, and empties it. If the buffer failed,
 * the message becomes FAILED with ELG_NO_MEMORY. */
void elg_jailed_send(struct elg_channel *channel);

#endif
