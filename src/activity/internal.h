/* internal: what the files of activity/ share and nobody else sees.
 *
 * Uses activity.h. Names begin with elg__: they are not for other folders.
 */
#ifndef ELG_ACTIVITY_INTERNAL_H
#define ELG_ACTIVITY_INTERNAL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "activity/activity.h"
#include "json/json.h"

struct curl_slist;

/* ---- limits of this folder (I15) */
#define ELG_NET_RULES_MAX 1024           /* --allow-net entries */
#define ELG_HTTP_HEADERS_MAX 256         /* header names of one request */
#define ELG_HTTP_PARTS_MAX 64            /* parts of one URL or header value */
#define ELG_HTTP_URL_BYTES_MAX 16384     /* with its secrets put in */
#define ELG_HTTP_METHOD_BYTES_MAX 32     /* GET, PROPFIND, ... */
#define ELG_HTTP_CONNECTIONS_MAX 256     /* open at once; other transfers queue */
#define ELG_HTTP_IDLE_CONNECTIONS_MAX 64 /* kept for reuse */
#define ELG_HTTP_IDLE_HANDLES_MAX 64     /* transfer handles kept for reuse */
#define ELG_ACTIVITY_MS_MAX 86400000     /* timeout_ms of one call: a day */
#define ELG_OPERATIONS_MAX 100000        /* calls under way, queued ones included */
#define ELG_POLL_EVENTS 64               /* descriptors of one round */
#define ELG_POLL_ROUNDS_MAX 64           /* rounds of one elg_activity_poll */

/* ---- operations */

/* One call under way; the first member of its kind's own struct. */
struct elg_operation {
    struct elg_operation *prev, *next; /* of performer->operations */
    struct elg_performer *performer;   /* NULL: cancelled, or the performer is gone */
    enum elg_activity_kind kind;
    elg_activity_done_fn done;
    void *self;
    int64_t due_us; /* its deadline; ours to watch if `awaited`, else libcurl's */
    bool awaited;
};

/* libcurl's multi handle and what it needs. Made by the first HTTP call, because loading
 * TLS costs milliseconds that a run without HTTP need not pay. */
struct elg_http_client {
    void *multi; /* CURLM */
    void *idle[ELG_HTTP_IDLE_HANDLES_MAX];
    size_t idle_count;
    size_t transfer_count;
    struct elg_http *queue, *queue_last; /* calls past ELG_HTTP_TRANSFERS_MAX */
    int64_t due_us; /* when libcurl wants to be called; INT64_MAX: not at all */
    const char *ca_file, *ca_folder; /* SSL_CERT_FILE, SSL_CERT_DIR; borrowed or NULL */
};

struct elg_performer {
    const struct elg_alloc *alloc;
    struct elg_clock clock;
    struct elg_random random;
    struct elg_sha256 *sha;
    struct elg_net *net;        /* NULL: every host */
    struct elg_net *net_closed; /* of calls that are closed, if that is NULL: no host */
    struct elg_artifacts *artifacts;
    uint32_t timeout_ms;
    uint32_t body_bytes_max;
    const char *(*secret)(void *self, const char *name);
    void *secret_self;
    int epoll_fd, timer_fd;
    int64_t armed_us; /* what timer_fd is set to; INT64_MAX: not set */
    struct elg_http_client http;
    struct elg_operation *operations;
    struct elg_operation *cursor; /* of a pass over them under way, or NULL */
    size_t operation_count;
    struct elg_host_activity *registered;
    struct elg_host_activity *interceptor;       /* NULL: none */
    struct elg_call *completed, *completed_last; /* their `done` is due */
    int64_t due_us; /* not after the first deadline of an awaited operation */
};

/* Puts an operation on the performer's list, takes it off. */
void elg__operation_link(struct elg_performer *performer, struct elg_operation *op);
void elg__operation_unlink(struct elg_operation *op);
/* The performer watches its deadline from now on, until it is unlinked or `awaited` is
 * false: then elg__call_expire or elg__http_expire is called. */
