/* json_c: the json folder for specs, as a Lua module of the system's LuaJIT.
 *
 * Every function that allocates takes a table of options { fail_at, once } or nil, and
 * gives a table { status, where, text, calls, live, wrong, peak, ... }.
 */
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <sys/mman.h>

#include "fault_alloc.h"
#include "json/json.h"

ELG_API int luaopen_json_c(lua_State *L);

#define GUARDED_BYTES (1u << 20)
#define GUARD_BYTES 65536u

/* A string argument, as bytes that end where no memory may be read any more, so that one
 * byte read too far ends the suite. Longer ones are passed as they are. */
static struct elg_bytes check_bytes(lua_State *L, int arg)
{
    static uint8_t *regions[2]; /* for the first and the second argument */
    struct elg_bytes bytes;
    bytes.data = (const uint8_t *)luaL_checklstring(L, arg, &bytes.size);
    if (bytes.size > GUARDED_BYTES || arg > 2)
        return bytes;
    uint8_t **region = &regions[arg - 1];
    if (*region == NULL) {
        *region = mmap(NULL, GUARDED_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (*region == MAP_FAILED ||
            mprotect(*region + GUARDED_BYTES, GUARD_BYTES, PROT_NONE) != 0)
            luaL_error(L, "no guarded memory");
    }
    bytes.data = memcpy(*region + GUARDED_BYTES - bytes.size, bytes.data, bytes.size);
    return bytes;
}

static void push_bytes(lua_State *L, struct elg_bytes bytes)
{
    lua_pushlstring(L, (const char *)bytes.data, bytes.size);
}

static void read_options(lua_State *L, int arg, struct fault_alloc *fault)
{
    fault_alloc_init(fault, 0);
    if (!lua_istable(L, arg))
        return;
    lua_getfield(L, arg, "fail_at");
    fault->fail_at = (uint64_t)lua_tonumber(L, -1);
    lua_getfield(L, arg, "once");
    fault->fail_once = lua_toboolean(L, -1);
    lua_pop(L, 2);
}

static void set_number(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

/* Leaves the table of the outcome on the stack. */
static void push_outcome(lua_State *L, enum elg_status status,
                         const struct elg_error *error, const struct fault_alloc *fault)
{
    lua_newtable(L);
    lua_pushstring(L, elg_status_name(status));
    lua_setfield(L, -2, "status");
    if (status != ELG_OK) {
        lua_pushstring(L, error->where);
        lua_setfield(L, -2, "where");
        lua_pushstring(L, error->text);
        lua_setfield(L, -2, "text");
        lua_pushboolean(L, error->status == status);
        lua_setfield(L, -2, "agrees");
    }
    set_number(L, "calls", (double)fault->calls);
    set_number(L, "live", (double)fault->live_bytes);
    set_number(L, "wrong", (double)fault->wrong_sizes);
    set_number(L, "peak", (double)fault->peak_bytes);
}

/* canonical(text, options): outcome with `result`. Through the public function. */
static int l_canonical(lua_State *L)
{
    struct elg_bytes text = check_bytes(L, 1);
    struct fault_alloc fault;
    read_options(L, 2, &fault);
    struct elg_text form = {NULL, 0, NULL};
    struct elg_error error = {0};
    enum elg_status status = elg_json_canonical(&fault.alloc, (const char *)text.data,
                                                text.size, &form, &error);
    if (status == ELG_OK)
        lua_pushlstring(L, form.data, form.size);
    else
        lua_pushnil(L);
    elg_text_destroy(&form);
    push_outcome(L, status, &error, &fault);
    lua_insert(L, -2);
    lua_setfield(L, -2, "result");
    return 1;
}

/* hash(text, options): outcome with `result`. */
static int l_hash(lua_State *L)
{
    struct elg_bytes text = check_bytes(L, 1);
    struct fault_alloc fault;
    read_options(L, 2, &fault);
    char hex[65] = "";
    struct elg_error error = {0};
    enum elg_status status =
        elg_json_hash(&fault.alloc, (const char *)text.data, text.size, hex, &error);
    push_outcome(L, status, &error, &fault);
    lua_pushstring(L, hex);
    lua_setfield(L, -2, "result");
    return 1;
}

/* parse(text, options): outcome with `result`, the tree written again. */
static int l_parse(lua_State *L)
{
    struct elg_bytes text = check_bytes(L, 1);
    struct fault_alloc fault;
    read_options(L, 2, &fault);
    struct elg_json_doc *doc = NULL;
    struct elg_error error = {0};
    enum elg_status status = elg_json_parse(&fault.alloc, text, &doc, &error);
    struct elg_buf out;
    elg_base_buf_init(&out, elg_base_alloc_default());
    if (status == ELG_OK)
        elg_json_write_value(&out, elg_json_root(doc));
    push_bytes(L, elg_base_buf_bytes(&out));
    elg_base_buf_fini(&out);
    elg_json_doc_destroy(doc);
    push_outcome(L, status, &error, &fault);
    lua_insert(L, -2);
    lua_setfield(L, -2, "result");
    return 1;
}

static const char *const TOKEN_NAMES[] = {
    "end", "{", "}", "[", "]", "key", "string", "number", "true", "false", "null"};

/* tokens(text, options): outcome with `tokens`, a list of { name, value }. */
static int l_tokens(lua_State *L)
{
    struct elg_bytes text = check_bytes(L, 1);
    struct fault_alloc fault;
    read_options(L, 2, &fault);
    struct elg_json_reader reader;
    elg_json_reader_init(&reader, &fault.alloc, text);
    struct elg_error error = {0};
    enum elg_json_token token = ELG_JSON_NULL;
    enum elg_status status = ELG_OK;
    lua_newtable(L);
    for (int i = 1; status == ELG_OK && token != ELG_JSON_END; i++) {
        status = elg_json_reader_next(&reader, &token, &error);
        if (status != ELG_OK)
            break;
        lua_createtable(L, 3, 0);
        lua_pushstring(L, TOKEN_NAMES[token]);
        lua_rawseti(L, -2, 1);
        if (token == ELG_JSON_KEY || token == ELG_JSON_STRING) {
            push_bytes(L, reader.string);
            lua_rawseti(L, -2, 2);
        } else if (token == ELG_JSON_NUMBER) {
            lua_pushnumber(L, reader.number);
            lua_rawseti(L, -2, 2);
            push_bytes(L, reader.raw);
            lua_rawseti(L, -2, 3);
        }
        lua_rawseti(L, -2, i);
    }
    elg_json_reader_fini(&reader);
    push_outcome(L, status, &error, &fault);
    lua_insert(L, -2);
    lua_setfield(L, -2, "tokens");
    return 1;
}

/* look(text, name, name, ...): type, size, string, number, bool of a member of members; a
 * name that is a number is an index. */
static int l_look(lua_State *L)
{
    struct elg_json_doc *doc = NULL;
    if (elg_json_parse(elg_base_alloc_default(), check_bytes(L, 1), &doc, NULL) != ELG_OK)
        return 0;
    const struct elg_json_value *value = elg_json_root(doc);
    int names = lua_gettop(L);
    for (int i = 2; i <= names; i++)
        value = lua_type(L, i) == LUA_TNUMBER
                    ? elg_json_at(value, (size_t)lua_tonumber(L, i))
                    : elg_json_get(value, lua_tostring(L, i));
    lua_pushnumber(L, elg_json_type(value));
    lua_pushnumber(L, (double)elg_json_size(value));
    struct elg_bytes string = elg_json_string(value);
    if (string.data == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, (const char *)string.data, string.size + 1); /* and its NUL */
    lua_pushnumber(L, elg_json_number(value, -1));
    lua_pushboolean(L, elg_json_bool(value, false));
    push_bytes(L, elg_json_key_at(value, 0));
    elg_json_doc_destroy(doc);
    return 6;
}

/* write_string(s, before): text; or nil, the offset of the bad byte, what was kept. */
static int l_write_string(lua_State *L)
{
    struct elg_buf out;
    elg_base_buf_init(&out, elg_base_alloc_default());
    elg_base_buf_append_str(&out, luaL_optstring(L, 2, ""));
    size_t bad_at = 0;
    bool ok = elg_json_write_string(&out, check_bytes(L, 1), &bad_at);
    push_bytes(L, elg_base_buf_bytes(&out));
    elg_base_buf_fini(&out);
    if (ok)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    lua_pushnumber(L, (double)bad_at);
    lua_insert(L, -2);
    return 3;
}

/* write_number(n): text or nil. */
static int l_write_number(lua_State *L)
{
    struct elg_buf out;
    elg_base_buf_init(&out, elg_base_alloc_default());
    if (elg_json_write_number(&out, luaL_checknumber(L, 1)))
        push_bytes(L, elg_base_buf_bytes(&out));
    else
        lua_pushnil(L);
    elg_base_buf_fini(&out);
    return 1;
}

static int l_compare_keys(lua_State *L)
{
    lua_pushnumber(L, elg_json_compare_keys(check_bytes(L, 1), check_bytes(L, 2)));
    return 1;
}

static int l_check_utf8(lua_State *L)
{
    lua_pushnumber(L, (double)elg_json_check_utf8(check_bytes(L, 1)));
    return 1;
}

static int l_is_canonical(lua_State *L)
{
    struct fault_alloc fault;
    read_options(L, 2, &fault);
    lua_pushboolean(L, elg_json_is_canonical(&fault.alloc, check_bytes(L, 1)));
    lua_pushnumber(L, (double)fault.live_bytes);
    return 2;
}

/* append(text, options): elg_json_canonicalize behind "kept"; the buffer afterwards. */
static int l_append(lua_State *L)
{
    struct fault_alloc fault;
    read_options(L, 2, &fault);
    struct elg_buf out;
    elg_base_buf_init(&out, elg_base_alloc_default());
    elg_base_buf_append_str(&out, "kept");
    elg_json_canonicalize(&fault.alloc, check_bytes(L, 1), &out, NULL);
    push_bytes(L, elg_base_buf_bytes(&out));
    elg_base_buf_fini(&out);
    return 1;
}

/* splitmix64: the next of a sequence that a seed fixes. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* A finite double: any bits, or one of the kinds where printing goes wrong. */
static double random_double(uint64_t *state)
{
    uint64_t bits = next_random(state);
    double number;
    switch (next_random(state) % 8) {
    case 0: /* integers around 2^53 and all below */
        return (double)(int64_t)(bits >> (8 + bits % 56)) * (bits & 1 ? 1 : -1);
    case 1: /* short decimals */
        return (double)(bits % 100000000) / pow(10, (double)(bits >> 32 & 15));
    case 2: /* next to powers of two, subnormals too */
        number = ldexp(1.0, (int)(bits % 2097) - 1074);
        return nextafter(number, (bits >> 32 & 1) ? 0 : INFINITY);
    case 3: /* subnormals */
        bits >>= 12;
        memcpy(&number, &bits, sizeof number);
        return number;
    default:
        memcpy(&number, &bits, sizeof number);
        return isfinite(number) ? number : 0.5;
    }
}

/* doubles(seed, count): their bits (little endian, 8 bytes each) and our lines. */
static int l_doubles(lua_State *L)
{
    uint64_t state = (uint64_t)luaL_checknumber(L, 1);
    size_t count = (size_t)luaL_checknumber(L, 2);
    struct elg_buf bits, lines;
    elg_base_buf_init(&bits, elg_base_alloc_default());
    elg_base_buf_init(&lines, elg_base_alloc_default());
    for (size_t i = 0; i < count; i++) {
        double number = random_double(&state);
        elg_base_buf_append(&bits, &number, sizeof number);
        elg_json_write_number(&lines, number);
        elg_base_buf_append_byte(&lines, '\n');
    }
    push_bytes(L, elg_base_buf_bytes(&bits));
    push_bytes(L, elg_base_buf_bytes(&lines));
    elg_base_buf_fini(&bits);
    elg_base_buf_fini(&lines);
    return 2;
}

/* differing(lines, bits): reads every line as JSON; how many do not give the bits, and
 * the first such line. -0 counts as 0. */
static int l_differing(lua_State *L)
{
    struct elg_bytes lines = check_bytes(L, 1), bits = check_bytes(L, 2);
    size_t wrong = 0, first_size = 0, i = 0;
    const uint8_t *p = lines.data, *end = p + lines.size, *first = p;
    for (; p < end && (i + 1) * 8 <= bits.size; i++) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        struct elg_bytes text = {p, (size_t)((stop ? stop : end) - p)};
        struct elg_json_reader reader;
        enum elg_json_token token = ELG_JSON_END;
        double wanted;
        memcpy(&wanted, bits.data + i * 8, 8);
        wanted += 0.0;
        elg_json_reader_init(&reader, elg_base_alloc_default(), text);
        enum elg_status status = elg_json_reader_next(&reader, &token, NULL);
        if (status != ELG_OK || token != ELG_JSON_NUMBER ||
            memcmp(&wanted, &reader.number, 8) != 0) {
            if (wrong++ == 0) {
                first = p;
                first_size = text.size;
            }
        }
        elg_json_reader_fini(&reader);
        p = stop ? stop + 1 : end;
    }
    lua_pushnumber(L, (double)wrong);
    lua_pushlstring(L, (const char *)first, first_size);
    lua_pushnumber(L, (double)i);
    return 3;
}

/* utf8_disagreements(seed, count): strings of all lengths and offsets, one random byte in
 * each; how often the check is wrong. */
static int l_utf8_disagreements(lua_State *L)
{
    uint64_t state = (uint64_t)luaL_checknumber(L, 1);
    size_t count = (size_t)luaL_checknumber(L, 2), wrong = 0;
    uint8_t text[80];
    for (size_t i = 0; i < count; i++) {
        size_t offset = next_random(&state) % 16, size = next_random(&state) % 64;
        memset(text, 'a', sizeof text);
        size_t at = size > 0 ? next_random(&state) % size : 0;
        if (size > 0)
            text[offset + at] = (uint8_t)next_random(&state);
        struct elg_bytes s = {text + offset, size};
        bool bad = size > 0 && text[offset + at] >= 0x80;
        if (elg_json_check_utf8(s) != (bad ? at : size))
            wrong++;
    }
    lua_pushnumber(L, (double)wrong);
    return 1;
}

int luaopen_json_c(lua_State *L)
{
    static const luaL_Reg FUNCTIONS[] = {
        {"canonical", l_canonical},
        {"hash", l_hash},
        {"parse", l_parse},
        {"tokens", l_tokens},
        {"look", l_look},
        {"write_string", l_write_string},
        {"write_number", l_write_number},
        {"compare_keys", l_compare_keys},
        {"check_utf8", l_check_utf8},
        {"is_canonical", l_is_canonical},
        {"append", l_append},
        {"doubles", l_doubles},
        {"differing", l_differing},
        {"utf8_disagreements", l_utf8_disagreements},
        {NULL, NULL},
    };
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
