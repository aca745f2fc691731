/* sqlite_many: claiming many runs in one transaction. Uses sqlite.h, turn.h.
 *
 * Locks first, then one transaction that reads and counts; what cannot be had is left
 * out.
 */
#include "checkpoint/sqlite.h"
#include "checkpoint/turn.h"

#include <string.h>

static const struct elg_sqlite_taking UNLIMITED;

struct many {
    struct elg_sqlite *sqlite;
    bool next;                          /* whatever is next; else runs by their names */
    const struct elg_pass_over *passed; /* hears of rows that cannot be read */
    struct elg_run_row *rows;
    size_t count;
    const char *locked[ELG_CLAIM_BATCH_RUNS_MAX];
    bool before[ELG_CLAIM_BATCH_RUNS_MAX]; /* it was ours already */
    size_t locked_count;
};

static enum elg_status lock_all(struct many *many, const char *const *trace_ids,
                                size_t trace_count, struct elg_error *error)
{
    for (size_t i = 0; i < trace_count; i++) {
        bool *before = &many->before[many->locked_count];
        enum elg_status status =
            elg_sqlite_own(many->sqlite, trace_ids[i], before, error);
        if (status == ELG_OK)
            many->locked[many->locked_count++] = trace_ids[i];
        else if (status != ELG_BUSY)
            return status;
    }
    return ELG_OK;
}

/* A run of the list is taken once only by who takes what is next. */
static bool may_claim(const struct many *many, const struct elg_run_row *row,
                      int64_t now_ms)
{
    if (elg_checkpoint_status_ended(row->status))
        return false;
    if (!many->next)
        return row->claims < ELG_CLAIMS_MAX;
    return row->due_ms != 0 ? row->due_ms <= now_ms : row->status != ELG_RUN_WAITING;
}

static enum elg_status claim_one(struct many *many, const char *trace_id,
                                 struct elg_error *error)
{
    struct elg_run_row row = {.status = ELG_RUN_PENDING};
    struct elg_sqlite *sqlite = many->sqlite;
    struct elg_error own;
    enum elg_status status =
        elg_sqlite_run_read(sqlite->env.alloc, &sqlite->writer, trace_id, &row, &own);
    if (status == ELG_CORRUPT)
        elg_sqlite_unread_tell(many->passed, trace_id, &own);
    if (status == ELG_NOT_FOUND || status == ELG_CORRUPT)
        return ELG_OK;
    if (status != ELG_OK)
        return elg_base_fail(error, status, own.where, "%s", own.text);
    bool may = may_claim(many, &row, elg_base_wall_ms(sqlite->env.clock));
    if (may)
        status =
            elg_sqlite_claim_row(sqlite, &row, many->next ? &UNLIMITED : NULL, error);
    if (status == ELG_OK && may)
        many->rows[many->count++] = row;
    else
        elg_checkpoint_run_row_fini(&row);
    return status;
}

static enum elg_status claim_all(struct many *many, struct elg_error *error)
{
    enum elg_status status = elg_sqlite_write_begin(many->sqlite, error);
    if (status != ELG_OK)
        return status;
    for (size_t i = 0; status == ELG_OK && i < many->locked_count; i++)
        status = claim_one(many, many->locked[i], error);
    if (status == ELG_OK && many->count > 0)
        return elg_sqlite_write_commit(many->sqlite, error);
    elg_sqlite_write_rollback(many->sqlite);
    return status;
}

static bool was_claimed(const struct many *many, const char *trace_id)
{
    for (size_t i = 0; i < many->count; i++) {
        if (strcmp(many->rows[i].trace_id, trace_id) == 0)
            return !elg_checkpoint_status_ended(many->rows[i].status);
    }
    return false;
}

static void rows_fini(struct many *many)
{
    for (size_t i = 0; i < many->count; i++)
        elg_checkpoint_run_row_fini(&many->rows[i]);
    many->count = 0;
}

static enum elg_status claim_locked(struct many *many, const char *const *trace_ids,
                                    size_t trace_count, struct elg_error *error)
{
    enum elg_status status = lock_all(many, trace_ids, trace_count, error);
    if (status == ELG_OK && many->locked_count > 0)
        status = claim_all(many, error);
    if (status != ELG_OK)
        rows_fini(many);
    for (size_t i = 0; i < many->locked_count; i++) {
        if (!many->before[i] && !was_claimed(many, many->locked[i]))
            elg_sqlite_disown(many->sqlite, many->locked[i]);
    }
    if (status == ELG_OK && many->count == 0)
        return elg_base_fail(error, ELG_NOT_FOUND, many->sqlite->path,
                             "none of these runs can be had");
    return status;
}

enum elg_status elg_sqlite_claim_named(void *self, const char *const *trace_ids,
                                       size_t trace_count, struct elg_run_row *rows,
                                       size_t *count, struct elg_error *error)
{
    struct many many = {.sqlite = self, .rows = rows};
    enum elg_status status = claim_locked(&many, trace_ids, trace_count, error);
    *count = many.count;
    return status;
}

static enum elg_status next_many(struct elg_sqlite *sqlite,
                                 const struct elg_pass_over *passed,
                                 struct elg_sqlite_names *names, struct elg_run_row *rows,
                                 size_t *count, struct elg_error *error)
{
    const char *trace_ids[ELG_CLAIM_BATCH_RUNS_MAX];
    struct many many = {.sqlite = sqlite, .next = true, .passed = passed, .rows = rows};
    for (size_t i = 0; i < names->count; i++)
        trace_ids[i] = names->trace_ids[i];
    enum elg_status status = claim_locked(&many, trace_ids, names->count, error);
    *count = many.count;
    return status;
}

static struct elg_sqlite_names *names_create(struct elg_sqlite *sqlite, size_t max)
{
    struct elg_sqlite_names *names =
        elg_base_realloc(sqlite->env.alloc, NULL, 0, sizeof *names);
    if (names != NULL) {
        names->max = max;
        names->count = 0;
    }
    return names;
}

/* One alone where there is no list, or none of it can be had. */
enum elg_status elg_sqlite_claim_many(void *self, const char *const *graph_ids,
                                      size_t graph_count,
                                      const struct elg_pass_over *passed,
                                      struct elg_run_row *rows, size_t max, size_t *count,
                                      struct elg_error *error)
{
    struct elg_sqlite *sqlite = self;
    struct elg_sqlite_names *names = NULL;
    if (max > 1 && (names = names_create(sqlite, max)) == NULL)
        return elg_base_no_memory(error);
    enum elg_status status =
        elg_sqlite_next(sqlite, graph_ids, graph_count, passed, names, rows, error);
    bool several = status == ELG_OK && names != NULL && names->count > 1;
    if (several)
        status = next_many(sqlite, passed, names, rows, count, error);
    elg_base_free(sqlite->env.alloc, names, sizeof *names);
    if (several && status != ELG_NOT_FOUND)
        return status;
    if (several)
        status =
            elg_sqlite_next(sqlite, graph_ids, graph_count, passed, NULL, rows, error);
    *count = status == ELG_OK;
    return status;
}
