/* place: says where in a text something is wrong, for the folder alone. */
#ifndef ELG_JSON_PLACE_H
#define ELG_JSON_PLACE_H

#include "json/json.h"

/* Fills `error` with "line L column C, PATH" for the byte at `at` and the reader's open
 * containers; returns `status`. Lines and columns count from 1, columns in characters. */
enum elg_status elg__json_fail(const struct elg_json_reader *reader,
                               enum elg_status status, const uint8_t *at,
                               struct elg_error *error, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#define ELG__JSON_FOUND_SIZE 32
/* What stands at `at`, for a message: "'x'", "byte 0x80", "the end of the text". */
const char *elg__json_found(const struct elg_json_reader *reader, const uint8_t *at,
                            char out[ELG__JSON_FOUND_SIZE]);

#endif