void elg__operation_await(struct elg_operation *op);
/* Calls `done` with {"error":...}, without memory if need be. */
void elg__operation_fail(struct elg_performer *performer, elg_activity_done_fn done,
                         void *self, const char *code, const char *message,
                         bool maybe_happened);
/* The error code that node code sees for a status: "INVALID_REQUEST", "NET_DENIED", ...
 */
const char *elg__activity_code(enum elg_status status);
/* The call's time: its own, else the performer's. */
uint32_t elg__timeout_ms(const struct elg_performer *performer,
                         const struct elg_prepared *prepared);
int64_t elg__now_us(const struct elg_performer *performer);
/* Sets timer_fd to whatever is due first. */
void elg__performer_arm(struct elg_performer *performer);

/* ---- prepare: the checks of one kind each. `root` is the parsed request. */
enum elg_status elg__prepare_http(const struct elg_alloc *alloc,
                                  const struct elg_json_value *root,
                                  struct elg_prepared *out, struct elg_buf *rewritten,
                                  struct elg_error *error);
enum elg_status elg__prepare_artifact_write(const struct elg_json_value *root,
                                            struct elg_error *error);
enum elg_status elg__prepare_wait(const struct elg_json_value *root,
                                  struct elg_prepared *out, struct elg_error *error);
enum elg_status elg__prepare_run(const struct elg_json_value *root,
                                 struct elg_prepared *out, struct elg_error *error);
enum elg_status elg__prepare_artifact_read(const struct elg_json_value *root,
                                           struct elg_error *error);
/* ELG_INVALID if the object has a member that is not in `known` (NULL-terminated). */
enum elg_status elg__check_fields(const struct elg_json_value *object, const char *what,
                                  const char *const *known, struct elg_error *error);
/* A whole number of [min, max] into *out; absent leaves it. */
enum elg_status elg__check_integer(const struct elg_json_value *object, const char *name,
                                   int64_t min, int64_t max, int64_t *out,
                                   struct elg_error *error);
/* A boolean into *out; absent leaves it. */
enum elg_status elg__check_bool(const struct elg_json_value *object, const char *name,
                                bool *out, struct elg_error *error);
bool elg__is_token(struct elg_bytes text); /* RFC 9110 token */
/* The name in {"$secret":NAME}; false if the value is something else. */
bool elg__secret_name(const struct elg_json_value *value, struct elg_bytes *name);

/* ---- allow-net */

/* rules: HOST[:PORT] ... NULL. ELG_USAGE names a rule that is none. */
enum elg_status elg__net_create(const struct elg_alloc *alloc, const char *const *rules,
                                struct elg_net **out, struct elg_error *error);
void elg__net_destroy(struct elg_net *net);
enum elg_net_answer { ELG_NET_NO, ELG_NET_YES, ELG_NET_BY_PEER };
/* host as in a URL (IPv6 with or without brackets). BY_PEER: only if the address that the
 * name resolves to is allowed. net NULL: YES. */
enum elg_net_answer elg__net_check_host(const struct elg_net *net, const char *host,
                                        uint16_t port);
bool elg__net_check_peer(const struct elg_net *net, const struct sockaddr *peer);
/* As above, of an address in text. */
bool elg__net_check_address(const struct elg_net *net, const char *address, int port);

/* ---- secrets of one request */

struct elg_secret;
struct elg_secrets {
    const struct elg_alloc *alloc;
    struct elg_secret *first;
};
void elg__secrets_init(struct elg_secrets *secrets, const struct elg_alloc *alloc);
/* Wipes the values. */
void elg__secrets_fini(struct elg_secrets *secrets);
/* The value, borrowed until fini. ELG_NOT_FOUND names the secret, ELG_NO_MEMORY. */
enum elg_status elg__secrets_get(struct elg_secrets *secrets,
                                 const struct elg_performer *performer,
                                 struct elg_bytes name, struct elg_bytes *value,
                                 struct elg_error *error);
