/* number: text to double and back, fast where it is easy. Provides number.h and
 * elg_json_format_number.
 *
 * Uses dtoa.cc for what is not easy. Must not know tokens or buffers.
 */
#include "json/number.h"

#include <math.h>
#include <string.h>

#include "json/json.h"

#define EXACT_INTEGER_MAX 9007199254740992.0 /* 2^53 */
#define MANTISSA_DIGITS_MAX 18               /* always fit 64 bits */
#define DECIMAL_MAX 1e15                     /* 15 digits */
#define EXPONENT_CLAMP 100000                /* far past any double; keeps sums small */

/* Powers of ten that are exact doubles. */
static const double EXACT_TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* A decimal while it is read: mantissa * 10^exponent if digits is at most
 * MANTISSA_DIGITS_MAX. */
struct decimal {
    uint64_t mantissa;
    size_t digits; /* behind leading zeros */
    long exponent;
};

static inline bool is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') <= 9;
}

/* Takes digits from p on; the end of them. */
static inline const uint8_t *take_digits(const uint8_t *p, const uint8_t *end,
                                         struct decimal *decimal)
{
    for (; p < end && is_digit(*p); p++) {
        if (decimal->digits < MANTISSA_DIGITS_MAX)
            decimal->mantissa = decimal->mantissa * 10 + (uint64_t)(*p - '0');
        decimal->digits += decimal->mantissa != 0;
    }
    return p;
}

/* "e" and what follows; *at is behind the e. False: no digit. */
static bool take_exponent(const uint8_t **at, const uint8_t *end, struct decimal *decimal)
{
    const uint8_t *p = *at;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    *at = p;
    if (p == end || !is_digit(*p))
        return false;
    long exponent = 0;
    for (; p < end && is_digit(*p); p++)
        if (exponent < EXPONENT_CLAMP)
            exponent = exponent * 10 + (*p - '0');
    decimal->exponent += negative ? -exponent : exponent;
    *at = p;
    return true;
}

/* Both operands are exact, so that one rounding remains (Clinger 1990). */
static bool convert_exact(const struct decimal *decimal, double *out)
{
    if (decimal->digits > MANTISSA_DIGITS_MAX ||
        decimal->mantissa > (uint64_t)EXACT_INTEGER_MAX)
        return false;
    double number = (double)decimal->mantissa;
    if (decimal->exponent == 0 || decimal->mantissa == 0)
        *out = number;
    else if (decimal->exponent > 0 && decimal->exponent <= 22)
        *out = number * EXACT_TENS[decimal->exponent];
    else if (decimal->exponent < 0 && decimal->exponent >= -22)
        *out = number / EXACT_TENS[-decimal->exponent];
    else
        return false;
    return true;
}

/* Everything behind the integer part. */
static enum elg__json_number_fault take_fraction(const uint8_t **at, const uint8_t *end,
                                                 struct decimal *decimal)
{
    const uint8_t *p = *at;
    if (p < end && *p == '.') {
        const uint8_t *first = ++p;
        p = take_digits(p, end, decimal);
        *at = p;
        if (p == first)
            return ELG__JSON_NUMBER_NO_DIGIT;
        decimal->exponent -= p - first;
    }
    if (p < end && (*p | 0x20) == 'e') {
        *at = p + 1;
        if (!take_exponent(at, end, decimal))
            return ELG__JSON_NUMBER_NO_DIGIT;
    }
    return ELG__JSON_NUMBER_OK;
}

enum elg__json_number_fault elg__json_read_number(const uint8_t **at, const uint8_t *end,
                                                  double *out)
{
    const uint8_t *begin = *at, *p = begin;
    struct decimal decimal = {0, 0, 0};
    bool negative = p < end && *p == '-';
    p += negative;
    const uint8_t *first = p;
    p = take_digits(p, end, &decimal);
    *at = p;
    if (p == first)
        return ELG__JSON_NUMBER_NO_DIGIT;
    if (*first == '0' && p - first > 1) {
        *at = first + 1;
        return ELG__JSON_NUMBER_LEADING_ZERO;
    }
    if (p < end && (*p == '.' || (*p | 0x20) == 'e')) {
        enum elg__json_number_fault fault = take_fraction(at, end, &decimal);
        if (fault != ELG__JSON_NUMBER_OK)
            return fault;
    }
    double number;
    if (convert_exact(&decimal, &number)) {
        number = negative ? -number : number;
    } else {
        number = elg__json_text_to_double((const char *)begin, (size_t)(*at - begin));
        if (isinf(number))
            return ELG__JSON_NUMBER_OVERFLOW;
    }
    *out = number + 0.0; /* -0 becomes 0 */
    return ELG__JSON_NUMBER_OK;
}

/* Digits of an integer of at most 2^53, the last `decimals` of them behind a point; the
 * length. */
static size_t format_digits(uint64_t value, bool negative, int decimals, char out[32])
{
    char digits[32];
    size_t i = sizeof digits;
    for (; decimals > 0; decimals--) {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
        if (decimals == 1)
            digits[--i] = '.';
    }
    do {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    if (negative)
        digits[--i] = '-';
    memcpy(out, digits + i, sizeof digits - i);
    return sizeof digits - i;
}

/* Numbers of few decimals, as prices are; the length, 0 if it is none. The quotient of
 * two exact integers is the double nearest to that decimal, and no two decimals of at
 * most 15 digits have the same double: so it is the shortest and the nearest. */
static size_t format_decimal(double number, char out[32])
{
    double scaled = fabs(number) * 10000;
    if (scaled >= DECIMAL_MAX)
        return 0;
    uint64_t value = (uint64_t)(scaled + 0.5);
    if ((double)value / 10000 != fabs(number))
        return 0;
    int decimals = 4;
    for (; value % 10 == 0; decimals--)
        value /= 10;
    return format_digits(value, number < 0, decimals, out);
}

size_t elg_json_format_number(double number, char out[32])
{
    if (fabs(number) <= EXACT_INTEGER_MAX) {
        int64_t integer = (int64_t)number;
        if ((double)integer == number)
            return format_digits((uint64_t)(integer < 0 ? -integer : integer),
                                 integer < 0, 0, out);
    }
    if (!isfinite(number))
        return 0;
    size_t size = format_decimal(number, out);
    return size > 0 ? size : elg__json_double_to_text(number, out);
}
