/* artifact_call: the activities artifact.write and artifact.read. Uses artifact, json.
 *
 * write: { content = string, name?, type?, encoding? } gives { hash, size, name?, type?
 * }. read: HASH or { hash = HASH, encoding?, ... } gives { content }; what write gave may
 * be handed to read as it is. encoding = "base64" says that `content` is that of bytes.
 */
#include "activity/internal.h"

#include <string.h>

static enum elg_status check_string(const struct elg_json_value *root, const char *name,
                                    struct elg_error *error)
{
    const struct elg_json_value *value = elg_json_get(root, name);
    if (value == NULL || elg_json_type(value) == ELG_JSON_TYPE_STRING)
        return ELG_OK;
    return elg_base_fail(error, ELG_INVALID, name, "artifact: %s must be a string", name);
}

static enum elg_status check_encoding(const struct elg_json_value *root,
                                      struct elg_error *error)
{
    const struct elg_json_value *value = elg_json_get(root, "encoding");
    if (value == NULL ||
        elg_base_bytes_equal(elg_json_string(value), elg_base_bytes("base64")))
        return ELG_OK;
    return elg_base_fail(error, ELG_INVALID, "encoding",
                         "artifact: encoding must be absent or \"base64\"");
}

enum elg_status elg__prepare_artifact_write(const struct elg_json_value *root,
                                            struct elg_error *error)
{
    static const char *const KNOWN[] = {"content", "name", "type", "encoding", NULL};
    enum elg_status status = elg__check_fields(root, "artifact.write", KNOWN, error);
    if (status == ELG_OK)
        status = check_string(root, "name", error);
    if (status == ELG_OK)
        status = check_string(root, "type", error);
    if (status == ELG_OK)
        status = check_encoding(root, error);
    if (status != ELG_OK)
        return status;
    if (elg_json_string(elg_json_get(root, "content")).data == NULL)
        return elg_base_fail(error, ELG_INVALID, "content",
                             "artifact.write: content must be a string (bytes: encoding "
                             "= \"base64\")");
    return ELG_OK;
}

static struct elg_bytes hash_text(const struct elg_json_value *root)
{
    if (elg_json_type(root) == ELG_JSON_TYPE_STRING)
        return elg_json_string(root);
    return elg_json_string(elg_json_get(root, "hash"));
}

enum elg_status elg__prepare_artifact_read(const struct elg_json_value *root,
                                           struct elg_error *error)
{
    static const char *const KNOWN[] = {"hash", "size", "name", "type", "encoding", NULL};
    struct elg_hash hash;
    enum elg_status status = ELG_OK;
    if (elg_json_type(root) != ELG_JSON_TYPE_STRING) {
        status = elg__check_fields(root, "artifact.read", KNOWN, error);
        if (status == ELG_OK)
            status = check_encoding(root, error);
    }
    if (status == ELG_OK && !elg_base_hash_parse(hash_text(root), &hash))
        return elg_base_fail(error, ELG_INVALID, "hash",
                             "artifact.read: hash must be 64 lower-case hex digits");
    return status;
}

static void echo_string(struct elg_buf *out, const struct elg_json_value *root,
                        const char *name)
{
    const struct elg_json_value *value = elg_json_get(root, name);
    if (value == NULL)
        return;
    elg_base_buf_printf(out, "\"%s\":", name);
    elg_json_write_value(out, value);
    elg_base_buf_append_byte(out, ',');
}

/* The bytes that `content` says; `decoded` holds them if they had to be made. */
static enum elg_status content_bytes(const struct elg_json_value *root,
                                     struct elg_buf *decoded, struct elg_bytes *out,
                                     struct elg_error *error)
{
    *out = elg_json_string(elg_json_get(root, "content"));
    if (elg_json_get(root, "encoding") == NULL)
        return ELG_OK;
    if (!elg__base64_decode(decoded, *out))
        return elg_base_fail(error, ELG_INVALID, "content",
                             "artifact.write: content is not base64");
    if (decoded->failed)
        return elg_base_no_memory(error);
    *out = elg_base_buf_bytes(decoded);
    return ELG_OK;
}

