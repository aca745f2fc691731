/* utf8: validity and order of strings. Provides three functions of json.h.
 *
 * Uses scan.h. Must not know JSON's grammar.
 */
#include "json/json.h"
#include "json/scan.h"

bool elg_json_nul_at(const uint8_t *p, size_t size)
{
    return size >= 2 && p[0] == 0xC0 && p[1] == 0x80;
}

size_t elg_json_check_utf8(struct elg_bytes s)
{
    if (s.size == 0)
        return 0;
    const uint8_t *p = s.data, *end = s.data + s.size;
    while (p < end) {
        if (*p < 0x80) {
            p = elg__json_scan_plain(p + 1, end);
            continue;
        }
        size_t size = elg__json_sequence(p, end);
        if (size == 0)
            return (size_t)(p - s.data);
        p += size;
    }
    return s.size;
}

/* Bytes of UTF-8 sort as code points do, and code points as UTF-16 units do but for one
 * case: U+E000..U+FFFF (leads EE, EF) come after the surrogate pairs (leads F0..F4). A
 * byte of EE and more is always a lead, so the first difference tells. */
int elg_json_compare_keys(struct elg_bytes a, struct elg_bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    size_t i = 0;
    while (i < common && a.data[i] == b.data[i])
        i++;
    if (i == common)
        return (a.size > b.size) - (a.size < b.size);
    uint8_t x = a.data[i], y = b.data[i];
    int by_code_point = x < y ? -1 : 1;
    if (x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0))
        return -by_code_point;
    return by_code_point;
}
