/* checkpoint_rows: rows of the store as Lua tables, for spec modules.
 *
 * Provides row_read and row_push over tables of fields. Uses src/checkpoint's header.
 */
#ifndef ELG_SPEC_CHECKPOINT_ROWS_H
#define ELG_SPEC_CHECKPOINT_ROWS_H

#include "checkpoint/checkpoint.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

/* ---- fields of structs as fields of tables */

enum kind { TEXT, HASH, BLOB, I64, U64, U32, BOOL, POINTER, RUN, ATTEMPT, ACTIVITY };

struct field {
    const char *name;
    enum kind kind;
    size_t offset, size;
};
#define FIELD(type, kind, name)                                                          \
    {                                                                                    \
#name, kind, offsetof(struct type, name), sizeof(((struct type *)0)->name)       \
    }

/* clang-format off */
static const struct field GRAPH_FIELDS[] = {
    FIELD(elg_graph_row, HASH, hash), FIELD(elg_graph_row, TEXT, id),
    FIELD(elg_graph_row, TEXT, version), FIELD(elg_graph_row, BLOB, definition),
    {0}};
static const struct field RUN_FIELDS[] = {
    FIELD(elg_run_row, TEXT, trace_id), FIELD(elg_run_row, TEXT, graph_id),
    FIELD(elg_run_row, TEXT, graph_version), FIELD(elg_run_row, HASH, graph_hash),
    FIELD(elg_run_row, RUN, status), FIELD(elg_run_row, BLOB, input),
    FIELD(elg_run_row, BLOB, initial_state), FIELD(elg_run_row, BLOB, limits),
    FIELD(elg_run_row, BLOB, error), FIELD(elg_run_row, TEXT, seed),
    FIELD(elg_run_row, U64, step_count), FIELD(elg_run_row, HASH, chain),
    FIELD(elg_run_row, I64, due_ms), FIELD(elg_run_row, U64, epoch),
    FIELD(elg_run_row, U32, claims), FIELD(elg_run_row, BOOL, abort_requested),
    FIELD(elg_run_row, I64, started_at_ms), FIELD(elg_run_row, I64, completed_at_ms),
    FIELD(elg_run_row, I64, created_at_ms), FIELD(elg_run_row, I64, updated_at_ms),
    FIELD(elg_run_row, TEXT, parent_trace_id), FIELD(elg_run_row, I64, parent_step),
    FIELD(elg_run_row, U32, parent_seq), FIELD(elg_run_row, U32, depth),
    FIELD(elg_run_row, BOOL, has_children), {0}};
/* Of turns that create; what is read has none. */
__attribute__((unused)) static const struct field QUOTA_FIELDS[] = {
    FIELD(elg_run_quota, U32, priority), FIELD(elg_run_quota, U32, running_max),
    FIELD(elg_run_quota, U32, key_running_max), FIELD(elg_run_quota, U32, rate_count),
    FIELD(elg_run_quota, U32, rate_ms), FIELD(elg_run_quota, TEXT, key), {0}};
__attribute__((unused)) static const struct field SIGNAL_FIELDS[] = {
    FIELD(elg_signal_row, I64, signal_no), FIELD(elg_signal_row, TEXT, name),
    FIELD(elg_signal_row, TEXT, key), FIELD(elg_signal_row, BLOB, payload),
    FIELD(elg_signal_row, HASH, payload_hash), {0}};
static const struct field STEP_FIELDS[] = {
    FIELD(elg_step_row, I64, step_index), FIELD(elg_step_row, U32, attempt),
    FIELD(elg_step_row, TEXT, node_id), FIELD(elg_step_row, ATTEMPT, status),
    FIELD(elg_step_row, HASH, input_hash), FIELD(elg_step_row, HASH, state_hash),
    FIELD(elg_step_row, HASH, output_hash), FIELD(elg_step_row, BOOL, has_edge),
    FIELD(elg_step_row, TEXT, next_edge), FIELD(elg_step_row, TEXT, next_node),
    FIELD(elg_step_row, BLOB, state), FIELD(elg_step_row, BLOB, output),
    FIELD(elg_step_row, BLOB, metadata), FIELD(elg_step_row, BLOB, error),
    FIELD(elg_step_row, BLOB, stop), FIELD(elg_step_row, U64, fuel),
    FIELD(elg_step_row, U32, activity_count), FIELD(elg_step_row, I64, clock_ms),
    FIELD(elg_step_row, I64, retry_due_ms), FIELD(elg_step_row, I64, started_at_ms),
    FIELD(elg_step_row, I64, completed_at_ms), FIELD(elg_step_row, I64, duration_us),
    FIELD(elg_step_row, POINTER, fingerprint), FIELD(elg_step_row, HASH, digest),
    FIELD(elg_step_row, BOOL, has_chain), FIELD(elg_step_row, HASH, chain),
    {0}};
