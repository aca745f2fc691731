/* checkpoint_c: the store for specs. Uses src/checkpoint through its public header.
 *
 * Rows are Lua tables with the names of the structs' fields, hashes as hex, blobs as
 * strings, statuses as their names. Failures are nil, { status, where, text }. The
 * allocator and the clock can be told what to do.
 */
#include "checkpoint_signals.h"
#include "checkpoint_turns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int luaopen_checkpoint_c(lua_State *L);

/* ---- an allocator and a clock that obey */

static long alloc_left = -1; /* calls that go well before all fail; -1: no end */
static long alloc_calls;
static long alloc_live;

static bool alloc_take(void)
{
    alloc_calls++;
    if (alloc_left == 0)
        return false;
    if (alloc_left > 0)
        alloc_left--;
    return true;
}

static void *spec_resize(void *self, void *p, size_t old_size, size_t new_size)
{
    (void)self;
    (void)old_size;
    if (new_size == 0) {
        alloc_live -= p != NULL;
        free(p);
        return NULL;
    }
    if (!alloc_take())
        return NULL;
    void *q = realloc(p, new_size);
    alloc_live += p == NULL && q != NULL;
    return q;
}
static const struct elg_alloc SPEC_ALLOC = {spec_resize, NULL};

static int64_t clock_fixed_ms; /* 0: the system's */

static int64_t spec_wall_ms(void *self)
{
    (void)self;
    return clock_fixed_ms ? clock_fixed_ms : elg_base_wall_ms(elg_base_clock_system());
}
static int64_t spec_monotonic_us(void *self)
{
    (void)self;
    return elg_base_monotonic_us(elg_base_clock_system());
}
static const struct elg_clock_ops SPEC_CLOCK = {1, spec_wall_ms, spec_monotonic_us};

/* ---- stores */

static int done(lua_State *L, enum elg_status status, const struct elg_error *error)
{
    if (status != ELG_OK)
        return failed(L, status, error);
    lua_pushboolean(L, true);
    return 1;
}

static int run_result(lua_State *L, enum elg_status status, struct elg_run_row *row,
                      const struct elg_error *error)
{
    if (status != ELG_OK)
        return failed(L, status, error);
    row_push(L, RUN_FIELDS, row);
    elg_checkpoint_run_row_fini(row);
    return 1;
}

#include "checkpoint_work.h"

static int l_open(lua_State *L)
{
    const char *url = luaL_checkstring(L, 1);
    struct elg_checkpoint_env env = {.alloc = &SPEC_ALLOC,
                                     .clock = {&SPEC_CLOCK, NULL},
                                     .random = elg_base_random_system(),
                                     .owner = luaL_optstring(L, 2, "a spec"),
                                     .read_only = lua_toboolean(L, 3),
                                     .dates_by_clock = true};
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_store **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, STORE_TYPE);
    lua_setmetatable(L, -2);
    enum elg_status status = elg_checkpoint_open(url, &env, box, &error);
    if (status != ELG_OK)
        return failed(L, status, &error);
    return 1;
}

static int l_close(lua_State *L)
{
    struct elg_store **box = luaL_checkudata(L, 1, STORE_TYPE);
    elg_checkpoint_close(*box);
    *box = NULL;
    return 0;
}

static int l_artifacts(lua_State *L)
{
    lua_pushstring(L, elg_checkpoint_artifacts(store_of(L)));
    return 1;
}

static int l_graph_put(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_graph_row row;
    memset(&row, 0, sizeof row);
    row_read(L, 2, GRAPH_FIELDS, &row);
    enum elg_status status = elg_checkpoint_graph_put(store, &row, &error);
    elg_checkpoint_graph_row_fini(&row);
    return done(L, status, &error);
}

static int l_graph_get(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_graph_row row;
    struct elg_hash hash;
    luaL_argcheck(L, elg_base_hash_parse(string_at(L, 2), &hash), 2, "not a hash");
    enum elg_status status = elg_checkpoint_graph_get(store, &hash, &row, &error);
    if (status != ELG_OK)
        return failed(L, status, &error);
    row_push(L, GRAPH_FIELDS, &row);
    elg_checkpoint_graph_row_fini(&row);
    return 1;
}

static int l_reserve(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    return done(L, elg_checkpoint_reserve(store_of(L), luaL_checkstring(L, 2), &error),
                &error);
}

static int l_reserve_new(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    return done(L,
                elg_checkpoint_reserve_new(store_of(L), luaL_checkstring(L, 2), &error),
                &error);
}

static int l_release(lua_State *L)
{
    elg_checkpoint_release(store_of(L), luaL_checkstring(L, 2));
    return 0;
}

static int l_claim(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_run_row row;
    enum elg_status status =
        elg_checkpoint_claim(store_of(L), luaL_checkstring(L, 2), &row, &error);
    return run_result(L, status, &row, &error);
}

