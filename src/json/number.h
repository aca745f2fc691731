/* number: text to double and back, for the folder alone.
 *
 * Uses double-conversion (C++), which only dtoa.cc sees.
 */
#ifndef ELG_JSON_NUMBER_H
#define ELG_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elg__json_number_fault {
    ELG__JSON_NUMBER_OK,
    ELG__JSON_NUMBER_NO_DIGIT,     /* *at is where a digit is missing */
    ELG__JSON_NUMBER_LEADING_ZERO, /* *at is the digit behind the zero */
    ELG__JSON_NUMBER_OVERFLOW      /* too large for a double; *at is behind it */
};

/* Reads the number (RFC 8259 section 6) that begins at *at, exactly: the nearest double,
 * ties to even; -0 and what underflows to it are 0. Moves *at behind it. */
enum elg__json_number_fault elg__json_read_number(const uint8_t **at, const uint8_t *end,
                                                  double *out);

#ifdef __cplusplus
extern "C" {
#endif
/* The nearest double to a valid number of `size` bytes; infinite if it is too large. */
double elg__json_text_to_double(const char *text, size_t size);
/* The shortest form of a finite double, in JavaScript's format; the length. */
size_t elg__json_double_to_text(double number, char out[32]);
#ifdef __cplusplus
}
#endif

#endif
