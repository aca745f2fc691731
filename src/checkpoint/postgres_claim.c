/* postgres_claim: who executes a run: reserve, claim, release, aborts. Uses postgres.h.
 * Upholds P4, P5.
 *
 * A claim that is made twice because its reply was lost raises the epoch twice, which
 * harms no one.
 */
#include "checkpoint/postgres.h"
#include "checkpoint/turn.h"

#include <stdio.h>

/* What the calls below pass to their attempts. */
struct claim {
    struct elg_postgres *postgres;
    const char *trace_id;
    bool done;  /* claimed, reserved, or found */
    bool found; /* the run is there */
    struct elg_run_row row;
    struct elg_blob *quarantine; /* the error to set; NULL: an ordinary claim */
};

/* The end of a child is told to its parent. */
static void ended_add(struct elg_postgres_batch *batch, const char *trace_id)
{
    elg_postgres_add(batch, ELG_POSTGRES_CHILDREN_TELL);
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    elg_postgres_put_text(batch, trace_id);
    elg_postgres_array_end(batch);
}

/* ---- the owner's name, for the message */

static enum elg_status owner_attempt(struct elg_postgres_connection *connection,
                                     void *self, struct elg_error *error)
{
    struct claim *claim = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_OWNER_READ);
    elg_postgres_put_text(&connection->batch, claim->trace_id);
    elg_postgres_put_int8(&connection->batch, claim->postgres->worker);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    const PGresult *result = connection->results[0];
    char owner[ELG_POSTGRES_OWNER_BYTES_MAX] = "another worker";
    if (PQntuples(result) > 0)
        snprintf(owner, sizeof owner, "%.*s", PQgetlength(result, 0, 0),
                 PQgetvalue(result, 0, 0));
    return elg_base_fail(error, ELG_BUSY, claim->trace_id,
                         "this run is owned by %s; wait for it or end that process",
                         owner);
}

static enum elg_status busy_fail(struct claim *claim, struct elg_error *error)
{
    return elg_postgres_try(&claim->postgres->connections[ELG_POSTGRES_LOOP],
                            owner_attempt, claim, error);
}

/* ---- reserving */

static enum elg_status reserve_attempt(struct elg_postgres_connection *connection,
                                       void *self, struct elg_error *error)
{
    struct claim *claim = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_RESERVE);
    elg_postgres_put_text(&connection->batch, claim->trace_id);
    elg_postgres_put_int8(&connection->batch, claim->postgres->worker);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK)
        claim->done = PQntuples(connection->results[0]) > 0;
    return status;
}

enum elg_status elg_postgres_reserve(void *self, const char *trace_id,
                                     struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct claim claim = {.postgres = postgres, .trace_id = trace_id};
    bool before, reserved;
    enum elg_status status = elg_postgres_own(postgres, trace_id, true, &before, error);
    if (status != ELG_OK)
        return status;
    status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], reserve_attempt,
                              &claim, error);
    if (status == ELG_OK && !claim.done)
        status = busy_fail(&claim, error);
    if (status != ELG_OK && !before)
        elg_postgres_disown(postgres, trace_id, &reserved);
    return status;
}

/* Two of these cannot meet; if they did, the key of cmo_runs would decide. */
enum elg_status elg_postgres_reserve_new(void *self, const char *trace_id,
                                         struct elg_error *error)
{
    bool before;
    return elg_postgres_own(self, trace_id, false, &before, error);
}

/* ---- claiming */

