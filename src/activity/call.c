/* call: host-provided activities (ctx.call), the interceptor, and the public elg_call_
 * functions. Uses
 * base, json. Must not know what the host does with them.
 *
 * A call lives until the host completes it, also when nobody waits any more: `performer`
 * of its operation is NULL then. Its `done` is due while it is on the completed list.
 */
#include "activity/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct elg_host_activity {
    struct elg_host_activity *next;
    elg_activity_fn fn;
    elg_intercept_fn intercept; /* of the interceptor, in the place of fn */
    elg_activity_cancel_fn cancel;
    void *self;
    char name[ELG_NAME_BYTES_MAX + 1];
};

struct elg_call {
    struct elg_operation op; /* first */
    const struct elg_alloc *alloc;
    const struct elg_host_activity *activity;
    struct elg_call *next_completed;
    bool starting;  /* fn has not returned yet */
    bool completed; /* response holds the outcome */
    bool maybe_happened;
    struct elg_buf response;
};

enum elg_status elg_activity_register(struct elg_performer *performer, const char *name,
                                      elg_activity_fn fn, elg_activity_cancel_fn cancel,
                                      void *self, struct elg_error *error)
{
    size_t size = name != NULL ? strlen(name) : 0;
    if (size == 0 || size > ELG_NAME_BYTES_MAX || fn == NULL)
        return elg_base_fail(error, ELG_USAGE, "register",
                             "an activity needs a function and a name of 1 to %d bytes",
                             ELG_NAME_BYTES_MAX);
    if (elg_json_check_utf8(elg_base_bytes(name)) != size)
        return elg_base_fail(error, ELG_USAGE, "register",
                             "an activity's name is UTF-8; node code could not name it");
    for (struct elg_host_activity *a = performer->registered; a != NULL; a = a->next) {
        if (strcmp(a->name, name) == 0)
            return elg_base_fail(error, ELG_EXISTS, name, "is registered already");
    }
    struct elg_host_activity *activity =
        elg_base_calloc(performer->alloc, sizeof *activity);
    if (activity == NULL)
        return elg_base_no_memory(error);
    memcpy(activity->name, name, size);
    activity->fn = fn;
    activity->cancel = cancel;
    activity->self = self;
    activity->next = performer->registered;
    performer->registered = activity;
    return ELG_OK;
}

enum elg_status elg_activity_intercept(struct elg_performer *performer,
                                       elg_intercept_fn fn, void *self,
                                       struct elg_error *error)
{
    if (fn == NULL)
        return elg_base_fail(error, ELG_USAGE, "intercept", "no function is given");
    if (performer->interceptor != NULL)
        return elg_base_fail(error, ELG_EXISTS, "intercept", "there is one already");
    struct elg_host_activity *activity =
        elg_base_calloc(performer->alloc, sizeof *activity);
    if (activity == NULL)
        return elg_base_no_memory(error);
    snprintf(activity->name, sizeof activity->name, "intercept");
    activity->intercept = fn;
    activity->self = self;
    performer->interceptor = activity;
    return ELG_OK;
}

bool elg_activity_is_intercepted(const struct elg_performer *performer)
{
    return performer->interceptor != NULL;
}

void elg__call_unregister_all(struct elg_performer *performer)
{
    elg_base_free(performer->alloc, performer->interceptor,
                  sizeof *performer->interceptor);
    performer->interceptor = NULL;
    while (performer->registered != NULL) {
        struct elg_host_activity *activity = performer->registered;
        performer->registered = activity->next;
        elg_base_free(performer->alloc, activity, sizeof *activity);
    }
}

static const struct elg_host_activity *find(const struct elg_performer *performer,
                                            struct elg_bytes name)
{
    const struct elg_host_activity *activity = performer->registered;
    while (activity != NULL &&
           !elg_base_bytes_equal(elg_base_bytes(activity->name), name))
        activity = activity->next;
    return activity;
}

static void call_destroy(struct elg_call *call)
{
    elg_base_buf_fini(&call->response);
    elg_base_free(call->alloc, call, sizeof *call);
}

/* ---- completing */

/* The call has its outcome: waits for the next poll, or is only given back. */
static void settle(struct elg_call *call, bool maybe_happened)
{
    struct elg_performer *performer = call->op.performer;
    if (performer == NULL) {
        call_destroy(call);
        return;
    }
    call->completed = true;
    call->op.awaited = false;
    call->maybe_happened = maybe_happened;
    if (call->starting)
        return;
    if (performer->completed == NULL)
        performer->completed = call;
    else
        performer->completed_last->next_completed = call;
    performer->completed_last = call;
    elg__performer_arm(performer);
}

