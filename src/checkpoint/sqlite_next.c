/* sqlite_next: taking up whatever waits to be. Uses sqlite.h.
 *
 * Free runs are searched through an index of graph and priority, in the order of the
 * contract: the pairs of these are read first, then each pair's runs until one can be
 * had. Limits of how many run at once are slots, locked as runs are, so that those of a
 * dead process are free; the rate is counted in the claim's transaction.
 */
#include "checkpoint/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 256 /* of graph and priority, looked at by one claim */
#define LOOK_FIRST 8  /* runs of one pair that are looked at, */
#define LOOK_MAX 1024 /* and if none of these can be had */

int64_t elg_sqlite_lease_until_us(void *self)
{
    (void)self; /* a lock goes with its process */
    return INT64_MAX;
}

int64_t elg_sqlite_wall_ms(void *self)
{
    struct elg_sqlite *sqlite = self;
    return elg_base_wall_ms(sqlite->env.clock);
}

/* ---- pairs of graph and priority that have free runs */

struct pair {
    char graph_id[ELG_NAME_BYTES_MAX + 1];
    int64_t priority;
    int64_t served_ms; /* a run of the graph was last taken up; 0: none */
    int64_t ready_ms;  /* since when its first run waits */
};

struct next {
    const char *const *graph_ids;
    size_t graph_count;
    const struct elg_pass_over *passed;
    struct pair *pairs;
    size_t pair_count;
};

static bool graph_wanted(const struct next *next, const char *graph_id)
{
    bool wanted = next->graph_ids == NULL;
    for (size_t i = 0; !wanted && i < next->graph_count; i++)
        wanted = strcmp(next->graph_ids[i], graph_id) == 0;
    return wanted;
}

/* The pair behind `pair`, into it. What cannot be one is not met: lists tell of it. */
static enum elg_status pair_step(struct elg_sqlite *sqlite, struct pair *pair,
                                 bool *found, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_NEXT_PAIR, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, pair->graph_id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(statement, 2, pair->priority);
    sqlite3_bind_int(statement, 3, ELG_NAME_BYTES_MAX);
    status = elg_sqlite_step(&sqlite->reader, statement, found, error);
    if (status != ELG_OK || !*found)
        return status;
    const char *graph_id = (const char *)sqlite3_column_text(statement, 0);
    if (graph_id == NULL) {
        sqlite3_reset(statement);
        return elg_base_no_memory(error);
    }
    snprintf(pair->graph_id, sizeof pair->graph_id, "%s", graph_id);
    pair->priority = sqlite3_column_int64(statement, 1);
    sqlite3_reset(statement);
    return ELG_OK;
}

static enum elg_status served_read(struct elg_sqlite *sqlite, struct pair *pair,
                                   struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found;
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_NEXT_SERVED, &statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(statement, 1, pair->graph_id, -1, SQLITE_STATIC);
    status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
    if (status != ELG_OK)
        return status;
    pair->served_ms = found ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    return ELG_OK;
}

