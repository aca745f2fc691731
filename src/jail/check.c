/* check: what a jailed process says, before anything here believes it. Provides that part
 * of client.h. A process that was taken over can give wrong results of its own run:
 * values that are canonical JSON, within their limits, an edge that the graph has, fuel
 * that it was given. Nothing else passes. */
#include <string.h>

#include "base/limits.h"
#include "jail/client.h"
#include "json/json.h"

const char *elg_jail_text_clean(const char *text)
{
    uint8_t *data = (uint8_t *)(uintptr_t)text;
    struct elg_bytes rest = elg_base_bytes(text);
    while (rest.size > 0) {
        size_t good = elg_json_check_utf8(rest);
        if (good == rest.size)
            break;
        size_t bad = elg_json_nul_at(&data[good], rest.size - good) ? 2 : 1;
        if (bad == 1)
            data[good] = '?';
        data += good + bad;
        rest.data = data;
        rest.size -= good + bad;
    }
    return text;
}

bool elg_jail_canonical(const struct elg_alloc *alloc, struct elg_bytes text,
                        bool *starved)
{
    struct elg_buf again;
    if (elg_json_is_canonical(alloc, text))
        return true;
    elg_base_buf_init(&again, alloc); /* no, or without memory for an answer */
    enum elg_status status = elg_json_canonicalize(alloc, text, &again, NULL);
    bool same =
        status == ELG_OK && elg_base_bytes_equal(text, elg_base_buf_bytes(&again));
    elg_base_buf_fini(&again);
    *starved = status == ELG_NO_MEMORY;
    return same;
}

static const char *text_read(struct elg_jail_fields *fields)
{
    return elg_jail_text_clean(elg_jail_fields_text(fields));
}

/* A value: canonical JSON, at most ELG_STATE_BYTES_MAX. */
static struct elg_bytes value_read(const struct elg_jail *jail,
                                   struct elg_jail_fields *fields)
{
    bool starved = false;
    struct elg_bytes value = elg_jail_fields_bytes(fields);
    if (value.data == NULL || value.size > ELG_STATE_BYTES_MAX ||
        !elg_jail_canonical(jail->alloc, value, &starved))
        fields->bad = true;
    if (starved)
        elg_jail_child_starve(jail->now.program->child);
    return value;
}

/* As value_read, or empty. */
static struct elg_bytes value_read_or_empty(const struct elg_jail *jail,
                                            struct elg_jail_fields *fields)
{
    struct elg_jail_fields ahead = *fields;
    struct elg_bytes value = elg_jail_fields_bytes(&ahead);
    if (value.size > 0)
        return value_read(jail, fields);
    *fields = ahead;
    return value;
}

/* ---- the edge that was taken */

static bool leads(const struct elg_jail_edge *edge, const char *node, const char *key)
{
    return strcmp(edge->from, node) == 0 && strcmp(edge->key, key) == 0;
}

/* The edges of that node and key are tried in order: one that always holds ends it. */
static bool edge_can_be(const struct elg_jail *jail, const char *key, int32_t taken)
{
    const struct elg_jail_program *program = jail->now.program;
    const char *node = jail->now.job.node_id;
    if (taken < -1 || (taken >= 0 && (size_t)taken >= program->edge_count))
        return false;
    if (key == NULL)
        return taken == -1;
    size_t end = taken == -1 ? program->edge_count : (size_t)taken;
    for (size_t i = 0; i < end; i++)
        if (leads(&program->edges[i], node, key) && !program->edges[i].when)
            return false;
    return taken == -1 || leads(&program->edges[taken], node, key);
}

static bool key_can_be(const char *key)
{
    size_t size = key != NULL ? strlen(key) : 1;
    return size > 0 && size <= ELG_NAME_BYTES_MAX &&
           (key == NULL || elg_json_check_utf8(elg_base_bytes(key)) == size);
}

/* ---- outcomes */

static void done_read(struct elg_jail *jail, struct elg_jail_fields *fields,
                      struct elg_outcome *out)
{
    bool initial = jail->now.job.kind == ELG_JOB_INITIAL;
    out->state = value_read(jail, fields);
    out->output = initial ? value_read_or_empty(jail, fields) : value_read(jail, fields);
    out->metadata = value_read_or_empty(jail, fields);
    out->key = elg_jail_fields_text_or_null(fields);
    out->edge = (int32_t)elg_jail_fields_u32(fields);
    out->where = text_read(fields);
    if (fields->bad || !key_can_be(out->key) || !edge_can_be(jail, out->key, out->edge) ||
        (initial && out->key != NULL))
        fields->bad = true;
}

static void call_read(struct elg_jail *jail, struct elg_jail_fields *fields,
                      struct elg_outcome *out)
{
    out->type = elg_jail_fields_text(fields);
    out->request = value_read(jail, fields);
    out->where = text_read(fields);
    size_t size = strlen(out->type);
    if (size == 0 || size > ELG_NAME_BYTES_MAX ||
        elg_json_check_utf8(elg_base_bytes(out->type)) != size)
        fields->bad = true;
    /* A call takes an instruction at least, and a slice has so many: without this, calls
     * that cost no fuel would keep the host from looking at its clock. */
    if (++jail->now.call_count > jail->slice)
        fields->bad = true;
}

static void error_read(struct elg_jail_fields *fields, struct elg_outcome *out)
{
    out->where = text_read(fields);
    out->code = text_read(fields);
    out->message = text_read(fields);
    out->traceback = text_read(fields);
    out->retry = elg_jail_fields_u32(fields) != 0;
}

static void fuel_read(struct elg_jail *jail, struct elg_jail_fields *fields,
                      struct elg_outcome *out)
{
    out->fuel = elg_jail_fields_u64(fields);
    if (out->fuel > jail->now.job.fuel_max || out->fuel < jail->now.fuel)
        fields->bad = true;
    jail->now.fuel = out->fuel;
}

bool elg_jail_outcome_read(struct elg_jail *jail, struct elg_jail_fields *fields,
                           struct elg_outcome *out)
{
    memset(out, 0, sizeof *out);
    uint32_t kind = elg_jail_fields_u32(fields);
    out->edge = -1;
    fuel_read(jail, fields, out);
    if (kind > ELG_OUTCOME_MEMORY && kind != ELG_OUTCOME_CRASHED)
        return false;
    out->kind = (enum elg_outcome_kind)kind;
    if (kind == ELG_OUTCOME_DONE)
        done_read(jail, fields, out);
    else if (kind == ELG_OUTCOME_CALL)
        call_read(jail, fields, out);
    else if (kind == ELG_OUTCOME_ERROR)
        error_read(fields, out);
    else if (kind == ELG_OUTCOME_SLICE)
        jail->now.call_count = 0;
    else if (kind == ELG_OUTCOME_CRASHED)
        out->message = text_read(fields);
    else
        out->where = text_read(fields);
    return elg_jail_fields_over(fields);
}

/* ---- failures */

enum elg_status elg_jail_failure_read(struct elg_jail_fields *fields,
                                      struct elg_error *error)
{
    enum elg_status status = (enum elg_status)elg_jail_fields_u32(fields);
    const char *where = text_read(fields), *text = text_read(fields);
    switch (status) {
    case ELG_NO_MEMORY:
    case ELG_INVALID:
    case ELG_USAGE:
    case ELG_IO:
    case ELG_NOT_FOUND:
    case ELG_LIMIT:
        return elg_base_fail(error, status, where, "%s", text);
    default:
        return elg_base_fail(error, ELG_INTERNAL, where, "%s", text);
    }
}
