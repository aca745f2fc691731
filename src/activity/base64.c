/* base64: RFC 4648 section 4. Uses base. Must not know what the bytes are. */
#include "activity/internal.h"

#include <string.h>

static const char DIGITS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void elg__base64_encode(struct elg_buf *out, struct elg_bytes bytes)
{
    if (!elg_base_buf_reserve(out, (bytes.size + 2) / 3 * 4))
        return;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t word = (uint32_t)bytes.data[i] << 16;
        if (left > 1)
            word |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2)
            word |= bytes.data[i + 2];
        char four[4] = {DIGITS[word >> 18], DIGITS[(word >> 12) & 63],
                        left > 1 ? DIGITS[(word >> 6) & 63] : '=',
                        left > 2 ? DIGITS[word & 63] : '='};
        elg_base_buf_append(out, four, 4);
    }
}

static int digit(uint8_t c)
{
    const char *at = c != 0 ? strchr(DIGITS, c) : NULL;
    return at != NULL ? (int)(at - DIGITS) : -1;
}

bool elg__base64_decode(struct elg_buf *out, struct elg_bytes text)
{
    if (text.size % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.size &&
           text.data[text.size - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < text.size; i += 4) {
        uint32_t word = 0;
        size_t missing = i + 4 == text.size ? padding : 0;
        for (size_t k = 0; k < 4; k++) {
            int value = k < 4 - missing ? digit(text.data[i + k]) : 0;
            if (value < 0)
                return false;
            word = word << 6 | (uint32_t)value;
        }
        uint8_t three[3] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word};
        elg_base_buf_append(out, three, 3 - missing);
        if (missing > 0 && three[3 - missing] != 0)
            return false;
    }
    return true;
}
