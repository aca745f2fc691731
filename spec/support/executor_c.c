/* executor_c: the run's state machine over a memory store, for its specs. A world holds a
 * store and at most one run; events are methods. A run's memory comes from an allocator
 * that can fail. Failures are nil, status, where, text. */
#include "executor/executor.h"

#include "checkpoint_rows.h"
#include "fault_alloc.h"
#include "lua_fields.h"

#define WORLD "executor_c.world"
#define INTERN_MAX 64

ELG_API int luaopen_executor_c(lua_State *L);

struct world {
    struct fault_alloc fault;
    struct elg_store *store;
    struct elg_sha256 *sha;
    struct elg_intern *intern;
    struct elg_graph_data *graph;
    struct elg_run *run; /* NULL: crashed, or not begun */
};

static struct world *check_world(lua_State *L)
{
    return luaL_checkudata(L, 1, WORLD);
}

static struct elg_run *check_run(lua_State *L)
{
    struct world *world = check_world(L);
    if (world->run == NULL)
        luaL_error(L, "no run in hand");
    return world->run;
}

static int push_failure(lua_State *L, const struct elg_error *error)
{
    lua_pushnil(L);
    lua_pushstring(L, elg_status_name(error->status));
    lua_pushstring(L, error->where);
    lua_pushstring(L, error->text);
    return 4;
}

