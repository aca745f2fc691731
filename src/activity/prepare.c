/* prepare: checks a call and makes its hashes. Provides the prepare section of
 * activity.h. Uses prepare_http.c and artifact_call.c for what is particular to a kind.
 * Must not perform anything: it runs in replay as well. */
#include "activity/internal.h"

#include <math.h>
#include <string.h>

enum elg_status elg__check_fields(const struct elg_json_value *object, const char *what,
                                  const char *const *known, struct elg_error *error)
{
    if (elg_json_type(object) != ELG_JSON_TYPE_OBJECT)
        return elg_base_fail(error, ELG_INVALID, what, "%s: must be an object", what);
    for (size_t i = 0; i < elg_json_size(object); i++) {
        struct elg_bytes key = elg_json_key_at(object, i);
        size_t k = 0;
        while (known[k] != NULL && !elg_base_bytes_equal(key, elg_base_bytes(known[k])))
            k++;
        if (known[k] == NULL)
            return elg_base_fail(error, ELG_INVALID, what, "%s: unknown field \"%.*s\"",
                                 what, (int)(key.size > 100 ? 100 : key.size),
                                 (const char *)key.data);
    }
    return ELG_OK;
}

enum elg_status elg__check_integer(const struct elg_json_value *object, const char *name,
                                   int64_t min, int64_t max, int64_t *out,
                                   struct elg_error *error)
{
    const struct elg_json_value *value = elg_json_get(object, name);
    if (value == NULL)
        return ELG_OK;
    double number = elg_json_number(value, NAN);
    if (!(number >= (double)min && number <= (double)max) || number != floor(number))
        return elg_base_fail(error, ELG_INVALID, name,
                             "%s: must be a whole number from %lld to %lld", name,
                             (long long)min, (long long)max);
    *out = (int64_t)number;
    return ELG_OK;
}

enum elg_status elg__check_bool(const struct elg_json_value *object, const char *name,
                                bool *out, struct elg_error *error)
{
    const struct elg_json_value *value = elg_json_get(object, name);
    if (value == NULL)
        return ELG_OK;
    if (elg_json_type(value) != ELG_JSON_TYPE_BOOL)
        return elg_base_fail(error, ELG_INVALID, name, "%s: must be true or false", name);
    *out = elg_json_bool(value, false);
    return ELG_OK;
}

/* {"ms":N} or N: a thousand years at most. */
static enum elg_status prepare_sleep(const struct elg_json_value *root,
                                     struct elg_prepared *out, struct elg_error *error)
{
    static const char *const KNOWN[] = {"ms", NULL};
    const double longest_ms = 31556952000000.0;
    const struct elg_json_value *ms = root;
    if (elg_json_type(root) != ELG_JSON_TYPE_NUMBER) {
        enum elg_status status = elg__check_fields(root, "sleep", KNOWN, error);
        if (status != ELG_OK)
            return status;
        ms = elg_json_get(root, "ms");
    }
    double number = elg_json_number(ms, NAN);
    if (!(number >= 0 && number <= longest_ms))
        return elg_base_fail(error, ELG_INVALID, "ms",
                             "sleep: must be milliseconds from 0 to %.0f", longest_ms);
    out->sleep_ms = (int64_t)ceil(number);
    return ELG_OK;
}

static enum elg_status prepare_call(const struct elg_json_value *root,
                                    struct elg_prepared *out, struct elg_error *error)
{
    static const char *const KNOWN[] = {"name", "request", "timeout_ms", "at_most_once",
                                        NULL};
    int64_t timeout_ms = 0;
    enum elg_status status = elg__check_fields(root, "call", KNOWN, error);
    if (status == ELG_OK)
        status = elg__check_integer(root, "timeout_ms", 1, ELG_ACTIVITY_MS_MAX,
                                    &timeout_ms, error);
    if (status == ELG_OK)
        status = elg__check_bool(root, "at_most_once", &out->at_most_once, error);
    if (status != ELG_OK)
        return status;
    out->timeout_ms = (uint32_t)timeout_ms;
    struct elg_bytes name = elg_json_string(elg_json_get(root, "name"));
    if (name.size == 0 || name.size > ELG_NAME_BYTES_MAX ||
        memchr(name.data, 0, name.size) != NULL)
        return elg_base_fail(error, ELG_INVALID, "name",
                             "call: name must be a string of 1 to %d bytes",
                             ELG_NAME_BYTES_MAX);
    return ELG_OK;
}