/* Puts "[secret NAME]" where a value (plain, percent-encoded or escaped as in JSON)
 * stands in `text`. text->failed if there is no memory: the text is empty then. */
void elg__secrets_redact(const struct elg_secrets *secrets, struct elg_buf *text);

/* ---- HTTP */

struct elg_http_header {
    struct elg_http_header *next;
    bool sensitive; /* not sent to another origin: authorization, cookie, secrets */
    size_t size;
    char line[]; /* "name: value" */
};

struct elg_http_request {
    const struct elg_alloc *alloc;
    void *url; /* CURLU */
    char method[ELG_HTTP_METHOD_BYTES_MAX + 1];
    struct elg_http_header *headers;
    struct elg_buf body;
    bool has_body;
    bool follow;
    uint32_t body_bytes_max;
};
void elg__http_request_init(struct elg_http_request *request,
                            const struct elg_alloc *alloc);
void elg__http_request_fini(struct elg_http_request *request);
/* Makes it from a prepared one; secrets are looked up and kept. ELG_INVALID,
 * ELG_NOT_FOUND (secret, artifact), ELG_CORRUPT, ELG_IO, ELG_NO_MEMORY. */
enum elg_status elg__http_request_build(struct elg_http_request *request,
                                        struct elg_performer *performer,
                                        const struct elg_prepared *prepared,
                                        struct elg_secrets *secrets,
                                        struct elg_error *error);
/* Points the request to `location` as an answer of `status` demands. ELG_INVALID: not a
 * location that one may follow. */
enum elg_status elg__http_request_redirect(struct elg_http_request *request, long status,
                                           const char *location, struct elg_error *error);
/* Host (as in the URL) and port; given back by elg__http_origin_fini. */
struct elg_http_origin {
    char *scheme, *host; /* libcurl's memory */
    uint16_t port;
};
enum elg_status elg__http_request_origin(const struct elg_http_request *request,
                                         struct elg_http_origin *out);
void elg__http_origin_fini(struct elg_http_origin *origin);

struct elg_http_response {
    struct elg_buf head; /* lines of the last head, each ended by '\n' */
    struct elg_buf body;
    size_t head_bytes; /* of all heads and trailers so far */
    bool head_open;
};
void elg__http_response_init(struct elg_http_response *response,
                             const struct elg_alloc *alloc);
void elg__http_response_fini(struct elg_http_response *response);
void elg__http_response_reset(struct elg_http_response *response);
/* One line as it came. False: too many bytes or (head.failed) no memory. */
bool elg__http_response_line(struct elg_http_response *response, const char *line,
                             size_t size);
/* Appends {"value":{...}} to `out`. An error is what node code gets instead:
 * ELG_INVALID (PROTOCOL), ELG_FULL, ELG_IO, ELG_NO_MEMORY. */
enum elg_status elg__http_response_write(struct elg_http_response *response,
                                         struct elg_performer *performer, long status,
                                         const struct elg_secrets *secrets,
                                         struct elg_buf *out, struct elg_error *error);

enum elg_status elg__http_start(struct elg_performer *performer,
                                const struct elg_prepared *prepared,
                                elg_activity_done_fn done, void *self,
                                struct elg_operation **out, struct elg_error *error);
void elg__http_cancel(struct elg_operation *op);
/* The time of a queued call is over. */
void elg__http_expire(struct elg_operation *op);
/* True if a queued call could begin; elg__http_begin_queued begins all that can. */
bool elg__http_can_begin(const struct elg_performer *performer);
void elg__http_begin_queued(struct elg_performer *performer);
/* libcurl has finished the transfer with this CURLcode. */
void elg__http_finished(struct elg_operation *op, int curl_code);

enum elg_status elg__http_client_open(struct elg_performer *performer,
                                      struct elg_error *error);
