/* string: reads one string token, for the reader alone. */
#ifndef ELG_JSON_STRING_H
#define ELG_JSON_STRING_H

#include "json/json.h"

/* Reads the string whose first byte (behind the quote) is `p` into reader->string, and
 * moves reader->at behind its closing quote. Without escapes it is borrowed from the
 * text, else from the reader's scratch. */
enum elg_status elg__json_read_string(struct elg_json_reader *reader, const uint8_t *p,
                                      struct elg_error *error);

#endif
