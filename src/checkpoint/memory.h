/* memory: the reference back end's parts. Private to memory*.c.
 *
 * Uses checkpoint, traces.
 */
#ifndef ELG_CHECKPOINT_MEMORY_H
#define ELG_CHECKPOINT_MEMORY_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/traces.h"

#include <pthread.h>

struct elg_memory_signal {
    struct elg_signal_row row;
    bool used;
};

/* A run: its row, and its records in the journal's order. */
struct elg_memory_run {
    struct elg_run_row row;
    struct elg_record *records;
    size_t record_count;
    size_t record_capacity;
    size_t record_pending;             /* room promised to the commit under way */
    uint64_t order;                    /* of creation */
    uint64_t claimed;                  /* of the last claim_many; 0: none */
    int64_t begun_ms;                  /* of the first */
    struct elg_memory_signal *signals; /* by number */
    size_t signal_count, signal_capacity;
    bool tentative; /* made by the commit under way, which has not come to it yet */
};

struct elg_memory {
    struct elg_checkpoint_env env;
    pthread_mutex_t mutex; /* of everything below */
    struct elg_traces runs;
    struct elg_traces owned; /* struct elg_memory_owned */
    struct elg_graph_row *graphs;
    size_t graph_count;
    size_t graph_capacity;
    uint64_t run_order;   /* of the last created run */
    uint64_t claim_order; /* of the last claim_many */
    uint64_t aborts;      /* requests so far */
    uint64_t aborts_polled;
    int64_t signal_no; /* of the last signal */
    int64_t signals_polled;
};

struct elg_memory_owned {
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    bool abort_reported;
};

/* The run, or NULL; tentative ones are not seen. */
struct elg_memory_run *elg_memory_find(struct elg_memory *memory, const char *trace_id);
void elg_memory_run_destroy(struct elg_memory *memory, struct elg_memory_run *run);
void elg_memory_record_fini(struct elg_record *record);

/* Order of the journal: (step, attempt), a step row before its activities by seq. */
int elg_memory_record_compare(const struct elg_record *a, const struct elg_record *b);
/* The first record that is not before `key`. */
size_t elg_memory_record_find(const struct elg_memory_run *run,
                              const struct elg_record *key);

/* NULL: it was not put. */
struct elg_graph_row *elg_memory_graph_find(struct elg_memory *memory,
                                            const struct elg_hash *hash);

/* A claim, and the end of owning a run, with the mutex held. */
enum elg_status elg_memory_claim(struct elg_memory *memory, struct elg_memory_run *run);
void elg_memory_disown(struct elg_memory *memory, const char *trace_id);

/* elg_checkpoint_ops of the same names. */
int64_t elg_memory_lease_until_us(void *self);
int64_t elg_memory_wall_ms(void *self);
enum elg_status elg_memory_claim_many(void *self, const char *const *graph_ids,
                                      size_t graph_count,
                                      const struct elg_pass_over *passed,
                                      struct elg_run_row *rows, size_t max, size_t *count,
                                      struct elg_error *error);
void elg_memory_hand_back(void *self, const char *trace_id, bool tell);
int elg_memory_work_fd(void *self);
bool elg_memory_work_poll(void *self);
enum elg_status elg_memory_work_due(void *self, int64_t *due_ms, struct elg_error *error);
uint64_t elg_memory_lease_lapses(void *self);
enum elg_status elg_memory_trees_remove(void *self, const char *const *trace_ids,
                                        size_t count, int64_t before_ms, bool look,
                                        uint64_t *removed, struct elg_error *error);
enum elg_status elg_memory_graphs_remove(void *self, int64_t before_ms, bool look,
                                         uint64_t *removed, struct elg_error *error);
enum elg_status elg_memory_references(void *self, elg_reference_fn text, void *text_self,
                                      struct elg_error *error);
int64_t elg_memory_schema_version(void *self);
const char *elg_memory_name(void *self);
enum elg_status elg_memory_reopen_many(void *self, struct elg_turn *turns,
                                       size_t turn_count, struct elg_error *error);
enum elg_status elg_memory_children_failed(void *self, const char *trace_id, int64_t step,
                                           void (*child)(void *self,
                                                         const char *trace_id),
                                           void *child_self, struct elg_error *error);

/* A run that is not seen until it is created. NULL: no memory. */
struct elg_memory_run *elg_memory_run_tentative(struct elg_memory *memory,
                                                const char *trace_id);
void elg_memory_run_create(struct elg_memory *memory, struct elg_memory_run *run,
                           const struct elg_turn *turn, int64_t now_ms);

/* ---- memory_family.c: what turns do to other runs */
/* Makes room for all that one of turn_count turns does. ELG_NO_MEMORY. */
enum elg_status elg_memory_family_prepare(struct elg_memory *memory,
                                          const struct elg_turn *turn, size_t turn_count);
/* Takes away children that were not begun. */
void elg_memory_family_settle(struct elg_memory *memory, const struct elg_turn *turn);
/* True if the graphs of the children that begin with the turn are kept. */
bool elg_memory_family_graphs(struct elg_memory *memory, const struct elg_turn *turn);
void elg_memory_family_write(struct elg_memory *memory, struct elg_memory_run *run,
                             const struct elg_turn *turn, int64_t now_ms);
/* Tells the parent, if the run has one. There is room. */
void elg_memory_child_ended(struct elg_memory *memory, const struct elg_run_row *run,
                            int64_t now_ms);
enum elg_status elg_memory_children(void *self, const char *trace_id,
                                    void (*child)(void *self, const char *trace_id),
                                    void *child_self, struct elg_error *error);

/* ---- memory_signal.c */
/* Room for so many more. ELG_NO_MEMORY. */
enum elg_status elg_memory_signals_reserve(struct elg_memory *memory,
                                           struct elg_memory_run *run, size_t more);
/* A run that waits for a later time, or for none, is due now. */
void elg_memory_make_due(struct elg_run_row *row, int64_t now_ms);
void elg_memory_signals_fini(struct elg_memory *memory, struct elg_memory_run *run);
/* True if a turn's uses are of signals that are there and unused. */
bool elg_memory_uses_allowed(const struct elg_memory_run *run,
                             const struct elg_turn *turn);
void elg_memory_uses_write(struct elg_memory_run *run, const struct elg_turn *turn);
/* A run that is left waiting for signals is due if there is one that it has not seen. */
void elg_memory_due_if_signalled(struct elg_memory_run *run, const struct elg_turn *turn,
                                 int64_t now_ms);
enum elg_status elg_memory_signal_put(void *self, const char *trace_id,
                                      const struct elg_signal_row *signal, bool *created,
                                      struct elg_error *error);
enum elg_status elg_memory_signals(void *self, const char *trace_id, const char *name,
                                   int64_t after, elg_signal_row_fn row, void *row_self,
                                   int64_t *last, struct elg_error *error);
enum elg_status elg_memory_signal_poll(void *self,
                                       void (*woken)(void *self, const char *trace_id),
                                       void *woken_self, struct elg_error *error);

/* elg_checkpoint_ops.commit, with the mutex held. */
enum elg_status elg_memory_commit(struct elg_memory *memory, struct elg_turn *turns,
                                  size_t turn_count, struct elg_error *error);

#endif
