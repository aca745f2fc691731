/* memory_signal: signals of the store in memory. Uses memory.h, turn.h.
 */
#include "checkpoint/memory.h"
#include "checkpoint/turn.h"

#include <assert.h>
#include <string.h>

#define SIGNALS_CAPACITY_MIN 4

void elg_memory_signals_fini(struct elg_memory *memory, struct elg_memory_run *run)
{
    for (size_t i = 0; i < run->signal_count; i++)
        elg_checkpoint_signal_row_fini(&run->signals[i].row);
    elg_base_free(memory->env.alloc, run->signals,
                  run->signal_capacity * sizeof *run->signals);
}

/* The unused signal of that number, or NULL. */
static struct elg_memory_signal *unused(const struct elg_memory_run *run,
                                        int64_t signal_no)
{
    for (size_t i = 0; i < run->signal_count; i++) {
        if (run->signals[i].row.signal_no == signal_no)
            return run->signals[i].used ? NULL : &run->signals[i];
    }
    return NULL;
}

bool elg_memory_uses_allowed(const struct elg_memory_run *run,
                             const struct elg_turn *turn)
{
    for (size_t i = 0; i < turn->use_count; i++) {
        if (unused(run, turn->uses[i].signal_no) == NULL)
            return false;
        for (size_t k = 0; k < i; k++) {
            if (turn->uses[k].signal_no == turn->uses[i].signal_no)
                return false;
        }
    }
    return true;
}

void elg_memory_uses_write(struct elg_memory_run *run, const struct elg_turn *turn)
{
    for (size_t i = 0; i < turn->use_count; i++) {
        struct elg_memory_signal *signal = unused(run, turn->uses[i].signal_no);
        assert(signal != NULL);
        signal->used = true;
        elg_checkpoint_signal_row_fini(&signal->row); /* the journal has it */
    }
}

void elg_memory_make_due(struct elg_run_row *row, int64_t now_ms)
{
    if (row->status == ELG_RUN_WAITING && (row->due_ms == 0 || row->due_ms > now_ms))
        row->due_ms = now_ms;
}

void elg_memory_due_if_signalled(struct elg_memory_run *run, const struct elg_turn *turn,
                                 int64_t now_ms)
{
    bool unseen = false;
    for (size_t i = run->signal_count; i > 0 && !unseen; i--) {
        if (run->signals[i - 1].row.signal_no <= turn->run->signals_seen)
            break;
        unseen = !run->signals[i - 1].used;
    }
    if (unseen)
        elg_memory_make_due(&run->row, now_ms);
}

enum elg_status elg_memory_signals_reserve(struct elg_memory *memory,
                                           struct elg_memory_run *run, size_t more)
{
    size_t need = run->signal_count + more;
    size_t capacity = run->signal_capacity ? run->signal_capacity : SIGNALS_CAPACITY_MIN;
    if (need <= run->signal_capacity)
        return ELG_OK;
    while (capacity < need)
        capacity *= 2;
    size_t size = sizeof *run->signals;
    void *grown = elg_base_realloc(memory->env.alloc, run->signals,
                                   run->signal_capacity * size, capacity * size);
    if (grown == NULL)
        return ELG_NO_MEMORY;
    run->signals = grown;
    run->signal_capacity = capacity;
    return ELG_OK;
}

static void facts_of(const struct elg_memory_run *run,
                     const struct elg_signal_row *signal,
                     struct elg_checkpoint_signal_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    facts->status = run->row.status;
    for (size_t i = 0; i < run->signal_count; i++) {
        const struct elg_memory_signal *have = &run->signals[i];
        if (signal->key[0] != '\0' && strcmp(have->row.key, signal->key) == 0) {
            facts->key_name = have->row.name;
            facts->key_hash = have->row.payload_hash;
        }
        if (have->used || strcmp(have->row.name, ELG_SIGNAL_CHILD) == 0)
            continue;
        facts->waiting_count++;
        facts->waiting_bytes += (int64_t)elg_base_blob_bytes(have->row.payload).size;
    }
}

static enum elg_status put(struct elg_memory *memory, const char *trace_id,
                           const struct elg_signal_row *signal, bool *created,
                           struct elg_error *error)
{
    struct elg_checkpoint_signal_facts facts;
    bool known;
    struct elg_memory_run *run = elg_memory_find(memory, trace_id);
    if (run == NULL)
        return elg_base_fail(error, ELG_NOT_FOUND, trace_id, "no such run in this store");
    facts_of(run, signal, &facts);
    enum elg_status status =
        elg_checkpoint_signal_judge(trace_id, signal, &facts, &known, error);
    if (status != ELG_OK)
        return status;
    if (!known && elg_memory_signals_reserve(memory, run, 1) != ELG_OK)
        return elg_base_no_memory(error);
    *created = !known;
    if (known)
        return ELG_OK;
    struct elg_memory_signal *kept = &run->signals[run->signal_count++];
    memset(kept, 0, sizeof *kept);
    kept->row = *signal;
    kept->row.signal_no = ++memory->signal_no;
    elg_base_blob_ref(kept->row.payload);
    elg_memory_make_due(&run->row, elg_base_wall_ms(memory->env.clock));
    return ELG_OK;
}

enum elg_status elg_memory_signal_put(void *self, const char *trace_id,
                                      const struct elg_signal_row *signal, bool *created,
                                      struct elg_error *error)
{
    struct elg_memory *memory = self;
    pthread_mutex_lock(&memory->mutex);
    enum elg_status status = put(memory, trace_id, signal, created, error);
    pthread_mutex_unlock(&memory->mutex);
    return status;
}

enum elg_status elg_memory_signals(void *self, const char *trace_id, const char *name,
                                   int64_t after, elg_signal_row_fn row, void *row_self,
                                   int64_t *last, struct elg_error *error)
{
    struct elg_memory *memory = self;
    (void)error;
    pthread_mutex_lock(&memory->mutex);
    struct elg_memory_run *run = elg_memory_find(memory, trace_id);
    size_t count = run != NULL ? run->signal_count : 0;
    bool more = true;
    *last = count > 0 ? run->signals[count - 1].row.signal_no : 0;
    for (size_t i = 0; more && i < count; i++) {
        const struct elg_memory_signal *signal = &run->signals[i];
        if (!signal->used && signal->row.signal_no > after &&
            strcmp(signal->row.name, name) == 0)
            more = row(row_self, &signal->row);
    }
    pthread_mutex_unlock(&memory->mutex);
    return ELG_OK;
}

static const struct elg_memory_run *next_woken(struct elg_memory *memory, size_t *cursor)
{
    struct elg_memory_run *run;
    while ((run = elg_checkpoint_traces_next(&memory->runs, cursor)) != NULL) {
        if (run->signal_count > 0 &&
            run->signals[run->signal_count - 1].row.signal_no > memory->signals_polled)
            return run;
    }
    return NULL;
}

enum elg_status elg_memory_signal_poll(void *self,
                                       void (*woken)(void *self, const char *trace_id),
                                       void *woken_self, struct elg_error *error)
{
    struct elg_memory *memory = self;
    const struct elg_memory_run *run;
    size_t cursor = 0;
    (void)error;
    pthread_mutex_lock(&memory->mutex);
    while (memory->signal_no > memory->signals_polled &&
           (run = next_woken(memory, &cursor)) != NULL)
        woken(woken_self, run->row.trace_id);
    memory->signals_polled = memory->signal_no;
    pthread_mutex_unlock(&memory->mutex);
    return ELG_OK;
}
