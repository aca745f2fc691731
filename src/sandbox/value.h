/* value: canonical JSON to Lua values and back.
 *
 * Uses json and the Lua API alone: no state of a sandbox, so that the bindings for an
 * ordinary Lua use it too. Both functions may raise Lua errors for want of memory only,
 * and hold nothing but what the codec owns, so a caller that is never returned to leaks
 * nothing.
 *
 * null is the light userdata NULL. An array made here carries the array marker, a
 * metatable whose __metatable field is "array": it stays an array when it is emptied.
 */
#ifndef ELG_SANDBOX_VALUE_H
#define ELG_SANDBOX_VALUE_H

#include <lua.h>

#include "base/buf.h"
#include "base/status.h"
#include "json/json.h"

struct elg_value_key {
    const char *data;
    size_t size;
    int slot; /* stack index of its value, 0: not kept */
};

/* Scratch of one thread; reusable, never two at once. */
struct elg_codec {
    const struct elg_alloc *alloc;
    struct elg_json_reader reader;
    struct elg_value_key *keys; /* of the objects being written, stacked */
    size_t keys_capacity;
};

void elg_value_codec_init(struct elg_codec *codec, const struct elg_alloc *alloc);
void elg_value_codec_fini(struct elg_codec *codec);
/* Puts the array marker into the registry; once per state. */
void elg_value_open(lua_State *L);
/* Pushes the array marker. */
void elg_value_push_marker(lua_State *L);
/* Makes the table at the top of the stack an array. False: it has a metatable. */
bool elg_value_mark_array(lua_State *L);

enum elg_value_big { ELG_VALUE_BIG_DOUBLE, ELG_VALUE_BIG_STRING };

/* Pushes the value of a JSON text, or nothing on an error (as the reader's; ELG_LIMIT
 * where Lua's stack has no room). BIG_STRING: integers past 2^53 become their text. */
enum elg_status elg_value_decode(lua_State *L, struct elg_codec *codec,
                                 struct elg_bytes text, enum elg_value_big big,
                                 struct elg_error *error);

struct elg_value_rules {
    const char *root; /* first part of paths in errors: "state" */
    /* Appends what stands for the full userdata at the top of the stack and returns true;
     * NULL or false: it is not a value. */
    bool (*write_userdata)(lua_State *L, struct elg_buf *out);
    const char *reserved_key; /* a member name that is an error; NULL: none */
    /* Told whenever ELG_VALUE_PROGRESS_BYTES more have been written; it may leave for
     * good. NULL: nobody. */
    void (*progress)(lua_State *L);
};

#define ELG_VALUE_PROGRESS_BYTES 65536
#define ELG_VALUE_SLOTS                                                                  \
    (2 * ELG_JSON_DEPTH_MAX + 8) /* of the Lua stack, while decoding */

/* Appends the canonical form of the value at `index`. ELG_INVALID: error->where is the
 * path ("state.items[3]"), text says what is wrong; ELG_NO_MEMORY. `out` may hold a part
 * of the text after an error. */
enum elg_status elg_value_encode(lua_State *L, struct elg_codec *codec, int index,
                                 const struct elg_value_rules *rules, struct elg_buf *out,
                                 struct elg_error *error);

#endif