static enum elg_status check_kind(const struct elg_alloc *alloc,
                                  const struct elg_json_value *root,
                                  struct elg_prepared *out, struct elg_buf *rewritten,
                                  struct elg_error *error)
{
    switch (out->kind) {
    case ELG_ACTIVITY_SLEEP:
        return prepare_sleep(root, out, error);
    case ELG_ACTIVITY_HTTP:
        return elg__prepare_http(alloc, root, out, rewritten, error);
    case ELG_ACTIVITY_ARTIFACT_WRITE:
        return elg__prepare_artifact_write(root, error);
    case ELG_ACTIVITY_ARTIFACT_READ:
        return elg__prepare_artifact_read(root, error);
    case ELG_ACTIVITY_CALL:
        return prepare_call(root, out, error);
    case ELG_ACTIVITY_WAIT:
        return elg__prepare_wait(root, out, error);
    case ELG_ACTIVITY_RUN:
        return elg__prepare_run(root, out, error);
    case ELG_ACTIVITY_NOW:
    case ELG_ACTIVITY_SETTLE:
        break;
    }
    return ELG_OK;
}

static void hash_request(struct elg_sha256 *sha, const char *type,
                         struct elg_bytes request, struct elg_hash *out)
{
    static const char HEAD[] = "{\"request\":", MIDDLE[] = ",\"type\":\"", TAIL[] = "\"}";
    elg_base_sha256_begin(sha);
    elg_base_sha256_add(sha, HEAD, sizeof HEAD - 1);
    elg_base_sha256_add(sha, request.data, request.size);
    elg_base_sha256_add(sha, MIDDLE, sizeof MIDDLE - 1);
    elg_base_sha256_add(sha, type, strlen(type));
    elg_base_sha256_add(sha, TAIL, sizeof TAIL - 1);
    elg_base_sha256_end(sha, out);
}

/* I7: the attempt is no part of the key. */
static enum elg_status hash_key(const struct elg_alloc *alloc, struct elg_sha256 *sha,
                                const struct elg_activity_place *place,
                                struct elg_prepared *out, struct elg_error *error)
{
    char hex[ELG_HASH_HEX_SIZE];
    struct elg_buf text;
    elg_base_buf_init(&text, alloc);
    elg_base_hash_hex(&out->request_hash, hex);
    elg_base_buf_printf(
        &text, "{\"request_hash\":\"%s\",\"seq\":%u,\"step\":%lld,\"trace\":", hex,
        (unsigned)place->seq, (long long)place->step_index);
    bool written = elg_json_write_string(&text, elg_base_bytes(place->trace_id), NULL);
    elg_base_buf_printf(&text, ",\"type\":\"%s\"}", elg_activity_type_name(out->kind));
    enum elg_status status = ELG_OK;
    if (text.failed)
        status = elg_base_no_memory(error);
    else if (!written)
        status = elg_base_fail(error, ELG_INVALID, "trace_id", "not valid UTF-8");
    else
        elg_base_sha256(sha, elg_base_buf_bytes(&text), &out->key);
    elg_base_buf_fini(&text);
    return status;
}

/* Checks, and leaves the canonical request in out->request. */
static enum elg_status prepare_request(const struct elg_alloc *alloc,
                                       struct elg_bytes request, struct elg_prepared *out,
                                       struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(alloc, request, &doc, error);
    if (status != ELG_OK)
        return status;
    struct elg_buf rewritten;
    elg_base_buf_init(&rewritten, alloc);
    status = check_kind(alloc, elg_json_root(doc), out, &rewritten, error);
    if (status == ELG_OK) {
        if (rewritten.size > 0)
            request = elg_base_buf_bytes(&rewritten);
        out->request = elg_base_blob_create(alloc, request);
        if (out->request == NULL)
            status = elg_base_no_memory(error);
    }
    elg_base_buf_fini(&rewritten);
    elg_json_doc_destroy(doc);
    return status;
}

enum elg_status elg_activity_prepare(const struct elg_alloc *alloc,
                                     struct elg_sha256 *sha, enum elg_activity_kind kind,
                                     struct elg_bytes request,
                                     const struct elg_activity_place *place,
                                     struct elg_prepared *out, struct elg_error *error)
{
    struct elg_prepared made;
    memset(&made, 0, sizeof made);
    made.kind = kind;
    enum elg_status status = prepare_request(alloc, request, &made, error);
    if (status != ELG_OK)
        return status;
    hash_request(sha, elg_activity_type_name(kind), elg_base_blob_bytes(made.request),
                 &made.request_hash);
    status = hash_key(alloc, sha, place, &made, error);
    if (status != ELG_OK) {
        elg_activity_prepared_fini(&made);
        return status;
    }
    *out = made;
    return ELG_OK;
}

void elg_activity_prepared_fini(struct elg_prepared *prepared)
{
    elg_base_blob_unref(prepared->request);
    prepared->request = NULL;
}
