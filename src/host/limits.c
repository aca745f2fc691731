/* limits: what was in force when a run began, as values and as canonical JSON. */
#include "host/internal.h"
#include "json/json.h"

void elg__limits_of_options(const struct elg_host_options *options,
                            struct elg_limits *out)
{
    out->fuel = options->fuel_max ? options->fuel_max : ELG_FUEL_DEFAULT;
    out->memory_bytes =
        options->memory_bytes_max ? options->memory_bytes_max : ELG_MEMORY_BYTES_DEFAULT;
    out->step_timeout_ms =
        options->step_timeout_ms ? options->step_timeout_ms : ELG_STEP_MS_DEFAULT;
    out->run_timeout_ms = options->run_timeout_ms;
    out->activity_timeout_ms = options->activity_timeout_ms ? options->activity_timeout_ms
                                                            : ELG_ACTIVITY_MS_DEFAULT;
    out->body_bytes =
        options->body_bytes_max ? options->body_bytes_max : ELG_HTTP_BODY_BYTES_MAX;
    out->checkpoint_interval =
        options->checkpoint_interval ? options->checkpoint_interval : 1;
    out->jail = options->jail;
}

struct elg_blob *elg__limits_write(const struct elg_alloc *alloc,
                                   const struct elg_limits *limits)
{
    struct elg_buf buf;
    elg_base_buf_init(&buf, alloc);
    elg_base_buf_printf(
        &buf,
        "{\"activity_timeout_ms\":%u,\"body_bytes\":%u,"
        "\"checkpoint_interval\":%u,\"fuel\":%llu%s,\"memory_bytes\":%llu,"
        "\"run_timeout_ms\":%u,\"step_timeout_ms\":%u}",
        limits->activity_timeout_ms, limits->body_bytes, limits->checkpoint_interval,
        (unsigned long long)limits->fuel, limits->jail ? "," ELG_LIMITS_JAILED : "",
        (unsigned long long)limits->memory_bytes, limits->run_timeout_ms,
        limits->step_timeout_ms);
    struct elg_blob *blob = NULL;
    if (!buf.failed)
        blob = elg_base_blob_create(alloc, elg_base_buf_bytes(&buf));
    elg_base_buf_fini(&buf);
    return blob;
}

static bool read_one(const struct elg_json_value *object, const char *name, double max,
                     uint64_t *out)
{
    const struct elg_json_value *value = elg_json_get(object, name);
    double number = elg_json_number(value, -1);
    if (!(number >= 0 && number <= max))
        return false;
    *out = (uint64_t)number;
    return true;
}

enum elg_status elg__limits_read(const struct elg_alloc *alloc, struct elg_bytes text,
                                 struct elg_limits *out, struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(alloc, text, &doc, error);
    if (status == ELG_NO_MEMORY)
        return status;
    if (status != ELG_OK)
        return elg_base_fail(error, ELG_CORRUPT, "cmo_inputs.limits", "not JSON");
    const struct elg_json_value *root = elg_json_root(doc);
    uint64_t v[6] = {0};
    bool ok = read_one(root, "fuel", 9e15, &out->fuel) &&
              read_one(root, "memory_bytes", (double)ELG_MEMORY_BYTES_MAX,
                       &out->memory_bytes) &&
              read_one(root, "step_timeout_ms", UINT32_MAX, &v[0]) &&
              read_one(root, "run_timeout_ms", UINT32_MAX, &v[1]) &&
              read_one(root, "activity_timeout_ms", UINT32_MAX, &v[2]) &&
              read_one(root, "body_bytes", UINT32_MAX, &v[3]) &&
              read_one(root, "checkpoint_interval", UINT32_MAX, &v[4]);
    out->jail = elg_json_bool(elg_json_get(root, "jail"), false);
    elg_json_doc_destroy(doc);
    if (!ok)
        return elg_base_fail(error, ELG_CORRUPT, "cmo_inputs.limits",
                             "a limit is missing or unusable");
    out->step_timeout_ms = (uint32_t)v[0];
    out->run_timeout_ms = (uint32_t)v[1];
    out->activity_timeout_ms = (uint32_t)v[2];
    out->body_bytes = (uint32_t)v[3];
    out->checkpoint_interval = (uint32_t)v[4];
    return ELG_OK;
}
