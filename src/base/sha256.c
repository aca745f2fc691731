/* sha256: OpenSSL's SHA256_ functions. Provides base/sha256.h.
 *
 * Its EVP interface needs the library's whole configuration before the first digest,
 * which is a tenth of the time in which a process shall begin its work; these functions
 * are the same code without it. OpenSSL 3 calls them deprecated and still has them.
 */
#define OPENSSL_API_COMPAT 0x10101000L
#include "base/sha256.h"

#include <openssl/sha.h>
#include <string.h>

struct elg_sha256 {
    const struct elg_alloc *alloc;
    SHA256_CTX context;
};

struct elg_sha256 *elg_base_sha256_create(const struct elg_alloc *alloc)
{
    struct elg_sha256 *sha = elg_base_calloc(alloc, sizeof *sha);
    if (sha == NULL)
        return NULL;
    sha->alloc = alloc;
    return sha;
}

void elg_base_sha256_destroy(struct elg_sha256 *sha)
{
    if (sha != NULL)
        elg_base_free(sha->alloc, sha, sizeof *sha);
}

/* These cannot fail: all they need is in the context. */
void elg_base_sha256_begin(struct elg_sha256 *sha)
{
    SHA256_Init(&sha->context);
}

void elg_base_sha256_add(struct elg_sha256 *sha, const void *data, size_t size)
{
    if (size > 0)
        SHA256_Update(&sha->context, data, size);
}

void elg_base_sha256_end(struct elg_sha256 *sha, struct elg_hash *out)
{
    SHA256_Final(out->bytes, &sha->context);
}

void elg_base_sha256(struct elg_sha256 *sha, struct elg_bytes bytes, struct elg_hash *out)
{
    elg_base_sha256_begin(sha);
    elg_base_sha256_add(sha, bytes.data, bytes.size);
    elg_base_sha256_end(sha, out);
}

void elg_base_hash_hex(const struct elg_hash *hash, char out[ELG_HASH_HEX_SIZE])
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < ELG_HASH_BYTES; i++) {
        out[2 * i] = DIGITS[hash->bytes[i] >> 4];
        out[2 * i + 1] = DIGITS[hash->bytes[i] & 15];
    }
    out[2 * ELG_HASH_BYTES] = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool elg_base_hash_parse(struct elg_bytes text, struct elg_hash *out)
{
    if (text.size != 2 * ELG_HASH_BYTES)
        return false;
    struct elg_hash hash;
    for (size_t i = 0; i < ELG_HASH_BYTES; i++) {
        int high = hex_digit(text.data[2 * i]);
        int low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        hash.bytes[i] = (uint8_t)(high * 16 + low);
    }
    *out = hash;
    return true;
}

bool elg_base_hash_equal(const struct elg_hash *a, const struct elg_hash *b)
{
    return memcmp(a->bytes, b->bytes, ELG_HASH_BYTES) == 0;
}
