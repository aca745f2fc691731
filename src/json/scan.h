/* scan: the inner loops over string bytes that reader and writer share.
 *
 * Provides inline functions for the folder alone. Uses SSE2 where the compiler has it and
 * words of eight bytes elsewhere; never reads past `end`. Must not know tokens or
 * buffers.
 */
#ifndef ELG_JSON_SCAN_H
#define ELG_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A byte that stands for itself inside a JSON string and is a whole character: ASCII
 * without controls, quote and backslash. */
static inline bool elg__json_is_plain(uint8_t byte)
{
    return (int8_t)byte >= 0x20 && byte != '"' && byte != '\\';
}

/* True if all eight bytes of the word are plain. */
static inline bool elg__json_all_plain_8(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    uint64_t low = word - ones * 0x20;
    /* A top bit in any of these: a special byte here or (by borrow) one before it. */
    return ((word | low | (quote - ones) | (slash - ones)) & tops) == 0;
}

#ifdef __SSE2__
/* Bit i set: byte i of the 16 at p is not plain. */
static inline unsigned elg__json_special_16(__m128i bytes)
{
    /* As signed numbers, controls and bytes of 128 and more are both below 32. */
    __m128i bad = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(bad);
}
#endif

static inline uint64_t elg__json_load_8(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* The four bytes at p and the four at q. */
static inline uint64_t elg__json_load_4_4(const uint8_t *p, const uint8_t *q)
{
    uint32_t first, second;
    memcpy(&first, p, sizeof first);
    memcpy(&second, q, sizeof second);
    return (uint64_t)second << 32 | first;
}

/* True if the 4 to 15 bytes from p to end are all plain: the words overlap. */
static inline bool elg__json_rest_plain(const uint8_t *p, const uint8_t *end)
{
    if (end - p >= 8)
        return elg__json_all_plain_8(elg__json_load_8(p)) &&
               elg__json_all_plain_8(elg__json_load_8(end - 8));
    return elg__json_all_plain_8(elg__json_load_4_4(p, end - 4));
}

/* The first byte from p on that is not plain, or `end`. */
static inline const uint8_t *elg__json_scan_plain(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        unsigned special = elg__json_special_16(_mm_loadu_si128((const __m128i *)p));
        if (special != 0)
            return p + __builtin_ctz(special);
        p += 16;
    }
#endif
    while (end - p >= 16 && elg__json_all_plain_8(elg__json_load_8(p)))
        p += 8;
    if (end - p >= 4 && end - p < 16 && elg__json_rest_plain(p, end))
        return end;
    while (p < end && elg__json_is_plain(*p))
        p++;
    return p;
}

/* Bytes of the well-formed sequence (RFC 3629) of two to four bytes at p; 0 if there is
 * none. p < end and *p >= 0x80. */
static inline size_t elg__json_sequence(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    uint8_t lead = p[0];
    if (lead < 0xC2 || lead > 0xF4 || left < 2)
        return 0;
    uint8_t low = 0x80, high = 0xBF; /* of the second byte */
    if (lead == 0xE0)
        low = 0xA0; /* else overlong */
    else if (lead == 0xED)
        high = 0x9F; /* else a surrogate */
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F; /* else past U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    if (lead < 0xE0)
        return 2;
    if (left < 3 || (p[2] & 0xC0) != 0x80)
        return 0;
    if (lead < 0xF0)
        return 3;
    if (left < 4 || (p[3] & 0xC0) != 0x80)
        return 0;
    return 4;
}

/* The end of the run from p on that a string holds as it is: plain bytes and well-formed
 * sequences. What stops it is `end`, a quote, a backslash, a control or bad UTF-8. */
static inline const uint8_t *elg__json_scan_verbatim(const uint8_t *p, const uint8_t *end)
{
    for (;;) {
        p = elg__json_scan_plain(p, end);
        if (p == end || *p < 0x80)
            return p;
        size_t size = elg__json_sequence(p, end);
        if (size == 0)
            return p;
        p += size;
    }
}

#endif