static void claim_add(struct elg_postgres_batch *batch, const struct claim *claim)
{
    elg_postgres_add(batch, ELG_POSTGRES_BEGIN);
    elg_postgres_add(batch,
                     claim->quarantine ? ELG_POSTGRES_QUARANTINE : ELG_POSTGRES_CLAIM);
    elg_postgres_put_text(batch, claim->trace_id);
    elg_postgres_put_int8(batch, claim->postgres->worker);
    elg_postgres_put_moment(batch, elg_postgres_date_ms(claim->postgres));
    elg_postgres_put_int4(batch, ELG_CLAIMS_MAX);
    if (claim->quarantine != NULL)
        elg_postgres_put_blob(batch, claim->quarantine);
    else
        elg_postgres_put_text(batch, claim->postgres->owner);
    elg_postgres_add(batch, ELG_POSTGRES_RUN_READ);
    elg_postgres_put_text(batch, claim->trace_id);
    if (claim->quarantine != NULL)
        ended_add(batch, claim->trace_id);
    elg_postgres_add(batch, ELG_POSTGRES_COMMIT);
}

/* The claim and the row behind it, in one transaction. */
static enum elg_status claim_attempt(struct elg_postgres_connection *connection,
                                     void *self, struct elg_error *error)
{
    struct claim *claim = self;
    elg_checkpoint_run_row_fini(&claim->row); /* of an attempt before */
    claim_add(&connection->batch, claim);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status != ELG_OK)
        return status;
    claim->done = PQntuples(connection->results[1]) > 0;
    claim->found = PQntuples(connection->results[2]) > 0;
    if (!claim->found)
        return elg_postgres_run_missing(claim->postgres, claim->trace_id, error);
    return elg_postgres_row_run(claim->postgres, connection->results[2], 0, false,
                                &claim->row, error);
}

/* Past the last claim the run is quarantined (I11). */
static enum elg_status claim_run(struct claim *claim, struct elg_error *error)
{
    struct elg_postgres_connection *loop =
        &claim->postgres->connections[ELG_POSTGRES_LOOP];
    enum elg_status status = elg_postgres_try(loop, claim_attempt, claim, error);
    if (status != ELG_OK || claim->done ||
        elg_checkpoint_status_ended(claim->row.status) ||
        claim->row.claims < ELG_CLAIMS_MAX)
        return status;
    claim->quarantine =
        elg_checkpoint_quarantine_error(claim->postgres->env.alloc, "$OWNER", "$STEP");
    if (claim->quarantine == NULL)
        return elg_base_no_memory(error);
    status = elg_postgres_try(loop, claim_attempt, claim, error);
    elg_base_blob_unref(claim->quarantine);
    return status;
}

enum elg_status elg_postgres_claim(void *self, const char *trace_id,
                                   struct elg_run_row *out, struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct claim claim = {.postgres = postgres, .trace_id = trace_id};
    bool before, reserved;
    enum elg_status status = elg_postgres_own(postgres, trace_id, false, &before, error);
    if (status != ELG_OK)
        return status;
    status = claim_run(&claim, error);
    bool ended = status == ELG_OK && elg_checkpoint_status_ended(claim.row.status);
    if (status == ELG_CORRUPT && claim.done && !before)
        elg_postgres_hand_back(postgres, trace_id, false); /* as if it had not been */
    if (status == ELG_OK && !claim.done && !ended)
        status = busy_fail(&claim, error);
    if ((status != ELG_OK && !before) || ended)
        elg_postgres_disown(postgres, trace_id, &reserved);
    if (status != ELG_OK) {
        elg_checkpoint_run_row_fini(&claim.row);
        return status;
    }
    if (claim.row.abort_requested)
        atomic_store(&postgres->aborts_maybe, true);
    *out = claim.row;
    return ELG_OK;
}

/* ---- releasing */

static enum elg_status release_attempt(struct elg_postgres_connection *connection,
                                       void *self, struct elg_error *error)
{
    struct claim *claim = self;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch, ELG_POSTGRES_RELEASE);
    elg_postgres_put_text(batch, claim->trace_id);
    elg_postgres_put_int8(batch, claim->postgres->worker);
    if (claim->done) {
        elg_postgres_add(batch, ELG_POSTGRES_UNRESERVE);
        elg_postgres_put_text(batch, claim->trace_id);
        elg_postgres_put_int8(batch, claim->postgres->worker);
    }
    return elg_postgres_exchange(connection, error);
}