static int push_status(lua_State *L, enum elg_status status,
                       const struct elg_error *error)
{
    if (status != ELG_OK)
        return push_failure(L, error);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- the world */

static void run_drop(struct world *world)
{
    if (world->run == NULL)
        return;
    elg_checkpoint_release(world->store, world->run->row.trace_id);
    elg_executor_destroy(world->run);
    world->run = NULL;
}

/* The graph that the specs' runs name: ("ab"):rep(32). */
static enum elg_status graph_keep(struct elg_store *store, struct elg_error *error)
{
    const struct elg_alloc *alloc = elg_base_alloc_default();
    struct elg_graph_row row = {.id = "g", .version = "1"};
    memset(row.hash.bytes, 0xab, sizeof row.hash.bytes);
    row.definition = elg_base_blob_create(alloc, elg_base_bytes("{}"));
    enum elg_status status = row.definition == NULL
                                 ? elg_base_no_memory(error)
                                 : elg_checkpoint_graph_put(store, &row, error);
    elg_checkpoint_graph_row_fini(&row);
    return status;
}

/* create(description) -> world */
static int l_create(lua_State *L)
{
    struct elg_bytes description = bytes_arg(L, 1);
    struct world *world = lua_newuserdata(L, sizeof *world);
    struct elg_error error;
    const struct elg_alloc *alloc = elg_base_alloc_default();
    struct elg_checkpoint_env env = {.alloc = alloc,
                                     .clock = elg_base_clock_system(),
                                     .random = elg_base_random_system(),
                                     .owner = "spec"};
    memset(world, 0, sizeof *world);
    luaL_getmetatable(L, WORLD);
    lua_setmetatable(L, -2);
    fault_alloc_init(&world->fault, 0);
    world->sha = elg_base_sha256_create(alloc);
    world->intern = elg_base_intern_create(alloc, INTERN_MAX);
    enum elg_status status =
        elg_graph_parse(alloc, description, &world->graph, NULL, &error);
    if (status == ELG_OK)
        status = elg_checkpoint_open("memory:", &env, &world->store, &error);
    if (status == ELG_OK)
        status = graph_keep(world->store, &error);
    if (status != ELG_OK)
        return luaL_error(L, "%s: %s", error.where, error.text);
    (void)GRAPH_FIELDS;
    return 1;
}

/* close() -> bytes that the run and its records left allocated */
static int l_close(lua_State *L)
{
    struct world *world = check_world(L);
    run_drop(world);
    elg_checkpoint_close(world->store);
    elg_graph_data_destroy(world->graph);
    elg_base_intern_destroy(world->intern);
    elg_base_sha256_destroy(world->sha);
    world->store = NULL;
    world->graph = NULL;
    world->intern = NULL;
    world->sha = NULL;
    lua_pushnumber(L, (lua_Number)world->fault.live_bytes);
    return 1;
}

/* fail_at(n): of the run's allocations from now on the n-th and all after it fail; 0:
 * none */
static int l_fail_at(lua_State *L)
{
    struct world *world = check_world(L);
    lua_Integer n = luaL_checkinteger(L, 2);
    world->fault.fail_at = n == 0 ? 0 : world->fault.calls + (uint64_t)n;
    return 0;
}

/* start{ row } : a new run */
static int l_start(lua_State *L)
{
    struct world *world = check_world(L);
    struct elg_run_row row;
    struct elg_error error;
    memset(&row, 0, sizeof row);
    row_read(L, 2, RUN_FIELDS, &row);
    row.epoch = 1;
    enum elg_status status = elg_checkpoint_reserve(world->store, row.trace_id, &error);
    if (status == ELG_OK)
        status = elg_executor_create(&world->fault.alloc, world->sha, world->intern,
                                     world->graph, &row, true, &world->run, &error);
    elg_checkpoint_run_row_fini(&row);
    return push_status(L, status, &error);
}

/* crash(): what was not committed is gone */
static int l_crash(lua_State *L)
{
    run_drop(check_world(L));
    return 0;
}

struct recall {
    struct elg_run *run;
    struct elg_error *error;
    enum elg_status status;
};

static bool recall_row(void *self, const struct elg_step_row *step,
                       const struct elg_activity_row *activity)
{
    struct recall *recall = self;
    recall->status = elg_executor_recall(recall->run, step, activity, recall->error);
    return recall->status == ELG_OK;
}

static enum elg_status recall_all(struct world *world, struct elg_error *error)
{
    struct recall recall = {world->run, error, ELG_OK};
    int64_t from = (int64_t)world->run->row.step_count - 1;
    enum elg_status status =
        elg_checkpoint_journal(world->store, world->run->row.trace_id,
                               from < 0 ? 0 : from, -1, recall_row, &recall, error);
    if (status == ELG_OK)
        status = recall.status;
    if (status == ELG_OK)
        status = elg_executor_recalled(world->run, error);
    return status;
}

/* recall(trace): claims the run and reads its journal */
static int l_recall(lua_State *L)
{
    struct world *world = check_world(L);
    struct elg_run_row row;
    struct elg_error error;
    const char *trace_id = luaL_checkstring(L, 2);
    run_drop(world);
    memset(&row, 0, sizeof row);
    enum elg_status status = elg_checkpoint_claim(world->store, trace_id, &row, &error);
    if (status == ELG_OK)
        status = elg_executor_create(&world->fault.alloc, world->sha, world->intern,
                                     world->graph, &row, false, &world->run, &error);
    elg_checkpoint_run_row_fini(&row);
    if (status == ELG_OK)
        status = recall_all(world, &error);
    return push_status(L, status, &error);
}

/* commit() -> how many records were written; nil, status if they were refused */
static int l_commit(lua_State *L)
{
    struct world *world = check_world(L);
    struct elg_run *run = check_run(L);
    struct elg_error error;
    struct elg_turn turn;
    struct elg_run_row row;
    enum elg_status status = elg_executor_take(run, &turn, &row, &error);
    if (status != ELG_OK)
        return push_failure(L, &error);
    size_t count = turn.record_count;
    status = elg_checkpoint_commit(world->store, &turn, 1, &error);
    if (status == ELG_OK && turn.result != ELG_OK)
        status = elg_base_fail(&error, turn.result, "", "the turn was refused");
    elg_executor_turn_fini(run->alloc, &turn, &row);
    if (status != ELG_OK)
        return push_failure(L, &error);
    run->created = true;
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

static bool push_row(void *self, const struct elg_step_row *step,
                     const struct elg_activity_row *activity)
{
    lua_State *L = self;
    if (step != NULL)
        row_push(L, STEP_FIELDS, step);
    else
        row_push(L, ACTIVITY_FIELDS, activity);
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    return true;
}

/* journal(trace) -> rows in order; those of steps have node_id, those of activities seq
 */
static int l_journal(lua_State *L)
{
    struct world *world = check_world(L);
    struct elg_error error;
    const char *trace_id = luaL_checkstring(L, 2);
    lua_newtable(L);
    enum elg_status status =
        elg_checkpoint_journal(world->store, trace_id, 0, -1, push_row, L, &error);
    return status == ELG_OK ? 1 : push_failure(L, &error);
}

/* row() -> the run's row */
static int l_row(lua_State *L)
{
    row_push(L, RUN_FIELDS, &check_run(L)->row);
    return 1;
}

static void set_text(lua_State *L, const char *name, struct elg_bytes text)
{
    if (text.data == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, (const char *)text.data, text.size);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, int64_t number)
{
    lua_pushnumber(L, (lua_Number)number);
    lua_setfield(L, -2, name);
}

/* look() -> where the run stands */
static int l_look(lua_State *L)
{
    static const char *const PHASES[] = {"initial", "ready", "executing", "retry",
                                         "ended"};
    const struct elg_run *run = check_run(L);
    lua_newtable(L);
    set_text(L, "phase", elg_base_bytes(PHASES[run->phase]));
    set_text(L, "node_id", elg_base_bytes(run->node_id));
    set_text(L, "previous", elg_base_bytes(run->previous));
    set_text(L, "state", elg_base_blob_bytes(run->state));
    set_text(L, "input", elg_base_blob_bytes(run->input));
    set_number(L, "attempt", run->attempt);
    set_number(L, "clock_ms", run->clock_ms);
    set_number(L, "now_last_ms", run->now_last_ms);
    set_number(L, "call_count", run->call_count);
    lua_pushboolean(L, elg_executor_dirty(run));
    lua_setfield(L, -2, "dirty");
    lua_pushboolean(L, run->opened);
    lua_setfield(L, -2, "opened");
    return 1;
}

/* ---- events */

/* initial(state, wall_ms) */
static int l_initial(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    return push_status(
        L, elg_executor_initial(run, bytes_arg(L, 2), time_arg(L, 3), &error), &error);
}

/* adopt(state) */
static int l_adopt(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    return push_status(L, elg_executor_adopt(run, bytes_arg(L, 2), &error), &error);
}

/* begin(wall_ms) */
static int l_begin(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    return push_status(L, elg_executor_begin(run, time_arg(L, 2), &error), &error);
}

static enum elg_status call(lua_State *L, struct world *world, uint32_t *seq,
                            enum elg_call_verdict *verdict, struct elg_error *error)
{
    struct elg_run *run = world->run;
    struct elg_activity_place place = {run->row.trace_id, (int64_t)run->row.step_count,
                                       run->asked_count};
    struct elg_prepared prepared;
    enum elg_activity_kind kind;
    if (!elg_activity_kind_of(luaL_checkstring(L, 2), &kind))
        return elg_base_fail(error, ELG_USAGE, "kind", "no such call");
    enum elg_status status =
        elg_activity_prepare(elg_base_alloc_default(), world->sha, kind, bytes_arg(L, 3),
                             &place, &prepared, error);
    if (status != ELG_OK)
        return status;
    status = elg_executor_call(run, &prepared, "graph.lua:1", time_arg(L, 4), seq,
                               verdict, error);
    elg_activity_prepared_fini(&prepared);
    return status;
}

/* call(kind, request, wall_ms) -> seq, "replay" | "perform" | "unknown", response or nil
 */
static int l_call(lua_State *L)
{
    static const char *const VERDICTS[] = {"replay", "perform", "unknown"};
    struct world *world = check_world(L);
    struct elg_run *run = check_run(L);
    struct elg_error error;
    uint32_t seq;
    enum elg_call_verdict verdict;
    if (call(L, world, &seq, &verdict, &error) != ELG_OK)
        return push_failure(L, &error);
    struct elg_bytes response = elg_base_blob_bytes(run->calls[seq].row.response);
    lua_pushinteger(L, (lua_Integer)seq);
    lua_pushstring(L, VERDICTS[verdict]);
    if (response.data == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, (const char *)response.data, response.size);
    return 3;
}

/* open() */
static int l_open(lua_State *L)
{
    struct elg_error error;
    return push_status(L, elg_executor_open(check_run(L), &error), &error);
}

/* intent(seq, due_ms) */
static int l_intent(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    uint32_t seq = (uint32_t)luaL_checkinteger(L, 2);
    return push_status(L, elg_executor_intent(run, seq, time_arg(L, 3), &error), &error);
}

/* result(seq, status, response, wall_ms) */
static int l_result(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    enum elg_activity_status status;
    uint32_t seq = (uint32_t)luaL_checkinteger(L, 2);
    luaL_argcheck(L, elg_checkpoint_activity_parse(bytes_arg(L, 3), &status), 3,
                  "status");
    return push_status(L,
                       elg_executor_result(run, seq, status, bytes_arg(L, 4), NULL,
                                           time_arg(L, 5), &error),
                       &error);
}

/* settle(seq of the unknown call, response) */
static int l_settle(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    struct elg_hash hash = run->calls[luaL_checkinteger(L, 2)].row.request_hash;
    return push_status(L, elg_executor_settle(run, &hash, bytes_arg(L, 3), &error),
                       &error);
}

/* done{ state, output, key, edge, where, fuel, wall_ms } */
static int l_done(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    struct elg_attempt_result result = {
        .state = bytes_field(L, 2, "state", "{}"),
        .output = bytes_field(L, 2, "output", "null"),
        .metadata = bytes_field(L, 2, "metadata", NULL),
        .key = text_field(L, 2, "key"),
        .edge = (int32_t)number_field(L, 2, "edge", -1),
        .where = text_field(L, 2, "where"),
        .fuel = (uint64_t)number_field(L, 2, "fuel", 1),
        .fingerprint = "spec/1",
        .wall_ms = (int64_t)number_field(L, 2, "wall_ms", 0),
        .duration_us = 5,
    };
    return push_status(L, elg_executor_done(run, &result, &error), &error);
}

static struct elg_attempt_failure failure_at(lua_State *L, int index)
{
    struct elg_attempt_failure failure = {
        .status = ELG_ATTEMPT_ERROR,
        .code = text_field(L, index, "code"),
        .message = text_field(L, index, "message"),
        .where = text_field(L, index, "where"),
        .retry = bool_field(L, index, "retry"),
        .stop_kind = text_field(L, index, "stop_kind"),
        .fuel = (uint64_t)number_field(L, index, "fuel", 1),
        .fingerprint = "spec/1",
        .wall_ms = (int64_t)number_field(L, index, "wall_ms", 0),
    };
    const char *status = text_field(L, index, "status");
    if (status != NULL &&
        !elg_checkpoint_attempt_parse(elg_base_bytes(status), &failure.status))
        luaL_error(L, "no attempt's status: %s", status);
    return failure;
}

/* failed{ status, code, message, retry, stop_kind, fuel, wall_ms } */
static int l_failed(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    struct elg_attempt_failure failure = failure_at(L, 2);
    return push_status(L, elg_executor_failed(run, &failure, &error), &error);
}

/* stop(run status, failure as failed) */
static int l_stop(lua_State *L)
{
    struct elg_error error;
    struct elg_run *run = check_run(L);
    enum elg_run_status status;
    luaL_argcheck(L, elg_checkpoint_status_parse(bytes_arg(L, 2), &status), 2, "status");
    struct elg_attempt_failure failure = failure_at(L, 3);
    return push_status(L, elg_executor_stop(run, status, &failure, &error), &error);
}

/* waiting(is_waiting, due_ms) */
static int l_waiting(lua_State *L)
{
    elg_executor_waiting(check_run(L), lua_toboolean(L, 2), time_arg(L, 3), INT64_MAX);
    return 0;
}

int luaopen_executor_c(lua_State *L)
{
    static const luaL_Reg METHODS[] = {
        {"close", l_close},     {"fail_at", l_fail_at}, {"start", l_start},
        {"crash", l_crash},     {"recall", l_recall},   {"commit", l_commit},
        {"journal", l_journal}, {"row", l_row},         {"look", l_look},
        {"initial", l_initial}, {"adopt", l_adopt},     {"begin", l_begin},
        {"call", l_call},       {"open", l_open},       {"intent", l_intent},
        {"result", l_result},   {"settle", l_settle},   {"done", l_done},
        {"failed", l_failed},   {"stop", l_stop},       {"waiting", l_waiting},
        {"__gc", l_close},      {NULL, NULL},
    };
    static const luaL_Reg FUNCTIONS[] = {{"create", l_create}, {NULL, NULL}};
    luaL_newmetatable(L, WORLD);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, METHODS);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
