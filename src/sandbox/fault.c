/* fault: from a Lua error to what the host is told: file and line, a traceback without
 * addresses, code, message. Provides the error part of box.h; uses the frames of L. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/box.h"
#include "sandbox/library.h"

/* Frame of an author's file: its chunk name is a path. */
static bool is_author(const lua_Debug *ar)
{
    return ar->source[0] == '@';
}

/* The nearest author's frame of L that has a line. Pushes nothing, allocates nothing. */
static bool find_author(lua_State *L, lua_Debug *ar)
{
    for (int level = 0; level < ELG_FRAMES_SEEN_MAX; level++) {
        if (!lua_getstack(L, level, ar) || !lua_getinfo(L, "Sl", ar))
            break;
        if (is_author(ar) && ar->currentline > 0)
            return true;
    }
    return false;
}

void elg_sandbox_write_where(lua_State *L, struct elg_buf *buf)
{
    lua_Debug ar;
    elg_base_buf_reset(buf);
    if (find_author(L, &ar))
        elg_base_buf_printf(buf, "%s:%d", ar.source + 1, ar.currentline);
    (void)elg_base_buf_cstr(buf);
    elg_sandbox_need(elg_sandbox_head(L)->box, buf);
}

/* On the host's side: the fiber has been left, its frames still lie in the arena. The
 * engine has noted the place of execution wherever the fiber can be left. */
const char *elg_local_where(struct elg_sandbox *box)
{
    const struct elg_head *head = box->head;
    lua_Debug ar;
    box->place[0] = '\0';
    if (head->L != NULL && (find_author(head->running, &ar) || find_author(head->L, &ar)))
        snprintf(box->place, sizeof box->place, "%s:%d", ar.source + 1, ar.currentline);
    return box->place;
}

static void trace_frame(struct elg_buf *buf, const lua_Debug *ar)
{
    if (buf->size > 0)
        elg_base_buf_append_byte(buf, '\n');
    elg_base_buf_printf(buf, "%s:%d: in ", ar->source + 1, ar->currentline);
    if (ar->name != NULL && ar->name[0] != '\0')
        elg_base_buf_printf(buf, "%s '%s'", ar->namewhat, ar->name);
    else if (ar->what[0] == 'm')
        elg_base_buf_append_str(buf, "main chunk");
    else
        elg_base_buf_printf(buf, "function <%s:%d>", ar->source + 1, ar->linedefined);
}

static void trace(lua_State *L, struct elg_buf *buf)
{
    lua_Debug ar;
    int written = 0;
    elg_base_buf_reset(buf);
    for (int level = 0; level < ELG_FRAMES_SEEN_MAX; level++) {
        if (!lua_getstack(L, level, &ar) || !lua_getinfo(L, "Snl", &ar))
            break;
        if (!is_author(&ar))
            continue;
        if (++written > ELG_TRACEBACK_FRAMES_MAX) {
            elg_base_buf_append_str(buf, "\n...");
            break;
        }
        trace_frame(buf, &ar);
    }
    (void)elg_base_buf_cstr(buf);
    elg_sandbox_need(elg_sandbox_head(L)->box, buf);
}

int elg_sandbox_on_error(lua_State *L)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    elg_sandbox_write_where(L, &box->where);
    trace(L, &box->traceback);
    elg_sandbox_head(L)->traced = true;
    return 1;
}

/* "file.lua:12: text": the place is moved to `where`, which names a file as well. */
static void split_place(struct elg_sandbox *box, const char *text, size_t size)
{
    const char *end = text + size, *p = text;
    const char *lua = NULL;
    while (p < end && *p != '\n' && lua == NULL) {
        p = memchr(p, ':', (size_t)(end - p));
        if (p == NULL)
            break;
        if (p - text > 4 && memcmp(p - 4, ".lua", 4) == 0)
            lua = p;
        p++;
    }
    const char *digits = p;
    while (lua != NULL && p < end && *p >= '0' && *p <= '9')
        p++;
    if (lua == NULL || p == digits || end - p < 2 || memcmp(p, ": ", 2) != 0) {
        elg_sandbox_set(box, &box->message, text, size);
        return;
    }
    elg_sandbox_set(box, &box->message, p + 2, (size_t)(end - p - 2));
    elg_sandbox_set(box, &box->where, text, (size_t)(p - text));
}

