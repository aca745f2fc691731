/* status: the one enum of outcomes and the one error record of the library.
 *
 * Uses nothing. Every function that can fail returns an enum elg_status and, where it
 * takes a struct elg_error, fills it through elg_base_fail. No secret ever enters it
 * (I14).
 */
#ifndef ELG_BASE_STATUS_H
#define ELG_BASE_STATUS_H

#include <stdarg.h>
#include <stdint.h>

#include "elg.h" /* enum elg_status, struct elg_error are public */

/* Fills `error` (which may be NULL) and returns `status`. `where` names the thing that is
 * wrong ("state.items[3]", "graph.lua:12", a path); NULL or "" if there is nothing to
 * name. The text is cut at ELG_ERROR_TEXT_MAX - 1 bytes, at a UTF-8 boundary. */
enum elg_status elg_base_fail(struct elg_error *error, enum elg_status status,
                              const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As elg_base_fail for out of memory; needs no memory itself (I16). */
enum elg_status elg_base_no_memory(struct elg_error *error);

/* Makes `error` say ELG_OK with empty texts. `error` may be NULL. */
void elg_base_error_clear(struct elg_error *error);

#endif