void elg__http_client_close(struct elg_performer *performer);
/* A CURL handle with nothing set, NULL: no memory; and back. */
void *elg__http_client_take(struct elg_performer *performer);
void elg__http_client_give(struct elg_performer *performer, void *easy);
void elg__http_client_socket(struct elg_performer *performer, int fd, uint32_t events);
void elg__http_client_timeout(struct elg_performer *performer);
/* Reports what is finished. */
void elg__http_client_finish(struct elg_performer *performer);

/* ---- host activities */
enum elg_status elg__call_start(struct elg_performer *performer,
                                const struct elg_prepared *prepared,
                                elg_activity_done_fn done, void *self,
                                struct elg_operation **out, struct elg_error *error);
void elg__call_cancel(struct elg_operation *op);
void elg__call_expire(struct elg_operation *op);
/* Reports what is completed. */
void elg__call_poll(struct elg_performer *performer);
void elg__call_unregister_all(struct elg_performer *performer);

/* ---- artifacts */
struct elg_artifacts; /* a source, a folder, or memory */
/* source NULL: the folder; that NULL or "": memory. */
enum elg_status elg__artifacts_create(const struct elg_alloc *alloc,
                                      const struct elg_artifact_source *source,
                                      const char *folder, struct elg_random random,
                                      struct elg_artifacts **out,
                                      struct elg_error *error);
void elg__artifacts_destroy(struct elg_artifacts *artifacts);
/* Every method of a back end: the hash is that of the content; `has` errors as put. */
struct elg_artifacts_ops {
    uint32_t version;
    void (*destroy)(struct elg_artifacts *artifacts);
    /* Durable when it returns. ELG_IO, ELG_FULL, ELG_NO_MEMORY; nothing is half there. */
    enum elg_status (*put)(struct elg_artifacts *artifacts, const struct elg_hash *hash,
                           struct elg_bytes content, struct elg_error *error);
    /* Appends what is stored, not verified. ELG_NOT_FOUND, ELG_IO, ELG_NO_MEMORY,
     * ELG_LIMIT. */
    enum elg_status (*get)(struct elg_artifacts *artifacts, const struct elg_hash *hash,
                           struct elg_buf *out, struct elg_error *error);
    /* As the methods of elg_artifact_source; NULL: unsupported. */
    enum elg_status (*list)(struct elg_artifacts *artifacts, const struct elg_hash *after,
                            elg_artifact_row_fn row, void *row_self,
                            struct elg_error *error);
    enum elg_status (*remove)(struct elg_artifacts *artifacts,
                              const struct elg_hash *hash, int64_t age_ms_min,
                              bool *removed, struct elg_error *error);
};
struct elg_artifacts {
    const struct elg_artifacts_ops *ops;
    const struct elg_alloc *alloc;
};
enum elg_status elg__artifacts_given_create(const struct elg_alloc *alloc,
                                            const struct elg_artifact_source *source,
                                            struct elg_artifacts **out,
                                            struct elg_error *error);
enum elg_status elg__artifacts_memory_create(const struct elg_alloc *alloc,
                                             struct elg_artifacts **out,
                                             struct elg_error *error);
enum elg_status elg__artifacts_folder_create(const struct elg_alloc *alloc,
                                             const char *folder, struct elg_random random,
                                             struct elg_artifacts **out,
                                             struct elg_error *error);
/* The activities artifact.write and artifact.read: done before they return. */
enum elg_status elg__artifact_start(struct elg_performer *performer,
                                    const struct elg_prepared *prepared,
                                    elg_activity_done_fn done, void *self,
                                    struct elg_error *error);

/* Base64 (RFC 4648 section 4), with padding. */
void elg__base64_encode(struct elg_buf *out, struct elg_bytes bytes);
/* False: not base64; nothing, or a part, may have been appended. */
bool elg__base64_decode(struct elg_buf *out, struct elg_bytes text);

#endif