/* store:lease_left_us(): microseconds; math.huge where there is no lease */
static int l_lease_left_us(lua_State *L)
{
    int64_t until_us = elg_checkpoint_lease_until_us(store_of(L));
    lua_pushnumber(L, until_us == INT64_MAX
                          ? HUGE_VAL
                          : (lua_Number)(until_us - spec_monotonic_us(NULL)));
    return 1;
}

static int l_wall_ms(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)elg_checkpoint_wall_ms(store_of(L)));
    return 1;
}

static int l_run_get(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_run_row row;
    enum elg_status status =
        elg_checkpoint_run_get(store_of(L), luaL_checkstring(L, 2), &row, &error);
    return run_result(L, status, &row, &error);
}

/* store:commit{ { create, before, run, records }, ... } -> { result, ... } */
typedef enum elg_status (*turns_fn)(struct elg_store *store, struct elg_turn *turns,
                                    size_t turn_count, struct elg_error *error);

static int turns_call(lua_State *L, turns_fn call)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    size_t count = lua_objlen(L, 2);
    struct elg_turn *turns = calloc(count + 1, sizeof *turns);
    struct elg_run_row *runs = calloc(count + 1, sizeof *runs);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        turn_read(L, &turns[i], &runs[i]);
        lua_pop(L, 1);
    }
    enum elg_status status = call(store, turns, count, &error);
    if (status == ELG_OK) {
        lua_newtable(L);
        for (size_t i = 0; i < count; i++) {
            lua_pushstring(L, elg_status_name(turns[i].result));
            lua_rawseti(L, -2, (int)i + 1);
        }
    }
    turns_free(turns, runs, count);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

static int l_commit(lua_State *L)
{
    return turns_call(L, elg_checkpoint_commit);
}

/* store:reopen(list of turns) -> their results */
static int l_reopen(lua_State *L)
{
    return turns_call(L, elg_checkpoint_reopen_many);
}

/* ---- reading; rows are appended to the table on the top */

static bool run_append(void *self, const struct elg_run_row *row)
{
    row_push(((struct rows *)self)->L, RUN_FIELDS, row);
    return rows_wanted(self);
}

static bool journal_append(void *self, const struct elg_step_row *step,
                           const struct elg_activity_row *activity)
{
    if (step != NULL)
        row_push(((struct rows *)self)->L, STEP_FIELDS, step);
    else
        row_push(((struct rows *)self)->L, ACTIVITY_FIELDS, activity);
    return rows_wanted(self);
}

