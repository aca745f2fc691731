/* prepare_wait: what ctx.wait and ctx.run ask for. Uses internal.h. */
#include "activity/internal.h"

#include <math.h>
#include <string.h>

#define WAIT_MS_MAX 31556952000000.0 /* a thousand years, as of a sleep */

enum elg_status elg_activity_check_signal(struct elg_bytes name, const char *what,
                                          struct elg_error *error)
{
    if (name.size == 0 || name.size > ELG_NAME_BYTES_MAX ||
        memchr(name.data, 0, name.size) != NULL || elg_json_check_utf8(name) != name.size)
        return elg_base_fail(error, ELG_INVALID, what,
                             "%s: must be a string of 1 to %d bytes of UTF-8", what,
                             ELG_NAME_BYTES_MAX);
    if (name.data[0] == '$')
        return elg_base_fail(error, ELG_INVALID, what,
                             "%s: one that begins with $ is elg's own", what);
    return ELG_OK;
}

enum elg_status elg__prepare_wait(const struct elg_json_value *root,
                                  struct elg_prepared *out, struct elg_error *error)
{
    static const char *const KNOWN[] = {"name", "timeout_ms", NULL};
    enum elg_status status = elg__check_fields(root, "wait", KNOWN, error);
    if (status == ELG_OK)
        status = elg_activity_check_signal(elg_json_string(elg_json_get(root, "name")),
                                           "wait: name", error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *timeout = elg_json_get(root, "timeout_ms");
    double number = timeout != NULL ? elg_json_number(timeout, NAN) : -1;
    if (timeout != NULL && !(number >= 0 && number <= WAIT_MS_MAX))
        return elg_base_fail(error, ELG_INVALID, "timeout_ms",
                             "wait: timeout_ms must be milliseconds from 0 to %.0f",
                             WAIT_MS_MAX);
    out->sleep_ms = (int64_t)ceil(number);
    return ELG_OK;
}

enum elg_status elg_activity_wait_name(const struct elg_alloc *alloc,
                                       const struct elg_prepared *prepared,
                                       char out[ELG_NAME_BYTES_MAX + 1],
                                       struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status =
        elg_json_parse(alloc, elg_base_blob_bytes(prepared->request), &doc, error);
    if (status != ELG_OK)
        return status;
    struct elg_bytes name = elg_json_string(elg_json_get(elg_json_root(doc), "name"));
    size_t size = name.size < ELG_NAME_BYTES_MAX ? name.size : ELG_NAME_BYTES_MAX;
    memcpy(out, name.data, size);
    out[size] = '\0';
    elg_json_doc_destroy(doc);
    return ELG_OK;
}

enum elg_status elg__prepare_run(const struct elg_json_value *root,
                                 struct elg_prepared *out, struct elg_error *error)
{
    static const char *const KNOWN[] = {"graph", "input", NULL};
    enum elg_status status = elg__check_fields(root, "run", KNOWN, error);
    if (status != ELG_OK)
        return status;
    out->sleep_ms = -1;
    struct elg_bytes path = elg_json_string(elg_json_get(root, "graph"));
    if (path.size == 0 || path.size > ELG_TRACE_BYTES_MAX * 2 ||
        memchr(path.data, 0, path.size) != NULL || elg_json_get(root, "input") == NULL)
        return elg_base_fail(error, ELG_INVALID, "run",
                             "run: needs the path of a graph and an input");
    return ELG_OK;
}
