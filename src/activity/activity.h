/* activity: the boundary. Prepares a call of node code (checks it, hashes it, gives it
 * its idempotency key), performs it for real, and says what its result looks like. One
 * file per kind of call.
 *
 * Uses base, json, libcurl. Must not know runs, Lua or the store: recording and replaying
 * is the host's turn, which asks here only for what the journal does not hold.
 */
#ifndef ELG_ACTIVITY_ACTIVITY_H
#define ELG_ACTIVITY_ACTIVITY_H

#include "base/artifact.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/status.h"

enum elg_activity_kind {
    ELG_ACTIVITY_NOW,            /* activity_type "now" */
    ELG_ACTIVITY_SLEEP,          /* "sleep" */
    ELG_ACTIVITY_HTTP,           /* "http_request" */
    ELG_ACTIVITY_ARTIFACT_WRITE, /* "write_artifact" */
    ELG_ACTIVITY_ARTIFACT_READ,  /* "read_artifact" */
    ELG_ACTIVITY_CALL,           /* "call": host provided */
    ELG_ACTIVITY_SETTLE, /* "settle": the recorded result of a reconcile function */
    ELG_ACTIVITY_WAIT,   /* "wait": for a signal */
    ELG_ACTIVITY_RUN     /* "run": a child run */
};

/* "http_request" and so on. */
const char *elg_activity_type_name(enum elg_activity_kind kind);
/* From what node code calls it ("http", "artifact.write", ...). False: no such call. */
bool elg_activity_kind_of(const char *call, enum elg_activity_kind *out);

/* ---- prepare
 * ----------------------------------------------------------------------------- */

struct elg_prepared {
    enum elg_activity_kind kind;
    struct elg_blob *request; /* canonical; header names in lower case; secrets by name */
    struct elg_hash request_hash; /* of canonical {"request","type"} */
    struct elg_hash key;          /* idempotency key */
    bool at_most_once;
    bool closed;             /* the caller's: no host but those that --allow-net names */
    int64_t sleep_ms;        /* SLEEP; WAIT: at most, -1 for ever */
    uint32_t timeout_ms;     /* 0: the default in force */
    uint32_t body_bytes_max; /* of an HTTP response; 0: the performer's */
};

struct elg_activity_place {
    const char *trace_id;
    int64_t step_index;
    uint32_t seq;
};

/* Requests, as node code gives them ([] optional, PART = string or {"$secret":NAME}):
 *
 * NOW             anything; SETTLE: anything
 * SLEEP           {"ms":N} or N
 * HTTP            {"url":PART or [PART...], ["method":"GET"], ["headers":{NAME:PART or
 *                 [PART...]}], ["body":string or {"artifact":HASH}], ["timeout_ms":N],
 *                 ["max_bytes":N] (of the response; at most body_bytes_max),
 *                 ["follow":bool] (redirects; true), ["at_most_once":bool]}. Parts are
 *                 joined as they are. Secrets' values must fit where they stand.
 * ARTIFACT_WRITE  {"content":string, ["name"], ["type"], ["encoding":"base64"]}
 * ARTIFACT_READ   HASH or {"hash":HASH, ["encoding":"base64"]}; size, name and type are
 *                 ignored, so that what a write gave can be read as it is
 * CALL            {"name", ["request":any], ["timeout_ms":N], ["at_most_once":bool]}
 * WAIT            {"name", ["timeout_ms":N]}
 * RUN             {"graph":PATH, "input":any}; PATH is one of the graph's own files
 *
 * Any other member is ELG_INVALID. */

/* Checks a request as node code gave it (canonical JSON) and makes its hashes.
 * ELG_INVALID: the node gets nil, { code = "INVALID_REQUEST", message = error->text };
 * nothing is recorded but that (the caller decides). The key is SHA-256 of canonical
 * {"request_hash","seq","step","trace","type"}: no attempt in it (I7). */
enum elg_status elg_activity_prepare(const struct elg_alloc *alloc,
                                     struct elg_sha256 *sha, enum elg_activity_kind kind,
                                     struct elg_bytes request,
                                     const struct elg_activity_place *place,
                                     struct elg_prepared *out, struct elg_error *error);
void elg_activity_prepared_fini(struct elg_prepared *prepared);
/* The name of the signal that a prepared WAIT is for. ELG_NO_MEMORY. */
enum elg_status elg_activity_wait_name(const struct elg_alloc *alloc,
                                       const struct elg_prepared *prepared,
                                       char out[ELG_NAME_BYTES_MAX + 1],
                                       struct elg_error *error);
