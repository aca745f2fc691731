/* postgres_own: which runs are held here. Uses postgres.h, traces.
 *
 * The database says who holds a run; this says what to give back, and whose abort was
 * reported.
 */
#include "checkpoint/postgres.h"

#include <string.h>

static struct elg_postgres_owned *owned_add(struct elg_postgres *postgres,
                                            const char *trace_id)
{
    const struct elg_alloc *alloc = postgres->env.alloc;
    struct elg_postgres_owned *owned = elg_base_calloc(alloc, sizeof *owned);
    if (owned == NULL)
        return NULL;
    strcpy(owned->trace_id, trace_id);
    if (elg_checkpoint_traces_put(&postgres->owned, owned->trace_id, owned))
        return owned;
    elg_base_free(alloc, owned, sizeof *owned);
    return NULL;
}

enum elg_status elg_postgres_own(struct elg_postgres *postgres, const char *trace_id,
                                 bool reserved, bool *before, struct elg_error *error)
{
    pthread_mutex_lock(&postgres->own_mutex);
    struct elg_postgres_owned *owned =
        elg_checkpoint_traces_get(&postgres->owned, trace_id);
    *before = owned != NULL;
    if (owned == NULL)
        owned = owned_add(postgres, trace_id);
    if (owned != NULL) {
        owned->reserved = owned->reserved || reserved;
        owned->abort_reported = owned->ended = false;
    }
    pthread_mutex_unlock(&postgres->own_mutex);
    return owned != NULL ? ELG_OK : elg_base_no_memory(error);
}

bool elg_postgres_disown(struct elg_postgres *postgres, const char *trace_id,
                         bool *reserved)
{
    pthread_mutex_lock(&postgres->own_mutex);
    struct elg_postgres_owned *owned =
        elg_checkpoint_traces_remove(&postgres->owned, trace_id);
    *reserved = owned != NULL && owned->reserved;
    bool held = owned != NULL && (owned->reserved || !owned->ended);
    pthread_mutex_unlock(&postgres->own_mutex);
    elg_base_free(postgres->env.alloc, owned, sizeof *owned);
    return held;
}

void elg_postgres_own_ended(struct elg_postgres *postgres, const char *trace_id)
{
    pthread_mutex_lock(&postgres->own_mutex);
    struct elg_postgres_owned *owned =
        elg_checkpoint_traces_get(&postgres->owned, trace_id);
    if (owned != NULL)
        owned->ended = true;
    pthread_mutex_unlock(&postgres->own_mutex);
}

bool elg_postgres_own_abort(struct elg_postgres *postgres, const char *trace_id)
{
    pthread_mutex_lock(&postgres->own_mutex);
    struct elg_postgres_owned *owned =
        elg_checkpoint_traces_get(&postgres->owned, trace_id);
    bool first = owned != NULL && !owned->abort_reported;
    if (first)
        owned->abort_reported = true;
    pthread_mutex_unlock(&postgres->own_mutex);
    return first;
}

void elg_postgres_own_put(struct elg_postgres *postgres, struct elg_postgres_batch *batch)
{
    const struct elg_postgres_owned *owned;
    size_t cursor = 0;
    elg_postgres_array_begin(batch, ELG_POSTGRES_TEXT);
    pthread_mutex_lock(&postgres->own_mutex);
    while ((owned = elg_checkpoint_traces_next(&postgres->owned, &cursor)) != NULL)
        elg_postgres_put_text(batch, owned->trace_id);
    pthread_mutex_unlock(&postgres->own_mutex);
    elg_postgres_array_end(batch);
}
