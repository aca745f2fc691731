/* uuid: text forms of RFC 9562. Provides base/uuid.h. */
#include "base/uuid.h"

#include <string.h>

static void format(const uint8_t bytes[16], char out[ELG_UUID_SIZE])
{
    static const char DIGITS[] = "0123456789abcdef";
    char *at = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = DIGITS[bytes[i] >> 4];
        *at++ = DIGITS[bytes[i] & 15];
    }
    *at = '\0';
}

static void stamp(uint8_t bytes[16], uint8_t version)
{
    bytes[6] = (uint8_t)((bytes[6] & 0x0F) | (version << 4));
    bytes[8] = (uint8_t)((bytes[8] & 0x3F) | 0x80);
}

void elg_base_uuid_v4(const uint8_t bytes[16], char out[ELG_UUID_SIZE])
{
    uint8_t copy[16];
    memcpy(copy, bytes, sizeof copy);
    stamp(copy, 4);
    format(copy, out);
}

void elg_base_uuid_v7(int64_t wall_ms, const uint8_t bytes[10], char out[ELG_UUID_SIZE])
{
    uint8_t all[16];
    for (int i = 0; i < 6; i++)
        all[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
    memcpy(all + 6, bytes, 10);
    stamp(all, 7);
    format(all, out);
}
