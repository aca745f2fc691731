/* checkpoint_turns: turns of the store from Lua tables, for spec modules.
 *
 * Provides record_read, turn_read and turns_free. Uses checkpoint_rows.h.
 */
#ifndef ELG_SPEC_CHECKPOINT_TURNS_H
#define ELG_SPEC_CHECKPOINT_TURNS_H

#include "checkpoint_rows.h"

#include <stdlib.h>

static void record_read(lua_State *L, struct elg_record *record)
{
    lua_getfield(L, -1, "seq");
    record->kind = lua_isnil(L, -1) ? ELG_RECORD_STEP : ELG_RECORD_ACTIVITY;
    lua_pop(L, 1);
    if (record->kind == ELG_RECORD_STEP)
        row_read(L, lua_gettop(L), STEP_FIELDS, &record->row.step);
    else
        row_read(L, lua_gettop(L), ACTIVITY_FIELDS, &record->row.activity);
}

/* "uses" of the turn's table, which is on the top: { signal_no, step_index, attempt, seq
 * } each. */
static void uses_read(lua_State *L, struct elg_turn *turn)
{
    lua_getfield(L, -1, "uses");
    turn->use_count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    struct elg_signal_use *uses = calloc(turn->use_count + 1, sizeof *uses);
    for (size_t i = 0; i < turn->use_count; i++) {
        int64_t numbers[4];
        lua_rawgeti(L, -1, (int)i + 1);
        for (int k = 0; k < 4; k++) {
            lua_rawgeti(L, -1, k + 1);
            numbers[k] = (int64_t)lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
        uses[i] = (struct elg_signal_use){numbers[0], numbers[1], (uint32_t)numbers[2],
                                          (uint32_t)numbers[3]};
        lua_pop(L, 1);
    }
    turn->uses = uses;
    lua_pop(L, 1);
}

/* "children" of the turn's table, which is on the top: rows of runs. */
static void children_read(lua_State *L, struct elg_turn *turn)
{
    lua_getfield(L, -1, "children");
    turn->child_count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    struct elg_run_row *children = calloc(turn->child_count + 1, sizeof *children);
    for (size_t i = 0; i < turn->child_count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        row_read(L, lua_gettop(L), RUN_FIELDS, &children[i]);
        lua_pop(L, 1);
    }
    turn->children = children;
    lua_pop(L, 1);
}

/* The turn's table is on the top. */
static void turn_read(lua_State *L, struct elg_turn *turn, struct elg_run_row *run)
{
    lua_getfield(L, -1, "create");
    turn->create = lua_toboolean(L, -1);
    lua_getfield(L, -2, "before");
    turn->step_count_before = (uint64_t)lua_tonumber(L, -1);
    lua_getfield(L, -3, "run");
    row_read(L, lua_gettop(L), RUN_FIELDS, run);
    lua_getfield(L, -1, "quota");
    if (lua_istable(L, -1))
        row_read(L, lua_gettop(L), QUOTA_FIELDS, &run->quota);
    lua_pop(L, 1);
    turn->run = run;
    lua_getfield(L, -4, "records");
    turn->record_count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    struct elg_record *records = calloc(turn->record_count + 1, sizeof *records);
    for (size_t i = 0; i < turn->record_count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        record_read(L, &records[i]);
        lua_pop(L, 1);
    }
    turn->records = records;
    lua_pop(L, 4);
    lua_getfield(L, -1, "seen");
    run->signals_seen = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    uses_read(L, turn);
    children_read(L, turn);
}

static void turns_free(struct elg_turn *turns, struct elg_run_row *runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct elg_record *records = (struct elg_record *)turns[i].records;
        for (size_t k = 0; k < turns[i].record_count; k++) {
            if (records[k].kind == ELG_RECORD_STEP)
                elg_checkpoint_step_row_fini(&records[k].row.step);
            else
                elg_checkpoint_activity_row_fini(&records[k].row.activity);
        }
        free(records);
        free((void *)turns[i].uses);
        for (size_t k = 0; k < turns[i].child_count; k++)
            elg_checkpoint_run_row_fini((struct elg_run_row *)&turns[i].children[k]);
        free((void *)turns[i].children);
        elg_checkpoint_run_row_fini(&runs[i]);
    }
    free(turns);
    free(runs);
}

#endif