void elg_call_complete(struct elg_call *call, const char *json, size_t size)
{
    struct elg_bytes text = {(const uint8_t *)json, size};
    struct elg_error error;
    enum elg_status status = ELG_OK;
    assert(call != NULL && (json != NULL || size == 0));
    if (call->completed)
        return;
    if (call->op.performer != NULL) {
        elg_base_error_clear(&error);
        elg_base_buf_append_str(&call->response, "{\"value\":");
        if (size > ELG_STATE_BYTES_MAX)
            status = elg_base_fail(&error, ELG_LIMIT, NULL, "longer than %u bytes",
                                   ELG_STATE_BYTES_MAX);
        else
            status = elg_json_canonicalize(call->alloc, text, &call->response, &error);
        elg_base_buf_append_str(&call->response, "}");
    }
    if (status != ELG_OK && status != ELG_NO_MEMORY) {
        char message[ELG_ERROR_TEXT_MAX + ELG_ERROR_WHERE_MAX + ELG_NAME_BYTES_MAX + 32];
        snprintf(message, sizeof message, "%s: result: %s: %s", call->activity->name,
                 error.where, error.text);
        elg_base_buf_reset(&call->response);
        elg_activity_write_error(&call->response, "INVALID_RESULT", message);
    } else if (status == ELG_NO_MEMORY) {
        call->response.failed = true;
    }
    settle(call, status != ELG_OK);
}

void elg_call_fail(struct elg_call *call, const char *code, const char *message)
{
    assert(call != NULL);
    if (call->completed)
        return;
    if (call->op.performer != NULL)
        elg_activity_write_error(&call->response,
                                 code != NULL && code[0] != '\0' ? code : "FAILED",
                                 message != NULL ? message : "");
    settle(call, false);
}

/* ---- starting */

/* The host's word to the node; frees the call. */
static void report(struct elg_performer *performer, struct elg_call *call)
{
    elg_activity_done_fn done = call->op.done;
    void *self = call->op.self;
    if (call->response.failed)
        elg__operation_fail(performer, done, self, "NO_MEMORY",
                            "out of memory for a result", true);
    else
        done(self, elg_base_buf_bytes(&call->response), call->maybe_happened);
    call_destroy(call);
}

static struct elg_call *call_create(struct elg_performer *performer,
                                    const struct elg_host_activity *activity,
                                    elg_activity_done_fn done, void *self,
                                    uint32_t timeout_ms)
{
    struct elg_call *call = elg_base_calloc(performer->alloc, sizeof *call);
    if (call == NULL)
        return NULL;
    call->op.performer = performer;
    call->op.kind = ELG_ACTIVITY_CALL;
    call->op.done = done;
    call->op.self = self;
    call->alloc = performer->alloc;
    call->activity = activity;
    call->op.due_us = elg__now_us(performer) + (int64_t)timeout_ms * 1000;
    elg_base_buf_init(&call->response, performer->alloc);
    return call;
}

/* Calls fn with the request's text. */
static enum elg_status enter(struct elg_call *call, const struct elg_prepared *prepared,
                             const struct elg_json_value *request,
                             struct elg_error *error)
{
    char key[ELG_HASH_HEX_SIZE];
    struct elg_buf text;
    elg_base_hash_hex(&prepared->key, key);
    elg_base_buf_init(&text, call->alloc);
    if (request != NULL)
        elg_json_write_value(&text, request);
    else
        elg_base_buf_append_str(&text, "null");
    const char *json = elg_base_buf_cstr(&text);
    if (json == NULL) {
        elg_base_buf_fini(&text);
        return elg_base_no_memory(error);
    }
    call->starting = true;
    call->activity->fn(call->activity->self, call, json, text.size, key);
    call->starting = false;
    elg_base_buf_fini(&text);
    return ELG_OK;
}

/* Nobody has the call but us: it is reported if it was completed already, else awaited.
 */
static void begin_waiting(struct elg_performer *performer, struct elg_call *call,
                          struct elg_operation **out)
{
    if (call->completed) {
        report(performer, call);
        return;
    }
    elg__operation_link(performer, &call->op);
    elg__operation_await(&call->op);
    *out = &call->op;
}

static enum elg_status call_allowed(struct elg_performer *performer, const char *name,
                                    struct elg_error *error)
{
    if (performer->operation_count >= ELG_OPERATIONS_MAX)
        return elg_base_fail(error, ELG_LIMIT, name, "%d calls are under way already",
                             ELG_OPERATIONS_MAX);
    return ELG_OK;
}