/* These texts go into JSON: what is not UTF-8 becomes '?'. */
static void make_utf8(struct elg_buf *buf)
{
    struct elg_bytes rest = elg_base_buf_bytes(buf);
    while (rest.size > 0) {
        size_t good = elg_json_check_utf8(rest);
        if (good == rest.size)
            break;
        buf->data[buf->size - rest.size + good] = '?';
        rest.data += good + 1;
        rest.size -= good + 1;
    }
}

/* These are handed on as C texts: a NUL of their own becomes ELG_JSON_NUL. */
static void write_nuls(struct elg_buf *buf)
{
    size_t from = buf->size;
    for (size_t i = 0; i < from && !buf->failed; i++)
        if (buf->data[i] == 0)
            elg_base_buf_append_byte(buf, 0);
    for (size_t to = buf->size; !buf->failed && from < to;) {
        uint8_t c = buf->data[--from];
        if (c == 0)
            memcpy(&buf->data[to -= 2], ELG_JSON_NUL, 2);
        else
            buf->data[--to] = c;
    }
}

static void make_text(struct elg_sandbox *box, struct elg_buf *buf)
{
    make_utf8(buf);
    write_nuls(buf);
    (void)elg_base_buf_cstr(buf);
    elg_sandbox_need(box, buf);
}

static void set_field_text(lua_State *L, int index, const char *name, struct elg_buf *buf)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    if (lua_type(L, -1) == LUA_TSTRING) {
        size_t size;
        const char *text = lua_tolstring(L, -1, &size);
        elg_sandbox_set(elg_sandbox_head(L)->box, buf, text, size);
    }
    lua_pop(L, 1);
}

static void describe_table(lua_State *L, int index)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    struct elg_value_rules rules = {"error", NULL, NULL, elg_sandbox_value_progress};
    struct elg_error error;
    elg_base_buf_reset(&box->message);
    enum elg_status status =
        elg_value_encode(L, &box->codec, index, &rules, &box->message, &error);
    if (status == ELG_NO_MEMORY)
        elg_sandbox_leave_for_good(box, ELG_EVENT_HOST_MEMORY_OUT);
    if (status != ELG_OK)
        elg_sandbox_set(box, &box->message, "an error value that is no JSON value", 36);
    (void)elg_base_buf_cstr(&box->message);
    set_field_text(L, index, "message", &box->message);
    set_field_text(L, index, "code", &box->code);
    lua_pushliteral(L, "retry");
    lua_rawget(L, index);
    box->retry = !(lua_isboolean(L, -1) && !lua_toboolean(L, -1));
    lua_pop(L, 1);
    elg_sandbox_need(box, &box->message);
}

void elg_sandbox_describe_error(lua_State *L, int index)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    if (index < 0)
        index += lua_gettop(L) + 1;
    elg_sandbox_set(box, &box->code, "RAISED", 6);
    box->retry = true;
    if (lua_type(L, index) == LUA_TTABLE) {
        describe_table(L, index);
    } else if (lua_isstring(L, index)) {
        size_t size;
        lua_pushvalue(L, index); /* lua_tolstring changes a number in place */
        const char *text = lua_tolstring(L, -1, &size);
        split_place(box, text, size);
        lua_pop(L, 1);
    } else {
        const char *name = luaL_typename(L, index);
        elg_base_buf_reset(&box->message);
        elg_base_buf_printf(&box->message, "a %s was raised as an error", name);
        (void)elg_base_buf_cstr(&box->message);
        elg_sandbox_need(box, &box->message);
    }
    make_text(box, &box->message);
    make_text(box, &box->code);
    make_text(box, &box->traceback);
    make_text(box, &box->where);
}