/* Checks the name, or the key, of a signal: 1 to ELG_NAME_BYTES_MAX bytes of UTF-8
 * without NUL; a name does not begin with $. ELG_INVALID. */
enum elg_status elg_activity_check_signal(struct elg_bytes name, const char *what,
                                          struct elg_error *error);

/* ---- results
 * ----------------------------------------------------------------------------- */
/* A response as it is recorded: canonical {"value":...} or {"error":{"code","message"}}.
 *
 * Values:
 * HTTP            {"body":TEXT,"headers":{NAME:TEXT},"status":N}; a body that is not
 *                 UTF-8 or over ELG_PAYLOAD_INLINE_BYTES_MAX is stored as an artifact:
 *                 {"artifact":HASH,"headers","size":BYTES,"status"}. Header names are in
 *                 lower case; several of one name are joined by ", ", set-cookie by a
 *                 line feed. Trailers are not kept. Every status is a value, also 500.
 * ARTIFACT_WRITE  {"hash","size"} and "name", "type" as asked.
 * ARTIFACT_READ   {"content":TEXT}, with encoding "base64" that of the bytes; a JSON
 *                 string of ELG_STATE_BYTES_MAX at most.
 * CALL            what the host's function gave.
 * WAIT            the signal's payload.
 * RUN             the child's output; its errors: the child's own code, or TIMEOUT,
 *                 ABORTED, DIVERGED, QUARANTINED, with the child's trace_id;
 *                 NO_SUCH_GRAPH, INVALID_GRAPH, LIMIT (too deep), NOT_FOUND (it was
 *                 removed)
 *
 * Error codes:
 * INVALID_REQUEST the request, or a secret's value in it, cannot be sent
 * NET_DENIED      --allow-net does not have it (the URL, a redirect or the address)
 * RESOLVE, CONNECT, TLS, TIMEOUT (also of a WAIT)
 * PROTOCOL        what came is not HTTP; TRUNCATED: it ended before it was complete
 * BODY_TOO_LARGE, HEADERS_TOO_LARGE
 * REDIRECT        to what is no http url, or more than ELG_HTTP_REDIRECTS_MAX
 * NOT_FOUND       no such artifact or secret; CORRUPT: no longer what its hash says
 * NOT_TEXT        an artifact read as text is not UTF-8; TOO_LARGE: for node code
 * FULL, IO        storing an artifact failed
 * NO_SUCH_ACTIVITY, INVALID_RESULT, and what elg_call_fail names
 * NO_MEMORY
 */

/* Appends {"error":{"code":code,"message":message}}. */
void elg_activity_write_error(struct elg_buf *out, const char *code, const char *message);
/* What a reply to node code is made of: of {"value":V} ok and V's bytes, of {"error":E}
 * !ok and E's bytes; both borrowed from `response`. ELG_CORRUPT for anything else. */
enum elg_status elg_activity_read_response(struct elg_bytes response, bool *ok,
                                           struct elg_bytes *value,
                                           struct elg_error *error);

/* ---- perform
 * ----------------------------------------------------------------------------- */

struct elg_performer; /* owns the transfers, timers and folders of one host */
struct elg_operation; /* one call under way */

struct elg_performer_options {
    const struct elg_alloc *alloc;
    struct elg_clock clock;
    struct elg_random random;
    /* Where artifacts are; NULL: in the folder. Copied. */
    const struct elg_artifact_source *artifact_source;
    /* Folder, made when first needed; NULL or "": in memory. */
    const char *artifacts;
    const char *const *allow_net; /* HOST[:PORT] ... NULL; NULL: all */
    uint32_t timeout_ms;          /* of a call that names none */
    uint32_t body_bytes_max;
    /* NULL: environment ELG_SECRET_NAME, NAME as written or else in upper case with '_'
     * for '-' and '.'. The value is copied for the time of a call. */
    const char *(*secret)(void *self, const char *name);
    void *secret_self;
};

enum elg_status elg_activity_performer_create(const struct elg_performer_options *options,
                                              struct elg_performer **out,
                                              struct elg_error *error);
/* Cancels what is under way; no `done` is called. */
void elg_activity_performer_destroy(struct elg_performer *performer);

/* `maybe_happened`: the call failed after its first byte had left (or it is not known),
 * so an at-most-once call is UNKNOWN. response: canonical, borrowed. */
typedef void (*elg_activity_done_fn)(void *self, struct elg_bytes response,
                                     bool maybe_happened);

/* --allow-net: a rule HOST[:PORT] that is a name allows URLs with that host; one that is
 * an address (IPv6 in brackets if a port follows) allows URLs with that address and names
 * that resolve to it, so with such a rule any name may be resolved. No rule, no host.
 * Environment that libcurl would heed (proxies, .netrc) is ignored; SSL_CERT_FILE and
 * SSL_CERT_DIR are heeded. */