static enum elg_status perform_write(struct elg_performer *performer,
                                     const struct elg_json_value *root,
                                     struct elg_buf *out, struct elg_error *error)
{
    struct elg_buf decoded;
    struct elg_bytes content;
    struct elg_hash hash;
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_buf_init(&decoded, performer->alloc);
    enum elg_status status = content_bytes(root, &decoded, &content, error);
    if (status == ELG_OK)
        status = elg_activity_artifact_put(performer, content, &hash, error);
    if (status == ELG_OK) {
        elg_base_hash_hex(&hash, hex);
        elg_base_buf_printf(out, "{\"value\":{\"hash\":\"%s\",", hex);
        echo_string(out, root, "name");
        elg_base_buf_printf(out, "\"size\":%zu,", content.size);
        echo_string(out, root, "type");
        if (!out->failed)
            out->size--; /* the last comma */
        elg_base_buf_append_str(out, "}}");
    }
    elg_base_buf_fini(&decoded);
    return status;
}

static enum elg_status too_large(struct elg_bytes content, struct elg_error *error)
{
    return elg_base_fail(error, ELG_LIMIT, "artifact.read",
                         "artifact.read: %zu bytes; what node code is given has at most "
                         "%u, as the JSON string that it is recorded as",
                         content.size, ELG_STATE_BYTES_MAX);
}

/* `content` as a value of the result, a JSON string of ELG_STATE_BYTES_MAX at most, so
 * that base64 has room for three quarters of it; *code is set where the status has no
 * code of its own. */
static enum elg_status write_content(const struct elg_json_value *root,
                                     struct elg_bytes content, struct elg_buf *out,
                                     const char **code, struct elg_error *error)
{
    size_t bad_at;
    if (content.size > ELG_STATE_BYTES_MAX)
        return too_large(content, error);
    elg_base_buf_append_str(out, "{\"value\":{\"content\":");
    size_t start = out->size;
    if (elg_json_get(root, "encoding") != NULL) {
        elg_base_buf_append_byte(out, '"');
        elg__base64_encode(out, content);
        elg_base_buf_append_byte(out, '"');
    } else if (!elg_json_write_string(out, content, &bad_at)) {
        *code = "NOT_TEXT";
        return elg_base_fail(error, ELG_INVALID, "artifact.read",
                             "artifact.read: not UTF-8 at byte %zu; ask for encoding "
                             "= \"base64\"",
                             bad_at);
    }
    if (out->size - start > ELG_STATE_BYTES_MAX)
        return too_large(content, error);
    elg_base_buf_append_str(out, "}}");
    return ELG_OK;
}

static enum elg_status perform_read(struct elg_performer *performer,
                                    const struct elg_json_value *root,
                                    struct elg_buf *out, const char **code,
                                    struct elg_error *error)
{
    struct elg_buf content;
    struct elg_hash hash;
    elg_base_buf_init(&content, performer->alloc);
    if (!elg_base_hash_parse(hash_text(root), &hash))
        return elg_base_fail(error, ELG_INVALID, "hash", "artifact.read: no hash");
    enum elg_status status = elg_activity_artifact_get(performer, &hash, &content, error);
    if (status == ELG_OK)
        status = write_content(root, elg_base_buf_bytes(&content), out, code, error);
    elg_base_buf_fini(&content);
    return status;
}

enum elg_status elg__artifact_start(struct elg_performer *performer,
                                    const struct elg_prepared *prepared,
                                    elg_activity_done_fn done, void *self,
                                    struct elg_error *error)
{
    struct elg_json_doc *doc;
    struct elg_buf out;
    const char *code = NULL;
    struct elg_error failure;
    enum elg_status status = elg_json_parse(
        performer->alloc, elg_base_blob_bytes(prepared->request), &doc, error);
    if (status != ELG_OK)
        return status;
    elg_base_error_clear(&failure);
    elg_base_buf_init(&out, performer->alloc);
    if (prepared->kind == ELG_ACTIVITY_ARTIFACT_WRITE)
        status = perform_write(performer, elg_json_root(doc), &out, &failure);
    else
        status = perform_read(performer, elg_json_root(doc), &out, &code, &failure);
    if (status == ELG_OK && out.failed)
        status = ELG_NO_MEMORY;
    elg_json_doc_destroy(doc);
    if (status == ELG_OK)
        done(self, elg_base_buf_bytes(&out), false);
    else if (status != ELG_NO_MEMORY)
        elg__operation_fail(performer, done, self,
                            code != NULL ? code : elg__activity_code(status),
                            failure.text, false);
    elg_base_buf_fini(&out);
    return status == ELG_NO_MEMORY ? elg_base_no_memory(error) : ELG_OK;
}
