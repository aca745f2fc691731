/* text: the public elg_text, made from a buffer.
 *
 * Uses buf. The public elg_text_destroy (elg.h) is here too.
 */
#ifndef ELG_BASE_TEXT_H
#define ELG_BASE_TEXT_H

#include "base/buf.h"

/* Takes the buffer's memory (it is empty afterwards, in either case) and gives it as a
 * text with a NUL behind. False, and nothing written: the buffer had failed or there is
 * no memory. */
bool elg_base_text_take(struct elg_buf *buf, struct elg_text *out);

#endif
