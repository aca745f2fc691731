/* ask: what the jailed process has its host do while a graph is loaded or executed: read
 * a file, compile a text. It stands where sandbox/compiler.c stands in a host.
 *
 * Uses channel, sandbox/sandbox.h.
 */
#ifndef ELG_JAILED_ASK_H
#define ELG_JAILED_ASK_H

#include "jailed/channel.h"
#include "sandbox/sandbox.h"

/* The compiler of sandbox.h, here: a channel. */
struct elg_compiler {
    struct elg_channel *channel;
};

/* For struct elg_program_loader; `self` is the channel. */
enum elg_status elg_jailed_ask_source(void *self, const char *path, struct elg_buf *out,
                                      struct elg_error *error);

#endif
