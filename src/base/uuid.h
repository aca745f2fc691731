/* uuid: the text form of UUIDs (RFC 9562): 36 characters, lower case.
 *
 * Uses nothing: random bytes and time are arguments.
 */
#ifndef ELG_BASE_UUID_H
#define ELG_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define ELG_UUID_SIZE 37 /* with the NUL */

/* Version 4 of 16 random (or computed) bytes. */
void elg_base_uuid_v4(const uint8_t bytes[16], char out[ELG_UUID_SIZE]);
/* Version 7: wall_ms in front, 10 random bytes behind; sorts by time. */
void elg_base_uuid_v7(int64_t wall_ms, const uint8_t bytes[10], char out[ELG_UUID_SIZE]);

#endif
