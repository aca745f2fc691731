/* checkpoint_work: of checkpoint_c, what is about runs that anyone may take up. Included
 * there once, behind store_of, done and failed. */
#ifndef SPEC_CHECKPOINT_WORK_H
#define SPEC_CHECKPOINT_WORK_H

/* store:hand_back(trace_id, tell) */
static int l_hand_back(lua_State *L)
{
    elg_checkpoint_hand_back(store_of(L), luaL_checkstring(L, 2), lua_toboolean(L, 3));
    return 0;
}

#define PASSED_MAX 64

/* store:pass_over(list of trace ids or nil, jailed). One store of the process at a time.
 */
static int l_pass_over(lua_State *L)
{
    static char texts[PASSED_MAX][ELG_TRACE_BYTES_MAX + 1];
    static const char *ids[PASSED_MAX];
    static struct elg_pass_over what;
    what = (struct elg_pass_over){.jailed = lua_toboolean(L, 3), .trace_ids = ids};
    while (lua_istable(L, 2) && what.count < lua_objlen(L, 2)) {
        luaL_argcheck(L, what.count < PASSED_MAX, 2, "too many");
        lua_rawgeti(L, 2, (int)what.count + 1);
        snprintf(texts[what.count], sizeof texts[0], "%s", luaL_checkstring(L, -1));
        ids[what.count] = texts[what.count];
        what.count++;
        lua_pop(L, 1);
    }
    elg_checkpoint_pass_over(store_of(L), &what);
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
        {"work_due", l_work_due},                                                        \
    {                                                                                    \
        "lease_lapses", l_lease_lapses                                                   \
    }

#endif
