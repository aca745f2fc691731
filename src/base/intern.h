/* intern: strings kept once, until their table goes. Bounded: past the maximum the answer
 * is a fixed "...", so that hostile input cannot grow it (I15).
 *
 * Uses alloc. For texts that many records name and that live as long as any of them, such
 * as the "file:line" of a call.
 */
#ifndef ELG_BASE_INTERN_H
#define ELG_BASE_INTERN_H

#include "base/alloc.h"

struct elg_intern;

/* At most strings_max strings. NULL: no memory. */
struct elg_intern *elg_base_intern_create(const struct elg_alloc *alloc,
                                          size_t strings_max);
void elg_base_intern_destroy(struct elg_intern *intern);
/* The kept copy of `s`, borrowed until destroy; never NULL. */
const char *elg_base_intern(struct elg_intern *intern, const char *s);

#endif
