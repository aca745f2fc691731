/* sha256: OpenSSL's EVP with a context made once. Provides base/sha256.h. */
#include "base/sha256.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

struct elg_sha256 {
    const struct elg_alloc *alloc;
    EVP_MD *digest;
    EVP_MD_CTX *context;
};

struct elg_sha256 *elg_base_sha256_create(const struct elg_alloc *alloc)
{
    struct elg_sha256 *sha = elg_base_calloc(alloc, sizeof *sha);
    if (sha == NULL)
        return NULL;
    sha->alloc = alloc;
    sha->digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    sha->context = EVP_MD_CTX_new();
    if (sha->digest == NULL || sha->context == NULL ||
        EVP_DigestInit_ex2(sha->context, sha->digest, NULL) != 1) {
        elg_base_sha256_destroy(sha);
        return NULL;
    }
    return sha;
}

void elg_base_sha256_destroy(struct elg_sha256 *sha)
{
    if (sha == NULL)
        return;
    EVP_MD_CTX_free(sha->context);
    EVP_MD_free(sha->digest);
    elg_base_free(sha->alloc, sha, sizeof *sha);
}

/* With a context that was initialised once these calls allocate nothing and cannot fail.
 */
void elg_base_sha256_begin(struct elg_sha256 *sha)
{
    int ok = EVP_DigestInit_ex2(sha->context, NULL, NULL);
    assert(ok == 1);
    (void)ok;
}

void elg_base_sha256_add(struct elg_sha256 *sha, const void *data, size_t size)
{
    int ok = size == 0 ? 1 : EVP_DigestUpdate(sha->context, data, size);
    assert(ok == 1);
    (void)ok;
}

void elg_base_sha256_end(struct elg_sha256 *sha, struct elg_hash *out)
{
    int ok = EVP_DigestFinal_ex(sha->context, out->bytes, NULL);
    assert(ok == 1);
    (void)ok;
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
