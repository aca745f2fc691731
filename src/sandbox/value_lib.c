/* value_lib: what module elg offers over values: json, hash, array, secrets; and what the
 * prelude needs to name lines. Provides that part of library.h. */
#include <lauxlib.h>
#include <string.h>

#include "sandbox/box.h"
#include "sandbox/library.h"
#include "sandbox/module.h"

#define BYTES_SHIFT 2     /* a unit for so many bytes */
#define CODEC_UNITS 16    /* a value written, read or hashed, besides its bytes */
#define PROBLEM_UNITS 256 /* finding out what is wrong with one */

static void charge_bytes(lua_State *L, size_t size)
{
    elg_sandbox_charge(L, CODEC_UNITS + (size >> BYTES_SHIFT));
}

void elg_sandbox_value_progress(lua_State *L)
{
    struct elg_head *head = elg_sandbox_head(L);
    elg_sandbox_fuel_owe(&head->fuel, ELG_VALUE_PROGRESS_BYTES >> BYTES_SHIFT);
    if (elg_sandbox_fuel_used(&head->fuel) == head->fuel.max)
        elg_sandbox_leave_for_good(head->box, ELG_EVENT_FUEL_OUT);
}

/* What progress has not charged of a value that was written. */
static void charge_rest(lua_State *L, size_t size)
{
    charge_bytes(L, size % ELG_VALUE_PROGRESS_BYTES);
}

/* Encodes the value at 1 into box->request, or pushes what is wrong. *size is its size:
 * to be charged for once its bytes are no longer needed, since charging may end a slice,
 * and other jobs encode into the same buffer then. */
static bool encode(lua_State *L, struct elg_sandbox *box, const char *root, size_t *size)
{
    struct elg_value_rules rules = {root, NULL, NULL, elg_sandbox_value_progress};
    struct elg_error error;
    luaL_checkany(L, 1);
    elg_base_buf_reset(&box->request);
    enum elg_status status =
        elg_value_encode(L, &box->codec, 1, &rules, &box->request, &error);
    if (status == ELG_NO_MEMORY)
        elg_sandbox_leave_for_good(box, ELG_EVENT_HOST_MEMORY_OUT);
    if (status != ELG_OK) {
        elg_sandbox_fuel_owe(&elg_sandbox_head(L)->fuel, PROBLEM_UNITS);
        lua_pushfstring(L, "%s: %s", error.where, error.text);
    }
    *size = box->request.size;
    return status == ELG_OK;
}

static int raise_and_charge(lua_State *L, size_t size)
{
    charge_rest(L, size);
    return lua_error(L);
}

int elg_sandbox_lib_json_encode(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    size_t size;
    if (!encode(L, box, "value", &size))
        return raise_and_charge(L, size);
    lua_pushlstring(L, (const char *)box->request.data, size);
    charge_rest(L, size);
    return 1;
}

int elg_sandbox_lib_hash(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    struct elg_hash hash;
    char hex[ELG_HASH_HEX_SIZE];
    size_t size;
    if (!encode(L, box, "value", &size))
        return raise_and_charge(L, size);
    elg_base_sha256(box->sha, elg_base_buf_bytes(&box->request), &hash);
    elg_base_hash_hex(&hash, hex);
    lua_pushstring(L, hex);
    charge_rest(L, size);
    return 1;
}

/* check(value, name): true, or nil and what is wrong. */
int elg_sandbox_lib_check(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    const char *root = luaL_checkstring(L, 2);
    size_t size;
    bool good = encode(L, box, root, &size);
    if (good) {
        lua_pushboolean(L, 1);
    } else {
        lua_pushnil(L);
        lua_insert(L, -2);
    }
    charge_rest(L, size);
    return good ? 1 : 2;
}

static enum elg_value_big big_option(lua_State *L)
{
    if (lua_isnoneornil(L, 2))
        return ELG_VALUE_BIG_DOUBLE;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "big");
    const char *big = lua_tostring(L, -1);
    if (big == NULL)
        return ELG_VALUE_BIG_DOUBLE;
    if (strcmp(big, "string") != 0)
        luaL_error(L, "elg.json.decode: big must be \"string\"");
    return ELG_VALUE_BIG_STRING;
}

/* decode(text, options): the value; nil and what is wrong. */
int elg_sandbox_lib_json_decode(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    struct elg_bytes text;
    struct elg_error error;
    text.data = (const uint8_t *)luaL_checklstring(L, 1, &text.size);
    enum elg_value_big big = big_option(L);
    charge_bytes(L, text.size);
    enum elg_status status = elg_value_decode(L, &box->codec, text, big, &error);
    if (status == ELG_OK)
        return 1;
    if (status == ELG_NO_MEMORY)
        elg_sandbox_leave_for_good(box, ELG_EVENT_HOST_MEMORY_OUT);
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", error.where, error.text);
    return 2;
}

int elg_sandbox_lib_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (!elg_value_mark_array(L))
        return luaL_error(L, "elg.array: the table has a metatable already");
    return 1;
}

/* ---- secrets */

int elg_sandbox_lib_secret(lua_State *L)
{
    size_t size;
    const char *name = luaL_checklstring(L, 1, &size);
    luaL_argcheck(L, size > 0 && size <= ELG_NAME_BYTES_MAX && strlen(name) == size, 1,
                  "a secret's name has 1 to 128 bytes");
    luaL_argcheck(L, elg_json_check_utf8(elg_base_bytes(name)) == size, 1,
                  "not valid UTF-8");
    char *handle = lua_newuserdata(L, size + 1);
    memcpy(handle, name, size + 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_SECRET);
    lua_setmetatable(L, -2);
    return 1;
}

bool elg_sandbox_secret_write(lua_State *L, struct elg_buf *out)
{
    if (!lua_getmetatable(L, -1))
        return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_SECRET);
    bool secret = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (!secret)
        return false;
    elg_base_buf_append_str(out, "{\"$secret\":");
    elg_json_write_string(out, elg_base_bytes(lua_touserdata(L, -1)), NULL);
    elg_base_buf_append_byte(out, '}');
    return true;
}

/* ---- errors of calls */

/* Pushes the field's text, or a name for what is none: node code may have changed it. */
static void push_text_field(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, 1);
    if (lua_isstring(L, -1))
        return;
    lua_pop(L, 1);
    lua_pushfstring(L, "(no %s)", name);
}

int elg_sandbox_lib_error_text(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_text_field(L, "code");
    lua_pushliteral(L, ": ");
    push_text_field(L, "message");
    lua_concat(L, 3);
    return 1;
}

void elg_sandbox_mark_error(lua_State *L)
{
    if (lua_type(L, -1) != LUA_TTABLE)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_ERROR);
    lua_setmetatable(L, -2);
}

/* ---- lines */

int elg_sandbox_lib_line_of(lua_State *L)
{
    lua_Debug ar;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_getinfo(L, ">S", &ar);
    lua_pushnumber(L, ar.linedefined > 0 ? ar.linedefined : 0);
    return 1;
}

int elg_sandbox_lib_line(lua_State *L)
{
    lua_Debug ar;
    int line = 0;
    for (int level = 0; level < ELG_FRAMES_SEEN_MAX && line == 0; level++) {
        if (!lua_getstack(L, level, &ar) || !lua_getinfo(L, "Sl", &ar))
            break;
        if (ar.source[0] == '@' && ar.currentline > 0)
            line = ar.currentline;
    }
    const struct elg_program *loading = elg_sandbox_head(L)->box->loading;
    if (line == 0 && loading != NULL)
        line = elg_sandbox_module_graph_line(loading);
    lua_pushnumber(L, line);
    return 1;
}
