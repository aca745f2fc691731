/* json: elg.core's canonical, hash, decode and null. Uses elg.h, and json's reader to
 * decode, which is for a program's own use: results and journals to look into. State
 * never passes here. */
#include "json/json.h"
#include "bind/bind.h"

/* canonical(text) -> the canonical form (RFC 8785) | nil, message, code, where */
static int json_canonical(lua_State *L)
{
    struct elg_error error = {0};
    size_t size = 0;
    const char *json = luaL_checklstring(L, 1, &size);
    struct elg_text *text = elg__bind_text(L);
    enum elg_status status = elg_json_canonical(NULL, json, size, text, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    return elg__bind_text_string(L, text);
}

/* hash(text) -> 64 hex digits | nil, message, code, where */
static int json_hash(lua_State *L)
{
    struct elg_error error = {0};
    size_t size = 0;
    char hex[65];
    const char *json = luaL_checklstring(L, 1, &size);
    enum elg_status status = elg_json_hash(NULL, json, size, hex, &error);
    if (status != ELG_OK)
        return elg__bind_fail(L, status, &error);
    lua_pushstring(L, hex);
    return 1;
}

/* elg.core.null: a light userdata of this address. */
static char null_value;

static void push_scalar(lua_State *L, const struct elg_json_reader *reader,
                        enum elg_json_token token)
{
    if (token == ELG_JSON_NUMBER)
        lua_pushnumber(L, reader->number);
    else if (token == ELG_JSON_STRING || token == ELG_JSON_KEY)
        lua_pushlstring(L, (const char *)reader->string.data, reader->string.size);
    else if (token == ELG_JSON_NULL)
        lua_pushlightuserdata(L, &null_value);
    else
        lua_pushboolean(L, token == ELG_JSON_TRUE);
}

/* Puts the value at the top into the container below it. An array's container is
 * followed by the count of its elements, an object's by the key under way:
 * ... table (count|key) value -> ... table (count|nothing) */
static void store_value(lua_State *L, const bool *is_array, int depth)
{
    if (depth == 0)
        return;
    if (!is_array[depth - 1]) {
        lua_rawset(L, -3);
        return;
    }
    lua_Integer count = lua_tointeger(L, -2) + 1;
    lua_rawseti(L, -3, (int)count);
    lua_pop(L, 1);
    lua_pushinteger(L, count);
}

static void open_container(lua_State *L, bool array)
{
    lua_newtable(L);
    if (array)
        lua_pushinteger(L, 0);
}

/* Turns one token into stack; containers nest as many as the reader's limit. */
static void take_token(lua_State *L, const struct elg_json_reader *reader,
                       enum elg_json_token token, bool *is_array, int *depth)
{
    switch (token) {
    case ELG_JSON_OBJECT_BEGIN:
    case ELG_JSON_ARRAY_BEGIN:
        open_container(L, token == ELG_JSON_ARRAY_BEGIN);
        is_array[(*depth)++] = token == ELG_JSON_ARRAY_BEGIN;
        break;
    case ELG_JSON_ARRAY_END:
        lua_pop(L, 1); /* the count */
        /* fall through */
    case ELG_JSON_OBJECT_END:
        (*depth)--;
        store_value(L, is_array, *depth);
        break;
    case ELG_JSON_KEY:
        push_scalar(L, reader, token);
        break;
    default:
        push_scalar(L, reader, token);
        store_value(L, is_array, *depth);
    }
}

struct decoding {
    struct elg_json_reader *reader;
    enum elg_status status;
    struct elg_error error;
};

/* Runs protected, since the reader's scratch must be freed whatever happens. */
static int decode_protected(lua_State *L)
{
    struct decoding *decoding = lua_touserdata(L, 1);
    bool is_array[ELG_JSON_DOCUMENT_DEPTH_MAX + 1];
    int depth = 0;
    enum elg_json_token token = ELG_JSON_END;
    luaL_checkstack(L, 3 * ELG_JSON_DOCUMENT_DEPTH_MAX + 8, "JSON is nested too deeply");
    for (;;) {
        decoding->status =
            elg_json_reader_next(decoding->reader, &token, &decoding->error);
        if (decoding->status != ELG_OK || token == ELG_JSON_END)
            break;
        take_token(L, decoding->reader, token, is_array, &depth);
    }
    return decoding->status == ELG_OK ? 1 : 0;
}

/* decode(text) -> value | nil, message, code, where. Of documents that the library gives:
 * they nest deeper than the values in them. Arrays and objects become plain tables, null
 * becomes elg.core.null. */
static int json_decode(lua_State *L)
{
    struct elg_bytes text;
    text.data = (const uint8_t *)luaL_checklstring(L, 1, &text.size);
    struct elg_json_reader *reader = lua_newuserdata(L, sizeof *reader);
    struct decoding decoding = {.reader = reader};
    lua_pushcfunction(L, decode_protected);
    lua_pushlightuserdata(L, &decoding);
    elg_json_reader_init_document(reader, elg_base_alloc_default(), text);
    int failed = lua_pcall(L, 1, 1, 0);
    elg_json_reader_fini(reader);
    if (failed != 0)
        return lua_error(L);
    if (decoding.status != ELG_OK)
        return elg__bind_fail(L, decoding.status, &decoding.error);
    return 1;
}

void elg__bind_open_json(lua_State *L)
{
    static const luaL_Reg FUNCTIONS[] = {
        {"canonical", json_canonical},
        {"hash", json_hash},
        {"decode", json_decode},
        {NULL, NULL},
    };
    luaL_register(L, NULL, FUNCTIONS);
    lua_pushlightuserdata(L, &null_value);
    lua_setfield(L, -2, "null");
}
