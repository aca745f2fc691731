/* public: the work behind the functions of elg.h, which public.c calls once it has looked
 * at the arguments. Each is as elg.h says of the function of that name.
 */
#ifndef ELG_HOST_PUBLIC_H
#define ELG_HOST_PUBLIC_H

#include "elg.h"

enum elg_status elg__host_open(const struct elg_host_options *options,
                               struct elg_host **out, struct elg_error *error);
enum elg_status elg__host_register(struct elg_host *host, const char *name,
                                   elg_activity_fn fn, elg_activity_cancel_fn cancel,
                                   void *self, struct elg_error *error);
enum elg_status elg__host_intercept(struct elg_host *host, elg_intercept_fn fn,
                                    void *self, struct elg_error *error);
enum elg_status elg__host_tick(struct elg_host *host, int64_t budget_us, size_t *active,
                               struct elg_error *error);
enum elg_status elg__host_serve(struct elg_host *host,
                                const struct elg_serve_options *options,
                                struct elg_error *error);
enum elg_status elg__host_gc(struct elg_host *host, const struct elg_gc_options *options,
                             struct elg_text *out, struct elg_error *error);
enum elg_status elg__graph_open(struct elg_host *host, const char *path,
                                struct elg_graph **out, struct elg_error *error);
enum elg_status elg__graph_open_stored(struct elg_host *host, const char *graph_hash,
                                       struct elg_graph **out, struct elg_error *error);
enum elg_status elg__graph_describe(struct elg_graph *graph, struct elg_text *out,
                                    struct elg_error *error);
enum elg_status elg__graph_check_file(struct elg_host *host, const char *path,
                                      struct elg_text *out, struct elg_error *error);
enum elg_status elg__run_start(struct elg_host *host, struct elg_graph *graph,
                               const struct elg_run_options *options, char *trace_out,
                               size_t trace_size, bool *created, struct elg_error *error);
enum elg_status elg__run_submit(struct elg_host *host, struct elg_graph *graph,
                                const struct elg_submit_options *options, char *trace_out,
                                size_t trace_size, bool *created,
                                struct elg_error *error);
enum elg_status elg__run_resume(struct elg_host *host, const char *trace_id,
                                struct elg_error *error);
enum elg_status elg__run_abort(struct elg_host *host, const char *trace_id,
                               struct elg_error *error);
enum elg_status elg__run_retry(struct elg_host *host, const char *trace_id,
                               struct elg_error *error);
enum elg_status elg__run_signal(struct elg_host *host, const char *trace_id,
                                const struct elg_signal *signal, bool *created,
                                struct elg_error *error);
enum elg_status elg__run_release(struct elg_host *host, const char *trace_id,
                                 struct elg_error *error);
enum elg_status elg__run_result(struct elg_host *host, const char *trace_id,
                                struct elg_text *out, struct elg_error *error);
enum elg_status elg__run_show_steps(struct elg_host *host, const char *trace_id,
                                    int64_t from, int64_t to, struct elg_text *out,
                                    struct elg_error *error);
enum elg_status elg__run_query(struct elg_host *host,
                               const struct elg_list_options *options,
                               struct elg_error *error);
enum elg_status elg__run_replay(struct elg_host *host, const char *trace_id,
                                const struct elg_replay_options *options,
                                struct elg_text *out, struct elg_error *error);

#endif