enum elg_status elg_activity_offer(struct elg_performer *performer,
                                   const struct elg_prepared *prepared,
                                   elg_activity_done_fn done, void *self, bool *taken,
                                   struct elg_operation **out, struct elg_error *error)
{
    const struct elg_host_activity *interceptor = performer->interceptor;
    *out = NULL;
    *taken = false;
    if (interceptor == NULL)
        return ELG_OK;
    enum elg_status status = call_allowed(performer, interceptor->name, error);
    if (status != ELG_OK)
        return status;
    struct elg_call *call = call_create(performer, interceptor, done, self,
                                        elg__timeout_ms(performer, prepared));
    if (call == NULL)
        return elg_base_no_memory(error);
    char key[ELG_HASH_HEX_SIZE];
    struct elg_bytes request = elg_base_blob_bytes(prepared->request);
    struct elg_buf text;
    elg_base_hash_hex(&prepared->key, key);
    elg_base_buf_init(&text, call->alloc);
    elg_base_buf_append(&text, request.data, request.size);
    const char *json = elg_base_buf_cstr(&text);
    if (json != NULL) {
        call->starting = true;
        *taken = interceptor->intercept(interceptor->self, call,
                                        elg_activity_type_name(prepared->kind), json,
                                        text.size, key) ||
                 call->completed;
        call->starting = false;
    }
    elg_base_buf_fini(&text);
    if (*taken)
        begin_waiting(performer, call, out);
    else
        call_destroy(call);
    return json != NULL ? ELG_OK : elg_base_no_memory(error);
}

static enum elg_status start_known(struct elg_performer *performer,
                                   const struct elg_host_activity *activity,
                                   const struct elg_prepared *prepared,
                                   const struct elg_json_value *root,
                                   elg_activity_done_fn done, void *self,
                                   struct elg_operation **out, struct elg_error *error)
{
    enum elg_status status = call_allowed(performer, activity->name, error);
    if (status != ELG_OK)
        return status;
    struct elg_call *call = call_create(performer, activity, done, self,
                                        elg__timeout_ms(performer, prepared));
    if (call == NULL)
        return elg_base_no_memory(error);
    status = enter(call, prepared, elg_json_get(root, "request"), error);
    if (status != ELG_OK)
        call_destroy(call);
    else
        begin_waiting(performer, call, out);
    return status;
}

enum elg_status elg__call_start(struct elg_performer *performer,
                                const struct elg_prepared *prepared,
                                elg_activity_done_fn done, void *self,
                                struct elg_operation **out, struct elg_error *error)
{
    struct elg_json_doc *doc;
    enum elg_status status = elg_json_parse(
        performer->alloc, elg_base_blob_bytes(prepared->request), &doc, error);
    if (status != ELG_OK)
        return status;
    const struct elg_json_value *root = elg_json_root(doc);
    struct elg_bytes name = elg_json_string(elg_json_get(root, "name"));
    const struct elg_host_activity *activity = find(performer, name);
    if (activity == NULL) {
        char message[256];
        snprintf(message, sizeof message,
                 "no activity \"%.*s\"; the host registers them with elg_host_register",
                 (int)name.size, (const char *)name.data);
        elg__operation_fail(performer, done, self, "NO_SUCH_ACTIVITY", message, false);
    } else {
        status = start_known(performer, activity, prepared, root, done, self, out, error);
    }
    elg_json_doc_destroy(doc);
    return status;
}

/* ---- ending early, and reporting */

static void unlist_completed(struct elg_performer *performer, struct elg_call *call)
{
    struct elg_call *before = NULL;
    struct elg_call *at = performer->completed;
    while (at != NULL && at != call) {
        before = at;
        at = at->next_completed;
    }
    if (at == NULL)
        return;
    if (before == NULL)
        performer->completed = call->next_completed;
    else
        before->next_completed = call->next_completed;
    if (performer->completed_last == call)
        performer->completed_last = before;
}

/* Nobody waits for it any more. */
static void leave(struct elg_call *call)
{
    elg__operation_unlink(&call->op);
    call->op.performer = NULL;
}

void elg__call_cancel(struct elg_operation *op)
{
    struct elg_call *call = (struct elg_call *)op;
    if (call->completed) {
        unlist_completed(op->performer, call);
        leave(call);
        call_destroy(call);
        return;
    }
    leave(call);
    if (call->activity->cancel != NULL) {
        elg_activity_cancel_fn cancel = call->activity->cancel;
        cancel(call->activity->self, call); /* may complete, and so free, the call */
    }
}

void elg__call_expire(struct elg_operation *op)
{
    struct elg_call *call = (struct elg_call *)op;
    struct elg_performer *performer = call->op.performer;
    elg_activity_done_fn done = call->op.done;
    void *self = call->op.self;
    char message[ELG_NAME_BYTES_MAX + 64];
    snprintf(message, sizeof message, "%s: no result in time", call->activity->name);
    elg__call_cancel(&call->op);
    elg__operation_fail(performer, done, self, "TIMEOUT", message, true);
}

void elg__call_poll(struct elg_performer *performer)
{
    while (performer->completed != NULL) {
        struct elg_call *call = performer->completed;
        performer->completed = call->next_completed;
        leave(call);
        report(performer, call);
    }
}