/* Starts a call. `done` is called once, from elg_activity_poll (or, for calls that need
 * no waiting, before this returns), unless it is cancelled. *out is NULL if it was done
 * at once. NOW, SLEEP, WAIT and RUN are not performed here. Past
 * ELG_HTTP_TRANSFERS_MAX, HTTP calls queue, and their time runs. ELG_NO_MEMORY, ELG_LIMIT
 * (100,000 under way). */
enum elg_status elg_activity_start(struct elg_performer *performer,
                                   const struct elg_prepared *prepared,
                                   const char *trace_id, elg_activity_done_fn done,
                                   void *self, struct elg_operation **out,
                                   struct elg_error *error);
/* No `done` after this. */
void elg_activity_cancel(struct elg_performer *performer,
                         struct elg_operation *operation);
/* Handles what is ready, without waiting. A `done` may start and cancel calls. */
void elg_activity_poll(struct elg_performer *performer);
/* An epoll descriptor, readable when elg_activity_poll has something to do (timeouts
 * included), and not while nothing is under way. Borrowed. */
int elg_activity_poll_fd(const struct elg_performer *performer);
size_t elg_activity_under_way(const struct elg_performer *performer);

/* Host activities (ctx.call). The public elg_call_* functions live here. */
enum elg_status elg_activity_register(struct elg_performer *performer, const char *name,
                                      elg_activity_fn fn, elg_activity_cancel_fn cancel,
                                      void *self, struct elg_error *error);

/* elg_host_intercept: `fn` is offered every call. */
enum elg_status elg_activity_intercept(struct elg_performer *performer,
                                       elg_intercept_fn fn, void *self,
                                       struct elg_error *error);
bool elg_activity_is_intercepted(const struct elg_performer *performer);
/* Offers a call of any kind to the interceptor. *taken false: it did not want it, or
 * there is none, and nothing happened. Else as elg_activity_start. */
enum elg_status elg_activity_offer(struct elg_performer *performer,
                                   const struct elg_prepared *prepared,
                                   elg_activity_done_fn done, void *self, bool *taken,
                                   struct elg_operation **out, struct elg_error *error);

/* ---- artifacts
 * --------------------------------------------------------------------------- */

/* A place for artifacts beside a performer's, over the same folder, for one other thread:
 * what the host keeps there itself. `folder` as in the performer's options. */
struct elg_artifacts;
enum elg_status elg_activity_artifacts_open(const struct elg_alloc *alloc,
                                            const char *folder, struct elg_random random,
                                            struct elg_artifacts **out,
                                            struct elg_error *error);
void elg_activity_artifacts_close(struct elg_artifacts *artifacts);
/* Keeps content under its hash, durably before it returns. ELG_IO, ELG_FULL,
 * ELG_NO_MEMORY. */
enum elg_status elg_activity_artifacts_put(struct elg_artifacts *artifacts,
                                           const struct elg_hash *hash,
                                           struct elg_bytes content,
                                           struct elg_error *error);
/* Appends what is there, not verified. Any thread. ELG_NOT_FOUND, ELG_IO, ELG_NO_MEMORY,
 * ELG_LIMIT. */
enum elg_status elg_activity_artifacts_get(struct elg_artifacts *artifacts,
                                           const struct elg_hash *hash,
                                           struct elg_buf *out, struct elg_error *error);

/* All of it, for who collects what nothing refers to. Of those in memory list and remove
 * are ELG_UNSUPPORTED. A removal is safe against who puts the same at that moment if
 * age_ms_min is more than a minute. */
void elg_activity_artifacts_source(struct elg_artifacts *artifacts,
                                   struct elg_artifact_source *out);

/* On the loop's thread, as everything here.
 * Stores bytes under their SHA-256, durably before it returns (temporary file, fsync,
 * rename, fsync of the folder); the same content again is compared, and
 * synced only if this performer does not remember having done it. ELG_IO, ELG_FULL,
 * ELG_LIMIT. */
enum elg_status elg_activity_artifact_put(struct elg_performer *performer,
                                          struct elg_bytes content, struct elg_hash *out,
                                          struct elg_error *error);
/* Appends the content. ELG_NOT_FOUND; ELG_CORRUPT if it no longer has that hash. */
enum elg_status elg_activity_artifact_get(struct elg_performer *performer,
                                          const struct elg_hash *hash,
                                          struct elg_buf *out, struct elg_error *error);

#endif
