/* jail_planted: what an elg-jail does that somebody has taken over (mk/94-jail.mk puts
 * the calls in). What it does is the name of the node: "attack_..." tries to get out,
 * "lie_..." says what cannot be. Uses jailed/channel.h, sandbox/sandbox.h. */
#ifndef JAIL_PLANTED_H
#define JAIL_PLANTED_H

#include "jailed/channel.h"
#include "sandbox/sandbox.h"

/* Before a job goes on. */
void planted_attack(const struct elg_job *job, struct elg_channel *channel);
/* Before an outcome is written. */
void planted_outcome(struct elg_outcome *outcome);
/* Before a message is sent. */
void planted_bytes(struct elg_buf *out);

#endif
