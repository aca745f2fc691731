/* checkpoint_work: of checkpoint_c, what is about runs that anyone may take up. Included
 * there once, behind store_of, done, failed and run_result. */
#ifndef SPEC_CHECKPOINT_WORK_H
#define SPEC_CHECKPOINT_WORK_H

/* store:hand_back(trace_id, tell) */
static int l_hand_back(lua_State *L)
{
    elg_checkpoint_hand_back(store_of(L), luaL_checkstring(L, 2), lua_toboolean(L, 3));
    return 0;
}

/* Strings of a list, which live in it. */
static size_t texts_read(lua_State *L, int index, const char **out, size_t max)
{
    size_t count = lua_istable(L, index) ? lua_objlen(L, index) : 0;
    luaL_argcheck(L, count <= max, index, "too many");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        out[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    return count;
}

static int rows_result(lua_State *L, enum elg_status status, struct elg_run_row *rows,
                       size_t count, const struct elg_error *error)
{
    if (status != ELG_OK)
        return failed(L, status, error);
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        row_push(L, RUN_FIELDS, &rows[i]);
        elg_checkpoint_run_row_fini(&rows[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

#define MANY_MAX (ELG_CLAIM_BATCH_RUNS_MAX + 1)

#define PASSED_MAX 64

/* The arguments from `index` on: a list of graph ids or nil, a list of traces to pass
 * over or nil, whether those of a jail are. */
static enum elg_status claim_many(lua_State *L, int index, struct elg_run_row *rows,
                                  size_t max, size_t *count, struct elg_error *error)
{
    const char *graphs[MANY_MAX], *traces[PASSED_MAX];
    size_t graph_count = texts_read(L, index, graphs, MANY_MAX);
    struct elg_pass_over passed = {lua_toboolean(L, index + 2), traces,
                                   texts_read(L, index + 1, traces, PASSED_MAX), NULL,
                                   NULL};
    return elg_checkpoint_claim_many(
        store_of(L), lua_istable(L, index) ? graphs : NULL, graph_count,
        passed.jailed || passed.count > 0 ? &passed : NULL, rows, max, count, error);
}

/* store:claim_many(max, graph ids, traces to pass over, jailed) -> rows */
static int l_claim_many(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    static struct elg_run_row rows[MANY_MAX];
    size_t count;
    enum elg_status status =
        claim_many(L, 3, rows, (size_t)luaL_checkint(L, 2), &count, &error);
    return rows_result(L, status, rows, count, &error);
}

/* store:claim_next(graph ids, traces to pass over, jailed) -> one row */
static int l_claim_next(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    struct elg_run_row row;
    size_t count;
    enum elg_status status = claim_many(L, 2, &row, 1, &count, &error);
    return run_result(L, status, &row, &error);
}

/* store:claim_named(list of traces) -> rows of those that were claimed */
static int l_claim_named(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    static struct elg_run_row rows[MANY_MAX];
    const char *traces[MANY_MAX];
    size_t count, trace_count = texts_read(L, 2, traces, MANY_MAX);
    enum elg_status status = elg_checkpoint_claim_named(store_of(L), traces, trace_count,
                                                        rows, &count, &error);
    return rows_result(L, status, rows, count, &error);
}

#define BACKS_MAX (4 * ELG_CLAIM_BATCH_RUNS_MAX)

/* store:hand_back_many(list of traces) */
static int l_hand_back_many(lua_State *L)
{
    const char *traces[BACKS_MAX];
    size_t count = texts_read(L, 2, traces, BACKS_MAX);
    elg_checkpoint_hand_back_many(store_of(L), traces, count);
    return 0;
}

/* store:work_poll() -> whether there may be work */
static int l_work_poll(lua_State *L)
{
    lua_pushboolean(L, elg_checkpoint_work_poll(store_of(L)));
    return 1;
}

/* store:work_fd() */
static int l_work_fd(lua_State *L)
{
    lua_pushinteger(L, elg_checkpoint_work_fd(store_of(L)));
    return 1;
}

/* store:work_due() -> milliseconds since 1970; math.huge: no run waits for a time */
static int l_work_due(lua_State *L)
{
    struct elg_error error = {ELG_OK, "", ""};
    int64_t due_ms = 0;
    enum elg_status status = elg_checkpoint_work_due(store_of(L), &due_ms, &error);
    if (status != ELG_OK)
        return failed(L, status, &error);
    lua_pushnumber(L, due_ms == INT64_MAX ? HUGE_VAL : (lua_Number)due_ms);
    return 1;
}

/* store:lease_lapses() */
static int l_lease_lapses(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)elg_checkpoint_lease_lapses(store_of(L)));
    return 1;
}

#define WORK_METHODS                                                                     \
    {"hand_back", l_hand_back}, {"work_poll", l_work_poll}, {"work_fd", l_work_fd},      \
        {"work_due", l_work_due}, {"claim_many", l_claim_many},                          \
        {"claim_named", l_claim_named}, {"hand_back_many", l_hand_back_many},            \
    {                                                                                    \
        "lease_lapses", l_lease_lapses                                                   \
    }

#endif