static enum elg_status runs_begin(struct elg_sqlite *sqlite, const struct next *next,
                                  const struct pair *pair, int limit,
                                  sqlite3_stmt **statement, struct elg_error *error)
{
    enum elg_status status =
        elg_sqlite_statement(&sqlite->reader, ELG_SQLITE_NEXT_READ, statement, error);
    if (status != ELG_OK)
        return status;
    sqlite3_bind_text(*statement, 1, pair->graph_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(*statement, 2, pair->priority);
    sqlite3_bind_int64(*statement, 3, elg_base_wall_ms(sqlite->env.clock));
    sqlite3_bind_int(*statement, 4, limit);
    sqlite3_bind_int(*statement, 5, next->passed != NULL && next->passed->jailed);
    sqlite3_bind_blob(*statement, 6, ELG_LIMITS_JAILED, sizeof ELG_LIMITS_JAILED - 1,
                      SQLITE_STATIC);
    return ELG_OK;
}

/* *found: the pair has a run whose time has come. */
static enum elg_status ready_read(struct elg_sqlite *sqlite, const struct next *next,
                                  struct pair *pair, bool *found, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum elg_status status = runs_begin(sqlite, next, pair, 1, &statement, error);
    if (status == ELG_OK)
        status = elg_sqlite_step(&sqlite->reader, statement, found, error);
    if (status == ELG_OK && *found)
        pair->ready_ms = sqlite3_column_int64(statement, 1);
    sqlite3_reset(statement);
    return status;
}

static int by_turn(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    if (x->served_ms != y->served_ms)
        return x->served_ms < y->served_ms ? -1 : 1;
    if (x->ready_ms != y->ready_ms)
        return x->ready_ms < y->ready_ms ? -1 : 1;
    return 0;
}

/* All pairs with a run whose time has come, in the order of their turn. */
static enum elg_status pairs_read(struct elg_sqlite *sqlite, struct next *next,
                                  struct elg_error *error)
{
    struct pair pair = {.graph_id = "", .priority = INT64_MIN};
    enum elg_status status = ELG_OK;
    next->pair_count = 0;
    while (next->pair_count < PAIRS_MAX) {
        bool found = false;
        status = pair_step(sqlite, &pair, &found, error);
        if (status != ELG_OK || !found)
            break;
        if (!graph_wanted(next, pair.graph_id))
            continue;
        status = ready_read(sqlite, next, &pair, &found, error);
        if (status == ELG_OK && found)
            status = served_read(sqlite, &pair, error);
        if (status != ELG_OK)
            break;
        if (found)
            next->pairs[next->pair_count++] = pair;
    }
    if (status == ELG_OK)
        qsort(next->pairs, next->pair_count, sizeof *next->pairs, by_turn);
    return status;
}

/* ---- one run */

struct candidate {
    char trace_id[ELG_TRACE_BYTES_MAX + 1];
    char limit_key[ELG_NAME_BYTES_MAX + 1];
    uint32_t running_max, key_running_max;
    struct elg_sqlite_taking taking;
};

static void candidate_read(sqlite3_stmt *statement, struct candidate *out)
{
    const char *trace_id = (const char *)sqlite3_column_text(statement, 0);
    const char *key = (const char *)sqlite3_column_text(statement, 3);
    memset(out, 0, sizeof *out);
    snprintf(out->trace_id, sizeof out->trace_id, "%s", trace_id ? trace_id : "");
    snprintf(out->limit_key, sizeof out->limit_key, "%s", key ? key : "");
    out->running_max = (uint32_t)sqlite3_column_int64(statement, 2);
    out->key_running_max = (uint32_t)sqlite3_column_int64(statement, 4);
    out->taking.rate_count = (uint32_t)sqlite3_column_int64(statement, 5);
    out->taking.rate_ms = (uint32_t)sqlite3_column_int64(statement, 6);
}

/* FNV-1a over 64 bits. */
static uint64_t hash_of(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    while (*text++ != '\0');
    return hash;
}

/* Takes a free slot of `max`; false: there is none. max 0: none is needed. */
static bool slot_take(struct elg_sqlite *sqlite, char kind, uint64_t hash, uint32_t max,
                      char out[ELG_SQLITE_SLOT_BYTES_MAX])
{
    for (uint32_t i = 0; i < max; i++) {
        bool before = false;
        snprintf(out, ELG_SQLITE_SLOT_BYTES_MAX, "slot-%c%016llx-%u", kind,
                 (unsigned long long)hash, i);
        if (elg_sqlite_own(sqlite, out, &before, NULL) == ELG_OK && !before)
            return true;
    }
    out[0] = '\0';
    return max == 0;
}

static void slots_drop(struct elg_sqlite *sqlite,
                       char slots[ELG_SQLITE_SLOTS][ELG_SQLITE_SLOT_BYTES_MAX])
{
    for (size_t i = 0; i < ELG_SQLITE_SLOTS; i++) {
        if (slots[i][0] != '\0')
            elg_sqlite_disown(sqlite, slots[i]);
    }
}

/* How far one pair has been looked at. */
struct search {
    struct candidate candidates[LOOK_MAX];
    size_t count;
    bool graph_full, rate_full; /* no more of its runs, of those that begin */
};

/* ELG_BUSY: it cannot be had, or its quota leaves no room. */
static enum elg_status candidate_take(struct elg_sqlite *sqlite, const struct next *next,
                                      const struct pair *pair, struct search *search,
                                      struct candidate *candidate,
                                      struct elg_run_row *out, struct elg_error *error)
{
    char slots[ELG_SQLITE_SLOTS][ELG_SQLITE_SLOT_BYTES_MAX] = {"", ""};
    uint64_t graph = hash_of(14695981039346656037u, pair->graph_id);
    enum elg_status status = ELG_BUSY;
    struct elg_error own;
    if (elg_sqlite_owned(sqlite, candidate->trace_id) ||
        elg_checkpoint_is_passed(next->passed, candidate->trace_id) ||
        (search->rate_full && candidate->taking.rate_count > 0))
        return ELG_BUSY;
    search->graph_full = !slot_take(sqlite, 'g', graph, candidate->running_max, slots[0]);
    if (!search->graph_full &&
        slot_take(sqlite, 'k', hash_of(graph, candidate->limit_key),
                  candidate->key_running_max, slots[1]))
        status = elg_sqlite_claim_as(sqlite, candidate->trace_id, &candidate->taking, out,
                                     &own);
    search->rate_full = search->rate_full || candidate->taking.refused;
    if (status == ELG_CORRUPT && candidate->taking.unread)
        elg_sqlite_unread_tell(next->passed, candidate->trace_id, &own);
    else if (status != ELG_OK && status != ELG_BUSY && status != ELG_NOT_FOUND)
        elg_base_fail(error, status, own.where, "%s", own.text);
    if (candidate->taking.unread || status == ELG_NOT_FOUND || /* removed meanwhile */
        (status == ELG_OK && candidate->taking.refused))
        status = ELG_BUSY;
    if (status == ELG_OK && !elg_checkpoint_status_ended(out->status))
        elg_sqlite_own_slots(sqlite, candidate->trace_id, slots);
    else
        slots_drop(sqlite, slots);
    return status;
}

/* The pair's runs whose time has come, the first `limit` of them. */
static enum elg_status search_read(struct elg_sqlite *sqlite, const struct next *next,
                                   const struct pair *pair, int limit,
                                   struct search *search, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool found = true;
    search->count = 0;
    pthread_mutex_lock(&sqlite->read_mutex);
    enum elg_status status = runs_begin(sqlite, next, pair, limit, &statement, error);
    while (status == ELG_OK) {
        status = elg_sqlite_step(&sqlite->reader, statement, &found, error);
        if (status != ELG_OK || !found)
            break;
        candidate_read(statement, &search->candidates[search->count++]);
    }
    sqlite3_reset(statement);
    pthread_mutex_unlock(&sqlite->read_mutex);
    return status;
}

/* ELG_BUSY: none of the pair's runs can be had. */
static enum elg_status pair_take(struct elg_sqlite *sqlite, const struct next *next,
                                 const struct pair *pair, struct search *search,
                                 struct elg_run_row *out, struct elg_error *error)
{
    size_t looked = 0;
    search->graph_full = search->rate_full = false;
    for (int limit = LOOK_FIRST; limit <= LOOK_MAX; limit *= LOOK_MAX / LOOK_FIRST) {
        enum elg_status status = search_read(sqlite, next, pair, limit, search, error);
        if (status != ELG_OK)
            return status;
        for (; looked < search->count && !search->graph_full; looked++) {
            status = candidate_take(sqlite, next, pair, search,
                                    &search->candidates[looked], out, error);
            if (status != ELG_BUSY)
                return status;
        }
        if (search->count < (size_t)limit || search->graph_full)
            break;
    }
    return ELG_BUSY;
}

/* ---- the next run */

static enum elg_status next_take(struct elg_sqlite *sqlite, const struct next *next,
                                 struct search *search, struct elg_run_row *out,
                                 struct elg_error *error)
{
    for (size_t i = 0; i < next->pair_count; i++) {
        enum elg_status status =
            pair_take(sqlite, next, &next->pairs[i], search, out, error);
        if (status != ELG_BUSY)
            return status;
    }
    return elg_base_fail(error, ELG_NOT_FOUND, sqlite->path,
                         "no run waits to be taken up");
}

struct scratch {
    struct pair pairs[PAIRS_MAX];
    struct search search;
};

static bool is_limited(const struct candidate *candidate)
{
    return candidate->running_max > 0 || candidate->key_running_max > 0 ||
           candidate->taking.rate_count > 0;
}

/* The first runs of the only pair of the highest priority, as far as none has limits. */
static enum elg_status names_read(struct elg_sqlite *sqlite, const struct next *next,
                                  struct search *search, struct elg_sqlite_names *names,
                                  struct elg_error *error)
{
    bool several =
        next->pair_count > 1 && next->pairs[0].priority == next->pairs[1].priority;
    if (next->pair_count == 0 || several)
        return ELG_OK;
    enum elg_status status = search_read(sqlite, next, &next->pairs[0],
                                         ELG_CLAIM_BATCH_RUNS_MAX, search, error);
    for (size_t i = 0; status == ELG_OK && i < search->count && names->count < names->max;
         i++) {
        if (is_limited(&search->candidates[i]))
            break;
        if (!elg_sqlite_owned(sqlite, search->candidates[i].trace_id) &&
            !elg_checkpoint_is_passed(next->passed, search->candidates[i].trace_id))
            strcpy(names->trace_ids[names->count++], search->candidates[i].trace_id);
    }
    return status;
}

/* With the scratch. */
static enum elg_status next_find(struct elg_sqlite *sqlite, struct next *next,
                                 struct search *search, struct elg_sqlite_names *names,
                                 struct elg_run_row *out, struct elg_error *error)
{
    enum elg_status status = elg_sqlite_sweep(sqlite, next->passed, error);
    if (status != ELG_OK)
        return status;
    pthread_mutex_lock(&sqlite->read_mutex);
    status = pairs_read(sqlite, next, error);
    pthread_mutex_unlock(&sqlite->read_mutex);
    if (status == ELG_OK && names != NULL)
        status = names_read(sqlite, next, search, names, error);
    if (status != ELG_OK || (names != NULL && names->count > 1))
        return status;
    return next_take(sqlite, next, search, out, error);
}

enum elg_status elg_sqlite_next(struct elg_sqlite *sqlite, const char *const *graph_ids,
                                size_t graph_count, const struct elg_pass_over *passed,
                                struct elg_sqlite_names *names, struct elg_run_row *out,
                                struct elg_error *error)
{
    const struct elg_alloc *alloc = sqlite->env.alloc;
    struct scratch *scratch = elg_base_realloc(alloc, NULL, 0, sizeof *scratch);
    if (scratch == NULL)
        return elg_base_no_memory(error);
    struct next next = {graph_ids, graph_count, passed, scratch->pairs, 0};
    enum elg_status status =
        next_find(sqlite, &next, &scratch->search, names, out, error);
    elg_base_free(alloc, scratch, sizeof *scratch);
    return status;
}
