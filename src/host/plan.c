/* plan: what a call of node code amounts to, the same for a live run and for a replay: an
 * answer that follows from the request alone, a log line, or a prepared call with a seq.
 */
#include <stdio.h>
#include <string.h>

#include "host/internal.h"
#include "host/plan.h"
#include "json/json.h"

static enum elg_status plan_answer(struct elg_call_plan *plan, const char *code,
                                   const char *message, struct elg_error *error)
{
    plan->kind = ELG_PLAN_ANSWER;
    elg_activity_write_error(&plan->answer, code, message);
    return plan->answer.failed ? elg_base_no_memory(error) : ELG_OK;
}

/* Answers what is no request with INVALID_REQUEST; other errors are the caller's. */
static enum elg_status plan_refusal(struct elg_call_plan *plan, enum elg_status status,
                                    const struct elg_error *own, struct elg_error *error)
{
    if (status == ELG_INVALID)
        return plan_answer(plan, "INVALID_REQUEST", own->text, error);
    if (error != NULL)
        *error = *own;
    return status;
}

static enum elg_status plan_kind(struct elg_host *host,
                                 const struct elg_activity_place *place,
                                 enum elg_activity_kind kind, struct elg_bytes request,
                                 struct elg_call_plan *plan, struct elg_error *error)
{
    struct elg_error own;
    enum elg_status status = elg_activity_prepare(host->alloc, host->sha, kind, request,
                                                  place, &plan->prepared, &own);
    if (status != ELG_OK)
        return plan_refusal(plan, status, &own, error);
    plan->kind = ELG_PLAN_CALL;
    return ELG_OK;
}

/* A settle call {"key_of","result"} names the request it settles; recorded are that
 * request's hash and the result, which later attempts that ask the same are given. */
static enum elg_status plan_settle(struct elg_host *host,
                                   const struct elg_activity_place *place,
                                   struct elg_bytes request, struct elg_call_plan *plan,
                                   struct elg_error *error)
{
    struct elg_json_doc *doc;
    struct elg_prepared settled;
    struct elg_buf text;
    struct elg_error own;
    enum elg_status status = elg_json_parse(host->alloc, request, &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc);
    elg_base_buf_init(&text, host->alloc);
    elg_json_write_value(&text, elg_json_get(root, "key_of"));
    if (elg_json_get(root, "result") == NULL)
        status = elg_base_fail(&own, ELG_INVALID, "settle", "without a result");
    else
        status = elg_activity_prepare(host->alloc, host->sha, ELG_ACTIVITY_HTTP,
                                      elg_base_buf_bytes(&text), place, &settled, &own);
    if (status != ELG_OK) {
        status = plan_refusal(plan, status, &own, error);
    } else {
        char hex[ELG_HASH_HEX_SIZE];
        plan->settles = true;
        plan->settled = settled.request_hash;
        elg_activity_prepared_fini(&settled);
        elg_base_buf_append_str(&plan->answer, "{\"value\":");
        elg_json_write_value(&plan->answer, elg_json_get(root, "result"));
        elg_base_buf_append_byte(&plan->answer, '}');
        elg_base_hash_hex(&plan->settled, hex);
        elg_base_buf_reset(&text);
        elg_base_buf_printf(&text, "{\"request_hash\":\"%s\",\"result\":", hex);
        elg_json_write_value(&text, elg_json_get(root, "result"));
        elg_base_buf_append_byte(&text, '}');
        status = text.failed || plan->answer.failed
                     ? elg_base_no_memory(error)
                     : plan_kind(host, place, ELG_ACTIVITY_SETTLE,
                                 elg_base_buf_bytes(&text), plan, error);
    }
    elg_base_buf_fini(&text);
    elg_json_doc_destroy(doc);
    return status;
}

enum elg_status elg__plan(struct elg_host *host, const struct elg_activity_place *place,
                          const char *name, struct elg_bytes request,
                          struct elg_call_plan *plan, struct elg_error *error)
{
    enum elg_activity_kind kind;
    memset(plan, 0, sizeof *plan);
    elg_base_buf_init(&plan->answer, host->alloc);
    if (strcmp(name, "log") == 0) {
        plan->kind = ELG_PLAN_LOG;
        elg_base_buf_append_str(&plan->answer, "{\"value\":null}");
        return plan->answer.failed ? elg_base_no_memory(error) : ELG_OK;
    }
    if (strcmp(name, "settle") == 0)
        return plan_settle(host, place, request, plan, error);
    if (elg_activity_kind_of(name, &kind))
        return plan_kind(host, place, kind, request, plan, error);
    char text[ELG_NAME_BYTES_MAX + 64];
    snprintf(text, sizeof text, "ctx.%.100s is not available in this host", name);
    return plan_answer(plan, "UNSUPPORTED", text, error);
}

void elg__plan_fini(struct elg_call_plan *plan)
{
    elg_base_buf_fini(&plan->answer);
    elg_activity_prepared_fini(&plan->prepared);
}

enum elg_status elg__plan_answer_item(struct elg_buf *out, bool first,
                                      struct elg_bytes response, struct elg_error *error)
{
    bool ok;
    struct elg_bytes value;
    enum elg_status status = elg_activity_read_response(response, &ok, &value, error);
    if (status != ELG_OK)
        return status;
    elg_base_buf_append_str(out, first ? "" : ",");
    elg_base_buf_append_str(out, ok ? "{\"ok\":true,\"value\":" : "{\"err\":");
    elg_base_buf_append(out, value.data, value.size);
    elg_base_buf_append_str(out, ok ? "}" : ",\"ok\":false}");
    return ELG_OK;
}

/* Node code's own library lets nothing else through; a jailed process may say anything.
 */
static const char *name_in_all(struct elg_bytes name)
{
    static const char *const NAMES[] = {"http", "call",           "wait",
                                        "run",  "artifact.write", "artifact.read"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (name.data != NULL && strcmp((const char *)name.data, NAMES[i]) == 0)
            return NAMES[i];
    return "all: this";
}

enum elg_status elg__plan_each(struct elg_host *host, struct elg_bytes list_text,
                               enum elg_status (*each)(void *self, const char *name,
                                                       struct elg_bytes request,
                                                       struct elg_error *error),
                               void *self, uint32_t *at_once, struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(host->alloc, list_text, &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc), *list = root;
    size_t count_max = ELG_ALL_CALLS_MAX;
    if (elg_json_type(root) == ELG_JSON_TYPE_OBJECT) {
        count_max = ELG_ACTIVITIES_PER_STEP_MAX;
        double number = elg_json_number(elg_json_get(root, "at_once"), 1);
        if (at_once != NULL)
            *at_once = number >= 1 && number < *at_once ? (uint32_t)number : *at_once;
        list = elg_json_get(root, "calls");
    }
    struct elg_buf text;
    if (elg_json_size(list) > count_max)
        status =
            elg_base_fail(error, ELG_LIMIT, "ctx.all", "more than %zu calls", count_max);
    elg_base_buf_init(&text, host->alloc);
    for (size_t i = 0; i < elg_json_size(list) && status == ELG_OK; i++) {
        const struct elg_json_value *entry = elg_json_at(list, i);
        const char *name = name_in_all(elg_json_string(elg_json_at(entry, 0)));
        elg_base_buf_reset(&text);
        elg_json_write_value(&text, elg_json_at(entry, 1));
        status = text.failed ? elg_base_no_memory(error)
                             : each(self, name, elg_base_buf_bytes(&text), error);
    }
    elg_base_buf_fini(&text);
    elg_json_doc_destroy(doc);
    return status;
}
