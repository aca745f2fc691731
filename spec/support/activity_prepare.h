/* activity_prepare: the part of activity_c that needs no performer: prepare, records, and
 * JSON as Lua values. */
#ifndef SPEC_ACTIVITY_PREPARE_H
#define SPEC_ACTIVITY_PREPARE_H

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "activity/activity.h"
#include "fault_alloc.h"
#include "json/json.h"

static struct elg_bytes check_bytes(lua_State *L, int arg)
{
    struct elg_bytes bytes;
    bytes.data = (const uint8_t *)luaL_checklstring(L, arg, &bytes.size);
    return bytes;
}

static int push_failure(lua_State *L, enum elg_status status,
                        const struct elg_error *error)
{
    lua_pushnil(L);
    lua_pushstring(L, elg_status_name(status));
    lua_pushstring(L, error->text);
    return 3;
}

static enum elg_activity_kind check_kind(lua_State *L, int arg)
{
    enum elg_activity_kind kind;
    if (!elg_activity_kind_of(luaL_checkstring(L, arg), &kind))
        luaL_error(L, "no kind %s", lua_tostring(L, arg));
    return kind;
}

/* ---- prepare */

static struct elg_activity_place read_place(lua_State *L, int arg)
{
    struct elg_activity_place place = {"trace", 0, 0};
    if (!lua_istable(L, arg))
        return place;
    lua_getfield(L, arg, "trace");
    lua_getfield(L, arg, "step");
    lua_getfield(L, arg, "seq");
    if (lua_isstring(L, -3))
        place.trace_id = lua_tostring(L, -3);
    place.step_index = (int64_t)lua_tonumber(L, -2);
    place.seq = (uint32_t)lua_tonumber(L, -1);
    lua_pop(L, 3);
    return place;
}

static void push_hash(lua_State *L, const struct elg_hash *hash)
{
    char hex[ELG_HASH_HEX_SIZE];
    elg_base_hash_hex(hash, hex);
    lua_pushstring(L, hex);
}

static void push_prepared(lua_State *L, const struct elg_prepared *prepared)
{
    struct elg_bytes request = elg_base_blob_bytes(prepared->request);
    lua_newtable(L);
    lua_pushlstring(L, (const char *)request.data, request.size);
    lua_setfield(L, -2, "request");
    push_hash(L, &prepared->request_hash);
    lua_setfield(L, -2, "request_hash");
    push_hash(L, &prepared->key);
    lua_setfield(L, -2, "key");
    lua_pushboolean(L, prepared->at_most_once);
    lua_setfield(L, -2, "at_most_once");
    lua_pushnumber(L, (lua_Number)prepared->sleep_ms);
    lua_setfield(L, -2, "sleep_ms");
    lua_pushnumber(L, prepared->timeout_ms);
    lua_setfield(L, -2, "timeout_ms");
}

/* prepare(kind, request, place, fail_at): prepared, calls | nil, status, text, live */
static int l_prepare(lua_State *L)
{
    struct fault_alloc fault;
    struct elg_error error;
    struct elg_prepared prepared;
    struct elg_activity_place place = read_place(L, 3);
    struct elg_sha256 *sha = elg_base_sha256_create(elg_base_alloc_default());
    fault_alloc_init(&fault, (uint64_t)luaL_optnumber(L, 4, 0));
    elg_base_error_clear(&error);
    enum elg_status status =
        elg_activity_prepare(&fault.alloc, sha, check_kind(L, 1), check_bytes(L, 2),
                             &place, &prepared, &error);
    elg_base_sha256_destroy(sha);
    if (status != ELG_OK) {
        int count = push_failure(L, status, &error);
        lua_pushnumber(L, (lua_Number)fault.live_bytes);
        return count + 1;
    }
    push_prepared(L, &prepared);
    elg_activity_prepared_fini(&prepared);
    lua_pushnumber(L, (lua_Number)fault.calls);
    lua_pushnumber(L, (lua_Number)fault.live_bytes);
    return 3;
}

static int l_read_response(lua_State *L)
{
    bool ok;
    struct elg_bytes value;
    struct elg_error error;
    enum elg_status status =
        elg_activity_read_response(check_bytes(L, 1), &ok, &value, &error);
    if (status != ELG_OK)
        return push_failure(L, status, &error);
    lua_pushboolean(L, ok);
    lua_pushlstring(L, (const char *)value.data, value.size);
    return 2;
}

static int l_write_error(lua_State *L)
{
    struct elg_buf out;
    elg_base_buf_init(&out, elg_base_alloc_default());
    elg_activity_write_error(&out, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
    lua_pushlstring(L, (const char *)out.data, out.size);
    elg_base_buf_fini(&out);
    return 1;
}

static int l_type_name(lua_State *L)
{
    enum elg_activity_kind kind;
    if (!elg_activity_kind_of(luaL_checkstring(L, 1), &kind))
        return 0;
    lua_pushstring(L, elg_activity_type_name(kind));
    return 1;
}

/* ---- JSON for the specs: a text as Lua values; null is nil */

static void push_value(lua_State *L, const struct elg_json_value *value)
{
    luaL_checkstack(L, 8, "too deep");
    struct elg_bytes text = elg_json_string(value);
    switch (elg_json_type(value)) {
    case ELG_JSON_TYPE_NULL:
        lua_pushnil(L);
        return;
    case ELG_JSON_TYPE_BOOL:
        lua_pushboolean(L, elg_json_bool(value, false));
        return;
    case ELG_JSON_TYPE_NUMBER:
        lua_pushnumber(L, elg_json_number(value, 0));
        return;
    case ELG_JSON_TYPE_STRING:
        lua_pushlstring(L, (const char *)text.data, text.size);
        return;
    case ELG_JSON_TYPE_ARRAY:
    case ELG_JSON_TYPE_OBJECT:
        break;
    }
    bool object = elg_json_type(value) == ELG_JSON_TYPE_OBJECT;
    lua_newtable(L);
    for (size_t i = 0; i < elg_json_size(value); i++) {
        struct elg_bytes key = {NULL, 0};
        if (object)
            key = elg_json_key_at(value, i);
        if (object)
            lua_pushlstring(L, (const char *)key.data, key.size);
        else
            lua_pushinteger(L, (lua_Integer)i + 1);
        push_value(L, elg_json_at(value, i));
        lua_settable(L, -3);
    }
}

static int l_decode(lua_State *L)
{
    struct elg_json_doc *doc;
    struct elg_error error;
    enum elg_status status =
        elg_json_parse(elg_base_alloc_default(), check_bytes(L, 1), &doc, &error);
    if (status != ELG_OK)
        return luaL_error(L, "%s: %s", error.where, error.text);
    push_value(L, elg_json_root(doc));
    elg_json_doc_destroy(doc);
    return 1;
}

static int l_is_canonical(lua_State *L)
{
    lua_pushboolean(L,
                    elg_json_is_canonical(elg_base_alloc_default(), check_bytes(L, 1)));
    return 1;
}

static int l_setenv(lua_State *L)
{
    if (lua_isnoneornil(L, 2))
        unsetenv(luaL_checkstring(L, 1));
    else
        setenv(luaL_checkstring(L, 1), luaL_checkstring(L, 2), 1);
    return 0;
}

#endif
