/* store_commit: the store's commit beside floor_sqlite: turns of one step of 1 KB, with
 * digests and chain, from one thread.
 *
 * Uses checkpoint. Prints one line of JSON per number of turns per commit: steps per
 * second, CPU per step.
 *
 *     store_commit URL [SECONDS [TURNS_PER_COMMIT ...]]
 *
 * The store should be new. Without numbers: 1 and 16.
 */
#include "checkpoint/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS_MAX ELG_COMMIT_BATCH_TURNS_MAX
#define PAYLOAD_BYTES 1024
#define STEPS_PER_RUN 20

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct elg_run_row runs[RUNS_MAX];
static struct elg_record records[RUNS_MAX];
static struct elg_turn turns[RUNS_MAX];
static struct elg_sha256 *sha;
static struct elg_blob *payload, *output, *empty;

static void fail(const struct elg_error *error)
{
    fprintf(stderr, "store_commit: %s: %s\n", error->where, error->text);
    exit(1);
}

static struct elg_blob *blob_of(const void *data, size_t size)
{
    struct elg_bytes bytes = {data, size};
    return elg_base_blob_create(elg_base_alloc_default(), bytes);
}

/* Runs are of 20 steps, many at once, and sort by the time of their beginning. */
static void run_begin(int i, int batch)
{
    struct elg_run_row *run = &runs[i];
    memset(run, 0, sizeof *run);
    snprintf(run->trace_id, sizeof run->trace_id, "%08x-0000-7000-8000-%012d", batch, i);
    strcpy(run->graph_id, "bench");
    strcpy(run->graph_version, "1.0.0");
    run->graph_hash.bytes[0] = 1;
    run->status = ELG_RUN_RUNNING;
    run->epoch = 1;
    run->input = payload;
    run->initial_state = payload;
    run->limits = empty;
    elg_checkpoint_chain_begin(sha, run, &run->chain);
}

static void step_fill(int i)
{
    struct elg_run_row *run = &runs[i];
    struct elg_record *record = &records[i];
    memset(record, 0, sizeof *record);
    struct elg_step_row *step = &record->row.step;
    record->kind = ELG_RECORD_STEP;
    step->step_index = (int64_t)run->step_count;
    step->attempt = 1;
    strcpy(step->node_id, "compute");
    step->status = ELG_ATTEMPT_OK;
    step->input_hash.bytes[0] = step->state_hash.bytes[0] = 1;
    step->output_hash.bytes[0] = 1;
    step->has_edge = true;
    strcpy(step->next_edge, "ok");
    strcpy(step->next_node, "compute");
    step->state = payload;
    step->output = output;
    step->fuel = 12345;
    step->clock_ms = step->started_at_ms = step->completed_at_ms = 1700000000000;
    step->duration_us = 17;
    step->fingerprint = "luajit-2.1.0-beta3/elg-0.1.0/fuel-1";
    elg_checkpoint_step_digest(sha, step, &step->digest);
    step->has_chain = true;
    elg_checkpoint_chain_next(sha, &run->chain, &step->digest, 1, &step->chain);
    turns[i] = (struct elg_turn){.create = run->step_count == 0,
                                 .step_count_before = run->step_count,
                                 .run = run,
                                 .records = record,
                                 .record_count = 1};
    run->chain = step->chain;
    run->step_count++;
}

static void commit(struct elg_store *store, int turn_count)
{
    struct elg_error error;
    if (elg_checkpoint_commit(store, turns, (size_t)turn_count, &error) != ELG_OK)
        fail(&error);
    for (int i = 0; i < turn_count; i++) {
        if (turns[i].result != ELG_OK) {
            fprintf(stderr, "store_commit: turn refused: %s\n",
                    elg_status_name(turns[i].result));
            exit(1);
        }
    }
}

static void turns_fill(int turn_count)
{
    static int batch;
    if (runs[0].trace_id[0] == '\0' || runs[0].step_count == STEPS_PER_RUN) {
        batch++;
        for (int i = 0; i < turn_count; i++)
            run_begin(i, batch);
    }
    for (int i = 0; i < turn_count; i++)
        step_fill(i);
}

static void graph_keep(struct elg_store *store)
{
    struct elg_error error;
    struct elg_graph_row row = {.id = "bench", .version = "1.0.0", .definition = empty};
    row.hash.bytes[0] = 1;
    if (elg_checkpoint_graph_put(store, &row, &error) != ELG_OK)
        fail(&error);
}

static void measure(struct elg_store *store, double seconds, int turn_count)
{
    memset(runs, 0, sizeof runs);
    double start = seconds_of(CLOCK_MONOTONIC), end = start, steps = 0;
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    while (end - start < seconds) {
        turns_fill(turn_count);
        commit(store, turn_count);
        steps += turn_count;
        end = seconds_of(CLOCK_MONOTONIC);
    }
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"bench\":\"store_commit\",\"turns_per_commit\":%d,\"steps_per_s\":%.0f,"
           "\"commits_per_s\":%.0f,\"cpu_us_per_step\":%.2f}\n",
           turn_count, steps / (end - start), steps / turn_count / (end - start),
           cpu / steps * 1e6);
}

int main(int argc, char **argv)
{
    static char text[PAYLOAD_BYTES];
    struct elg_error error;
    struct elg_store *store;
    struct elg_checkpoint_env env = {.alloc = elg_base_alloc_default(),
                                     .clock = elg_base_clock_system(),
                                     .random = elg_base_random_system(),
                                     .owner = "store_commit"};
    if (argc < 2)
        return 2;
    memset(text, 'x', sizeof text);
    payload = blob_of(text, sizeof text);
    output = blob_of("{\"ok\":true}", 11);
    empty = blob_of("{}", 2);
    sha = elg_base_sha256_create(elg_base_alloc_default());
    if (elg_checkpoint_open(argv[1], &env, &store, &error) != ELG_OK)
        fail(&error);
    graph_keep(store);
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    for (int i = 3; i < argc && atoi(argv[i]) <= RUNS_MAX; i++)
        measure(store, seconds, atoi(argv[i]));
    for (int i = 0; argc <= 3 && i < 2; i++)
        measure(store, seconds, i == 0 ? 1 : 16);
    elg_checkpoint_close(store);
    return 0;
}
