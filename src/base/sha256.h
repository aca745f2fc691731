/* sha256: SHA-256 (FIPS 180-4) by OpenSSL, and its lower-case hex.
 *
 * Uses bytes. One context per thread.
 */
#ifndef ELG_BASE_SHA256_H
#define ELG_BASE_SHA256_H

#include "base/bytes.h"
#include "base/status.h"

#define ELG_HASH_BYTES 32
#define ELG_HASH_HEX_SIZE 65 /* with the NUL */

struct elg_hash {
    uint8_t bytes[ELG_HASH_BYTES];
};

struct elg_sha256; /* a context; one per thread */

/* NULL: no memory. */
struct elg_sha256 *elg_base_sha256_create(const struct elg_alloc *alloc);
void elg_base_sha256_destroy(struct elg_sha256 *sha);
void elg_base_sha256_begin(struct elg_sha256 *sha);
void elg_base_sha256_add(struct elg_sha256 *sha, const void *data, size_t size);
void elg_base_sha256_end(struct elg_sha256 *sha, struct elg_hash *out);
/* The hash of one run of bytes. */
void elg_base_sha256(struct elg_sha256 *sha, struct elg_bytes bytes,
                     struct elg_hash *out);

/* Lower-case hex, with a NUL. */
void elg_base_hash_hex(const struct elg_hash *hash, char out[ELG_HASH_HEX_SIZE]);
/* False if `text` is not exactly 64 lower-case hex digits. */
bool elg_base_hash_parse(struct elg_bytes text, struct elg_hash *out);
bool elg_base_hash_equal(const struct elg_hash *a, const struct elg_hash *b);

#endif
