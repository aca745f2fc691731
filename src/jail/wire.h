/* wire: fields of a message, written to a buffer and read with every length checked.
 *
 * Uses base. Both ends of the pipe share it.
 */
#ifndef ELG_JAIL_WIRE_H
#define ELG_JAIL_WIRE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/limits.h"
#include "jail/protocol.h"

/* ---- writing: failures are the buffer's */

/* Begins a message at the end of `out`; its place, for end. */
size_t elg_jail_wire_begin(struct elg_buf *out, enum elg_jail_message kind);
void elg_jail_wire_end(struct elg_buf *out, size_t place);
void elg_jail_wire_u32(struct elg_buf *out, uint32_t value);
void elg_jail_wire_u64(struct elg_buf *out, uint64_t value);
/* Length, bytes, a NUL. */
void elg_jail_wire_bytes(struct elg_buf *out, struct elg_bytes bytes);
/* As bytes; NULL is written as a text that reads as absent. */
void elg_jail_wire_text(struct elg_buf *out, const char *text);

/* ---- reading */

/* What is left of a message. `bad` is set by the first field that is not there or not
 * whole; what is read after that is 0 or empty. */
struct elg_jail_fields {
    const uint8_t *at, *end;
    bool bad;
};

void elg_jail_fields_init(struct elg_jail_fields *fields, struct elg_bytes message);
/* The next field. */
uint32_t elg_jail_fields_u32(struct elg_jail_fields *fields);
uint64_t elg_jail_fields_u64(struct elg_jail_fields *fields);
/* Borrowed from the message; a NUL follows. Data NULL: written as absent. */
struct elg_bytes elg_jail_fields_bytes(struct elg_jail_fields *fields);
/* As bytes, of a text that may not be absent; bad if there is a NUL within. */
const char *elg_jail_fields_text(struct elg_jail_fields *fields);
/* As text, but NULL if absent. */
const char *elg_jail_fields_text_or_null(struct elg_jail_fields *fields);
/* True if all was there and nothing is left over. */
bool elg_jail_fields_over(const struct elg_jail_fields *fields);

#endif