void elg_postgres_release(void *self, const char *trace_id)
{
    struct elg_postgres *postgres = self;
    struct claim claim = {.postgres = postgres, .trace_id = trace_id};
    if (!elg_postgres_disown(postgres, trace_id, &claim.done))
        return;
    if (elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP], release_attempt,
                         &claim, NULL) != ELG_OK)
        atomic_store(&postgres->release_again, true);
}

/* ---- aborts */

static enum elg_status abort_attempt(struct elg_postgres_connection *connection,
                                     void *self, struct elg_error *error)
{
    struct claim *claim = self;
    struct elg_postgres_batch *batch = &connection->batch;
    elg_postgres_add(batch, ELG_POSTGRES_ABORT);
    elg_postgres_put_text(batch, claim->trace_id);
    elg_postgres_put_moment(batch, elg_postgres_date_ms(claim->postgres));
    elg_postgres_add(batch, ELG_POSTGRES_RUN_EXISTS);
    elg_postgres_put_text(batch, claim->trace_id);
    elg_postgres_add(batch, ELG_POSTGRES_NOTIFY);
    elg_postgres_put_text(batch, claim->trace_id);
    enum elg_status status = elg_postgres_exchange(connection, error);
    if (status == ELG_OK && PQntuples(connection->results[1]) == 0)
        return elg_postgres_run_missing(claim->postgres, claim->trace_id, error);
    return status;
}

enum elg_status elg_postgres_abort_request(void *self, const char *trace_id,
                                           struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct claim claim = {.postgres = postgres, .trace_id = trace_id};
    enum elg_status status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP],
                                              abort_attempt, &claim, error);
    if (status == ELG_OK)
        atomic_store(&postgres->aborts_maybe, true);
    return status;
}

struct aborts {
    struct elg_postgres *postgres;
    elg_run_row_fn give;
    void *give_self;
};

/* A row that cannot be read is told of once the others were given. */
static enum elg_status aborts_give(struct aborts *aborts, const PGresult *result,
                                   struct elg_error *error)
{
    bool more = true;
    enum elg_status worst = ELG_OK;
    for (int i = 0; more && i < PQntuples(result); i++) {
        struct elg_run_row row;
        enum elg_status status =
            elg_postgres_row_run(aborts->postgres, result, i, false, &row, error);
        if (status == ELG_CORRUPT) {
            worst = status;
            continue;
        }
        if (status != ELG_OK)
            return status;
        if (elg_postgres_own_abort(aborts->postgres, row.trace_id))
            more = aborts->give(aborts->give_self, &row);
        elg_checkpoint_run_row_fini(&row);
    }
    if (!more) /* the rest is asked for again */
        atomic_store(&aborts->postgres->aborts_maybe, true);
    return worst;
}

static enum elg_status aborts_attempt(struct elg_postgres_connection *connection,
                                      void *self, struct elg_error *error)
{
    struct aborts *aborts = self;
    elg_postgres_add(&connection->batch, ELG_POSTGRES_ABORTS_READ);
    elg_postgres_put_int8(&connection->batch, aborts->postgres->worker);
    enum elg_status status = elg_postgres_exchange(connection, error);
    return status == ELG_OK ? aborts_give(aborts, connection->results[0], error) : status;
}

/* The keeper hears of requests: by a notification, and by looking once a second. */
enum elg_status elg_postgres_abort_poll(void *self, elg_run_row_fn row, void *row_self,
                                        struct elg_error *error)
{
    struct elg_postgres *postgres = self;
    struct aborts aborts = {postgres, row, row_self};
    if (!atomic_exchange(&postgres->aborts_maybe, false))
        return ELG_OK;
    enum elg_status status = elg_postgres_try(&postgres->connections[ELG_POSTGRES_LOOP],
                                              aborts_attempt, &aborts, error);
    if (status != ELG_OK)
        atomic_store(&postgres->aborts_maybe, true);
    return status;
}
