/* postgres_family: parents and children in Postgres. Uses postgres_signal.h, turn.h. */
#include "checkpoint/postgres_signal.h"
#include "checkpoint/turn.h"

#include <string.h>

/* ---- what turns do to other runs */

enum child_column {
    CHILD_TRACE,
    CHILD_GRAPH,
    CHILD_VERSION,
    CHILD_HASH,
    CHILD_SEED,
    CHILD_CHAIN,
    CHILD_PARENT,
    CHILD_STEP,
    CHILD_SEQ,
    CHILD_DEPTH,
    CHILD_END
};

static void child_put(struct elg_postgres_batch *batch, int column,
                      const struct elg_run_row *child)
{
    switch (column) {
    case CHILD_TRACE:
        elg_postgres_put_text(batch, child->trace_id);
        break;
    case CHILD_GRAPH:
        elg_postgres_put_text(batch, child->graph_id);
        break;
    case CHILD_VERSION:
        elg_postgres_put_text(batch, child->graph_version);
        break;
    case CHILD_HASH:
        elg_postgres_put_hash(batch, &child->graph_hash);
        break;
    case CHILD_SEED:
        elg_postgres_put_text(batch, child->seed);
        break;
    case CHILD_CHAIN:
        elg_postgres_put_hash(batch, &child->chain);
        break;
    case CHILD_PARENT:
        elg_postgres_put_text(batch, child->parent_trace_id);
        break;
    case CHILD_STEP:
        elg_postgres_put_int4(batch, child->parent_step);
        break;
    case CHILD_SEQ:
        elg_postgres_put_int4(batch, child->parent_seq);
        break;
    default:
        elg_postgres_put_int4(batch, child->depth);
    }
}

static void input_put(struct elg_postgres_batch *batch, int column,
                      const struct elg_run_row *child)
{
    if (column == 0)
        elg_postgres_put_text(batch, child->trace_id);
    else
        elg_postgres_put_blob(batch, column == 1 ? child->input : child->limits);
}

/* One message about all children of the turns, each column an array. */
static void
children_put(struct elg_postgres_batch *batch, struct elg_turn *const *turns,
             size_t turn_count, const enum elg_postgres_type *types, int column_count,
             void (*put)(struct elg_postgres_batch *, int, const struct elg_run_row *))
{
    for (int column = 0; column < column_count; column++) {
        elg_postgres_array_begin(batch, types[column]);
        for (size_t i = 0; i < turn_count; i++) {
            for (size_t k = 0; k < turns[i]->child_count; k++)
                put(batch, column, &turns[i]->children[k]);
        }
        elg_postgres_array_end(batch);
    }
}

static bool has_new_children(const struct elg_turn *turn)
{
    return turn->child_count > 0;
}

static bool ends_child(const struct elg_turn *turn)
{
    return turn->run->parent_trace_id[0] != '\0' &&
           elg_checkpoint_status_ended(turn->run->status);
}

/* A message about the runs of those turns, if there are any. */
static void runs_add(struct elg_postgres_batch *batch,
                     enum elg_postgres_statement statement, struct elg_turn *const *turns,
                     size_t turn_count, bool (*about)(const struct elg_turn *))
{
    bool any = false;
    for (size_t i = 0; i < turn_count && !any; i++)
        any = about(turns[i]);
    if (!any)
        return;
    elg_postgres_add(batch, statement);
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    for (size_t i = 0; i < turn_count; i++) {
        if (about(turns[i]))
            elg_postgres_put_text(batch, turns[i]->run->trace_id);
    }
    elg_postgres_array_end(batch);
}

void elg_postgres_family_add(struct elg_postgres_batch *batch,
                             struct elg_turn *const *turns, size_t turn_count)
{
    static const enum elg_postgres_type CHILD_TYPES[CHILD_END] = {
        ELG_POSTGRES_TEXT, ELG_POSTGRES_TEXT, ELG_POSTGRES_TEXT, ELG_POSTGRES_TEXT,
        ELG_POSTGRES_TEXT, ELG_POSTGRES_TEXT, ELG_POSTGRES_TEXT, ELG_POSTGRES_INT4,
        ELG_POSTGRES_INT4, ELG_POSTGRES_INT4};
    static const enum elg_postgres_type INPUT_TYPES[] = {
        ELG_POSTGRES_TEXT, ELG_POSTGRES_BYTEA, ELG_POSTGRES_BYTEA};
    size_t child_count = 0;
    for (size_t i = 0; i < turn_count; i++)
        child_count += turns[i]->child_count;
    if (child_count > 0) {
        elg_postgres_add(batch, ELG_POSTGRES_CHILDREN_INSERT);
        children_put(batch, turns, turn_count, CHILD_TYPES, CHILD_END, child_put);
        elg_postgres_add(batch, ELG_POSTGRES_CHILDREN_INPUT);
        children_put(batch, turns, turn_count, INPUT_TYPES, 3, input_put);
        runs_add(batch, ELG_POSTGRES_CHILDREN_MARK, turns, turn_count, has_new_children);
    }
    runs_add(batch, ELG_POSTGRES_CHILDREN_TELL, turns, turn_count, ends_child);
    runs_add(batch, ELG_POSTGRES_CHILDREN_ABORT, turns, turn_count,
             elg_checkpoint_turn_ends_children);
}

bool elg_postgres_family_tells(const struct elg_turn *turns, size_t turn_count)
{
    bool tells = false;
    for (size_t i = 0; i < turn_count && !tells; i++)
        tells = turns[i].result == ELG_OK &&
                (turns[i].child_count > 0 || ends_child(&turns[i]) ||
                 elg_checkpoint_turn_ends_children(&turns[i]));
    return tells;
}

/* ---- reading */

struct reading {
    struct elg_postgres *postgres;
    const char *trace_id;
    int64_t step; /* only those that it began and that failed; -1: that have not ended */
    void (*child)(void *self, const char *trace_id);
    void *child_self;
};

static enum elg_status children_attempt(struct elg_postgres_connection *connection,
                                        void *self, struct elg_error *error)
{
    const struct reading *reading = self;
    elg_postgres_add(&connection->batch, reading->step < 0
                                             ? ELG_POSTGRES_CHILDREN_READ
                                             : ELG_POSTGRES_CHILDREN_FAILED);
    elg_postgres_put_text(&connection->batch, reading->trace_id);
    if (reading->step >= 0)
        elg_postgres_put_int4(&connection->batch, reading->step);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    const PGresult *result = connection->results[0];
    for (int i = 0; i < PQntuples(result); i++) {
        char trace_id[ELG_TRACE_BYTES_MAX + 1];
        struct elg_postgres_columns columns = {.alloc = reading->postgres->env.alloc,
                                               .label = reading->postgres->settings.label,
                                               .result = result,
                                               .at = i,
                                               .table = "cmo_runs",
                                               .row = reading->trace_id,
                                               .error = error};
        if (!elg_postgres_column_text(&columns, trace_id, sizeof trace_id, false))
            return columns.status;
        reading->child(reading->child_self, trace_id);
    }
    return ELG_OK;
}

enum elg_status elg_postgres_children(void *self, const char *trace_id,
                                      void (*child)(void *self, const char *trace_id),
                                      void *child_self, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct reading reading = {postgres, trace_id, -1, child, child_self};
    return elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], children_attempt,
                            &reading, error);
}

enum elg_status
elg_postgres_children_failed(void *self, const char *trace_id, int64_t step,
                             void (*child)(void *self, const char *trace_id),
                             void *child_self, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct reading reading = {postgres, trace_id, step, child, child_self};
    return elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], children_attempt,
                            &reading, error);
}