/* store:run_list(status or nil, unfinished, rows_max) */
static int l_run_list(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_run_filter filter = {.any_status = lua_isnoneornil(L, 2),
                                    .unfinished = lua_toboolean(L, 3)};
    if (!filter.any_status)
        elg_checkpoint_status_parse(string_at(L, 2), &filter.status);
    struct rows rows = {L, luaL_optint(L, 4, -1)};
    lua_newtable(L);
    enum elg_status status =
        elg_checkpoint_run_list(store, &filter, run_append, &rows, &error);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

/* store:journal(trace_id, from, to, rows_max) */
static int l_journal(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    const char *trace_id = luaL_checkstring(L, 2);
    int64_t from = luaL_optint(L, 3, 0), to = luaL_optint(L, 4, -1);
    struct rows rows = {L, luaL_optint(L, 5, -1)};
    lua_newtable(L);
    enum elg_status status =
        elg_checkpoint_journal(store, trace_id, from, to, journal_append, &rows, &error);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

static int l_abort_request(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    return done(L,
                elg_checkpoint_abort_request(store_of(L), luaL_checkstring(L, 2), &error),
                &error);
}

static int l_abort_poll(lua_State *L)
{
    struct elg_store *store = store_of(L);
    struct elg_error error = {ELG_OK, "", ""};
    struct rows rows = {L, -1};
    lua_newtable(L);
    enum elg_status status = elg_checkpoint_abort_poll(store, run_append, &rows, &error);
    return status == ELG_OK ? 1 : failed(L, status, &error);
}

static enum elg_status status_named(const char *name)
{
    for (int i = 0; i <= ELG_INTERNAL; i++) {
        if (strcmp(elg_status_name((enum elg_status)i), name) == 0)
            return (enum elg_status)i;
    }
    return ELG_INTERNAL;
}

/* store:fault(op, skip, count, status, delay_us); op nil: none */
static int l_fault(lua_State *L)
{
    elg_checkpoint_fault(store_of(L), luaL_optstring(L, 2, NULL),
                         (uint32_t)luaL_optint(L, 3, 0), (uint32_t)luaL_optint(L, 4, 1),
                         status_named(luaL_optstring(L, 5, "ELG_IO")),
                         (uint32_t)luaL_optint(L, 6, 0));
    return 0;
}

/* ---- chain */

static int hash_push(lua_State *L, const struct elg_hash *hash)
{
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(hash, hex);
    lua_pushstring(L, hex);
    return 1;
}

/* digest(row): of a step's or an activity's row */
static int l_digest(lua_State *L)
{
    struct elg_record record;
    struct elg_hash hash;
    struct elg_sha256 *sha = elg_base_sha256_create(elg_base_alloc_default());
    memset(&record, 0, sizeof record);
    lua_settop(L, 1);
    record_read(L, &record);
    if (record.kind == ELG_RECORD_STEP) {
        elg_checkpoint_step_digest(sha, &record.row.step, &hash);
        elg_checkpoint_step_row_fini(&record.row.step);
    } else {
        elg_checkpoint_activity_digest(sha, &record.row.activity, &hash);
        elg_checkpoint_activity_row_fini(&record.row.activity);
    }
    elg_base_sha256_destroy(sha);
    return hash_push(L, &hash);
}

static int l_chain_begin(lua_State *L)
{
    struct elg_run_row run;
    struct elg_hash hash;
    struct elg_sha256 *sha = elg_base_sha256_create(elg_base_alloc_default());
    memset(&run, 0, sizeof run);
    row_read(L, 1, RUN_FIELDS, &run);
    elg_checkpoint_chain_begin(sha, &run, &hash);
    elg_checkpoint_run_row_fini(&run);
    elg_base_sha256_destroy(sha);
    return hash_push(L, &hash);
}

#define DIGESTS_MAX 64
/* chain_next(before, digest, ...) */
static int l_chain_next(lua_State *L)
{
    struct elg_hash before, digests[DIGESTS_MAX], hash;
    int count = lua_gettop(L) - 1;
    luaL_argcheck(L, elg_base_hash_parse(string_at(L, 1), &before), 1, "not a hash");
    luaL_argcheck(L, count <= DIGESTS_MAX, 2, "too many");
    for (int i = 0; i < count; i++)
        luaL_argcheck(L, elg_base_hash_parse(string_at(L, i + 2), &digests[i]), i + 2,
                      "not a hash");
    struct elg_sha256 *sha = elg_base_sha256_create(elg_base_alloc_default());
    elg_checkpoint_chain_next(sha, &before, digests, (size_t)count, &hash);
    elg_base_sha256_destroy(sha);
    return hash_push(L, &hash);
}

/* ---- the world */

/* alloc_fail(n): the store's n-th allocation from now and all later ones fail; -1: none
 */
static int l_alloc_fail(lua_State *L)
{
    alloc_left = luaL_checkint(L, 1);
    alloc_calls = 0;
    return 0;
}

static int l_alloc_counts(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)alloc_calls);
    lua_pushnumber(L, (lua_Number)alloc_live);
    return 2;
}

static int l_clock(lua_State *L)
{
    clock_fixed_ms = (int64_t)luaL_optnumber(L, 1, 0);
    return 0;
}

static int l_monotonic_us(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)spec_monotonic_us(NULL));
    return 1;
}

static const luaL_Reg METHODS[] = {{"close", l_close},
                                   {"artifacts", l_artifacts},
                                   {"graph_put", l_graph_put},
                                   {"graph_get", l_graph_get},
                                   {"reserve", l_reserve},
                                   {"reserve_new", l_reserve_new},
                                   {"release", l_release},
                                   {"claim", l_claim},
                                   {"claim_next", l_claim_next},
                                   {"lease_left_us", l_lease_left_us},
                                   WORK_METHODS,
                                   {"wall_ms", l_wall_ms},
                                   {"commit", l_commit},
                                   {"reopen", l_reopen},
                                   {"run_get", l_run_get},
                                   {"run_list", l_run_list},
                                   {"journal", l_journal},
                                   {"abort_request", l_abort_request},
                                   {"abort_poll", l_abort_poll},
                                   {"signal_put", l_signal_put},
                                   {"signals", l_signals},
                                   {"signal_poll", l_signal_poll},
                                   {"children", l_children},
                                   {"children_failed", l_children_failed},
                                   {"fault", l_fault},
                                   {NULL, NULL}};

static const luaL_Reg FUNCTIONS[] = {{"open", l_open},
                                     {"digest", l_digest},
                                     {"chain_begin", l_chain_begin},
                                     {"chain_next", l_chain_next},
                                     {"alloc_fail", l_alloc_fail},
                                     {"alloc_counts", l_alloc_counts},
                                     {"clock", l_clock},
                                     {"monotonic_us", l_monotonic_us},
                                     {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_checkpoint_c(lua_State *L)
{
    luaL_newmetatable(L, STORE_TYPE);
    lua_newtable(L);
    luaL_register(L, NULL, METHODS);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
