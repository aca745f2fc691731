/* jobs: Provides jobs.h. */
#include "jailed/jobs.h"

#include <string.h>

/* Fields in the order in which job_write of jail/job.c writes them. */
static void read_job(struct elg_jail_fields *fields, struct elg_job *job)
{
    memset(job, 0, sizeof *job);
    job->kind =
        elg_jail_fields_u32(fields) == ELG_JOB_INITIAL ? ELG_JOB_INITIAL : ELG_JOB_NODE;
    job->node_id = elg_jail_fields_text(fields);
    job->state = elg_jail_fields_bytes(fields);
    job->input = elg_jail_fields_bytes(fields);
    job->trace_id = elg_jail_fields_text(fields);
    job->step_index = (int64_t)elg_jail_fields_u64(fields);
    job->attempt = elg_jail_fields_u32(fields);
    job->previous = elg_jail_fields_text_or_null(fields);
    job->seed = elg_jail_fields_text(fields);
    job->clock_ms = (int64_t)elg_jail_fields_u64(fields);
    job->fuel_max = elg_jail_fields_u64(fields);
    job->memory_bytes_max = (size_t)elg_jail_fields_u64(fields);
    if (!elg_jail_fields_over(fields))
        elg_jailed_give_up();
}

enum elg_status elg_jailed_jobs_begin(struct elg_jailed_jobs *jobs,
                                      struct elg_program *program,
                                      struct elg_jail_fields *fields,
                                      struct elg_error *error)
{
    struct elg_jailed_job *now = &jobs->now;
    struct elg_bytes message = {fields->at, (size_t)(fields->end - fields->at)};
    elg_jailed_jobs_end(jobs);
    now->texts = elg_base_realloc(jobs->alloc, NULL, 0, message.size);
    if (now->texts == NULL)
        return elg_base_no_memory(error);
    now->texts_bytes = message.size;
    memcpy(now->texts, message.data, message.size);
    message.data = now->texts;
    elg_jail_fields_init(fields, message);
    read_job(fields, &now->job);
    return elg_sandbox_begin(jobs->box, program, &now->job, error);
}

static void free_job(struct elg_jailed_jobs *jobs, struct elg_jailed_job *job)
{
    elg_base_free(jobs->alloc, job->texts, job->texts_bytes);
    memset(job, 0, sizeof *job);
}

void elg_jailed_jobs_end(struct elg_jailed_jobs *jobs)
{
    elg_sandbox_discard(jobs->box);
    free_job(jobs, &jobs->now);
}

static struct elg_jailed_slot *free_slot(struct elg_jailed_jobs *jobs, uint32_t *index)
{
    size_t i = 0, grown = jobs->slot_count * 2 + 8;
    while (i < jobs->slot_count && jobs->slots[i].parked != NULL)
        i++;
    *index = (uint32_t)i;
    if (i < jobs->slot_count)
        return &jobs->slots[i];
    void *slots =
        elg_base_realloc(jobs->alloc, jobs->slots, jobs->slot_count * sizeof *jobs->slots,
                         grown * sizeof *jobs->slots);
    if (slots == NULL)
        return NULL;
    jobs->slots = slots;
    memset(jobs->slots + i, 0, (grown - i) * sizeof *jobs->slots);
    jobs->slot_count = grown;
    return &jobs->slots[i];
}

enum elg_status elg_jailed_jobs_park(struct elg_jailed_jobs *jobs, uint32_t *slot,
                                     uint64_t *bytes, struct elg_error *error)
{
    struct elg_jailed_slot *to = free_slot(jobs, slot);
    if (to == NULL)
        return elg_base_no_memory(error);
    enum elg_status status = elg_sandbox_park(jobs->box, &to->parked, error);
    if (status != ELG_OK)
        return status;
    to->job = jobs->now;
    memset(&jobs->now, 0, sizeof jobs->now);
    *bytes = elg_sandbox_parked_bytes(to->parked) + to->job.texts_bytes;
    return ELG_OK;
}

static struct elg_jailed_slot *full_slot(struct elg_jailed_jobs *jobs, uint32_t slot)
{
    if (slot >= jobs->slot_count || jobs->slots[slot].parked == NULL)
        elg_jailed_give_up();
    return &jobs->slots[slot];
}

enum elg_status elg_jailed_jobs_unpark(struct elg_jailed_jobs *jobs, uint32_t slot,
                                       struct elg_error *error)
{
    struct elg_jailed_slot *from = full_slot(jobs, slot);
    elg_jailed_jobs_end(jobs);
    enum elg_status status = elg_sandbox_unpark(jobs->box, from->parked, error);
    if (status != ELG_OK)
        return status;
    jobs->now = from->job;
    memset(from, 0, sizeof *from);
    return ELG_OK;
}

void elg_jailed_jobs_drop(struct elg_jailed_jobs *jobs, uint32_t slot)
{
    struct elg_jailed_slot *from = full_slot(jobs, slot);
    elg_sandbox_parked_destroy(from->parked);
    free_job(jobs, &from->job);
    from->parked = NULL;
}