static const struct field ACTIVITY_FIELDS[] = {
    FIELD(elg_activity_row, I64, step_index), FIELD(elg_activity_row, U32, attempt),
    FIELD(elg_activity_row, U32, seq), FIELD(elg_activity_row, ACTIVITY, status),
    FIELD(elg_activity_row, TEXT, type), FIELD(elg_activity_row, HASH, request_hash),
    FIELD(elg_activity_row, HASH, key), FIELD(elg_activity_row, BLOB, request),
    FIELD(elg_activity_row, BLOB, response),
    FIELD(elg_activity_row, TEXT, response_blob_ref),
    FIELD(elg_activity_row, I64, due_ms), FIELD(elg_activity_row, I64, timestamp_ms),
    FIELD(elg_activity_row, POINTER, where), FIELD(elg_activity_row, HASH, digest),
    {0}};
/* clang-format on */

static struct elg_bytes string_at(lua_State *L, int index)
{
    struct elg_bytes bytes;
    bytes.data = (const uint8_t *)lua_tolstring(L, index, &bytes.size);
    return bytes;
}

/* Blobs of the specs' own rows do not count as the store's allocations. */
static void field_status_read(lua_State *L, const struct field *field, void *at)
{
    struct elg_bytes name = string_at(L, -1);
    bool known = field->kind == RUN       ? elg_checkpoint_status_parse(name, at)
                 : field->kind == ATTEMPT ? elg_checkpoint_attempt_parse(name, at)
                                          : elg_checkpoint_activity_parse(name, at);
    if (!known)
        luaL_error(L, "%s: no such status", field->name);
}

static void field_read(lua_State *L, const struct field *field, void *at)
{
    struct elg_bytes text;
    switch (field->kind) {
    case TEXT:
        text = string_at(L, -1);
        if (text.size >= field->size)
            luaL_error(L, "%s: too long", field->name);
        memcpy(at, text.data, text.size + 1);
        break;
    case HASH:
        if (!elg_base_hash_parse(string_at(L, -1), at))
            luaL_error(L, "%s: not a hash", field->name);
        break;
    case BLOB:
        *(struct elg_blob **)at =
            elg_base_blob_create(elg_base_alloc_default(), string_at(L, -1));
        break;
    case I64:
    case U64:
        *(int64_t *)at = (int64_t)lua_tonumber(L, -1);
        break;
    case U32:
        *(uint32_t *)at = (uint32_t)lua_tonumber(L, -1);
        break;
    case BOOL:
        *(bool *)at = lua_toboolean(L, -1);
        break;
    case POINTER: /* lives as long as the table that holds it */
        *(const char **)at = lua_tostring(L, -1);
        break;
    default:
        field_status_read(L, field, at);
    }
}

static void row_read(lua_State *L, int index, const struct field *fields, void *row)
{
    for (const struct field *field = fields; field->name != NULL; field++) {
        lua_getfield(L, index, field->name);
        if (!lua_isnil(L, -1))
            field_read(L, field, (char *)row + field->offset);
        lua_pop(L, 1);
    }
}

static void field_push(lua_State *L, const struct field *field, const void *at)
{
    static const struct elg_hash NONE;
    char hex[ELG_HASH_HEX_SIZE];
    struct elg_bytes bytes;
    switch (field->kind) {
    case TEXT:
        lua_pushstring(L, at);
        break;
    case HASH:
        elg_base_hash_hex(at, hex);
        if (elg_base_hash_equal(at, &NONE))
            lua_pushnil(L);
        else
            lua_pushstring(L, hex);
        break;
    case BLOB:
        bytes = elg_base_blob_bytes(*(struct elg_blob *const *)at);
        if (bytes.data == NULL)
            lua_pushnil(L);
        else
            lua_pushlstring(L, (const char *)bytes.data, bytes.size);
        break;
    case I64:
    case U64:
        lua_pushnumber(L, (lua_Number) * (const int64_t *)at);
        break;
    case U32:
        lua_pushnumber(L, *(const uint32_t *)at);
        break;
    case BOOL:
        lua_pushboolean(L, *(const bool *)at);
        break;
    case POINTER:
        lua_pushstring(L, *(const char *const *)at);
        break;
    case RUN:
        lua_pushstring(L, elg_checkpoint_status_name(*(const enum elg_run_status *)at));
        break;
    case ATTEMPT:
        lua_pushstring(L,
                       elg_checkpoint_attempt_name(*(const enum elg_attempt_status *)at));
        break;
    case ACTIVITY:
        lua_pushstring(
            L, elg_checkpoint_activity_name(*(const enum elg_activity_status *)at));
        break;
    }
}

static void row_push(lua_State *L, const struct field *fields, const void *row)
{
    lua_newtable(L);
    for (const struct field *field = fields; field->name != NULL; field++) {
        field_push(L, field, (const char *)row + field->offset);
        lua_setfield(L, -2, field->name);
    }
}

#endif
