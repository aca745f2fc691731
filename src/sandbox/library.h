/* library: what node code can reach by name, each entry with its reason, and nothing
 * else.
 *
 * Uses the engine's own libraries and the files of this folder that replace parts of
 * them: base_lib (pairs, tostring, load, ...), string_lib, table_lib, utf8_lib, time_lib,
 * chance.
 * For the files of this folder only.
 */
#ifndef ELG_SANDBOX_LIBRARY_H
#define ELG_SANDBOX_LIBRARY_H

#include <lua.h>

#include "base/buf.h"

/* Builds the globals and runs the prelude (slot PRELUDE, module "elg", slot CTX). */
void elg_sandbox_library_open(lua_State *L);

/* lua_CFunctions, named by what node code calls them. */
int elg_sandbox_lib_pairs(lua_State *L);
int elg_sandbox_lib_next(lua_State *L);
int elg_sandbox_lib_tostring(lua_State *L);
int elg_sandbox_lib_tonumber(lua_State *L);
int elg_sandbox_lib_setmetatable(lua_State *L);
int elg_sandbox_lib_load(lua_State *L);
int elg_sandbox_lib_resume(lua_State *L);
int elg_sandbox_lib_wrap(lua_State *L);

int elg_sandbox_lib_find(lua_State *L);
int elg_sandbox_lib_match(lua_State *L);
int elg_sandbox_lib_gmatch(lua_State *L);
int elg_sandbox_lib_gsub(lua_State *L);
int elg_sandbox_lib_format(lua_State *L);
int elg_sandbox_lib_rep(lua_State *L);

int elg_sandbox_lib_sort(lua_State *L);
int elg_sandbox_lib_insert(lua_State *L);
int elg_sandbox_lib_remove(lua_State *L);
int elg_sandbox_lib_concat(lua_State *L);
int elg_sandbox_lib_maxn(lua_State *L);
int elg_sandbox_lib_unpack(lua_State *L);

int elg_sandbox_lib_table_new(lua_State *L);
int elg_sandbox_lib_table_clear(lua_State *L);

int elg_sandbox_lib_utf8_char(lua_State *L);
int elg_sandbox_lib_utf8_codepoint(lua_State *L);
int elg_sandbox_lib_utf8_codes(lua_State *L);
int elg_sandbox_lib_utf8_len(lua_State *L);
int elg_sandbox_lib_utf8_offset(lua_State *L);
/* Pushes utf8.charpattern. */
void elg_sandbox_push_charpattern(lua_State *L);

/* lua_CFunctions again. */
int elg_sandbox_lib_time(lua_State *L);
int elg_sandbox_lib_date(lua_State *L);
int elg_sandbox_lib_clock(lua_State *L);
int elg_sandbox_lib_difftime(lua_State *L);

int elg_sandbox_lib_random(lua_State *L);
int elg_sandbox_lib_randomseed(lua_State *L);
int elg_sandbox_lib_ctx_rand(lua_State *L);
int elg_sandbox_lib_ctx_uuid(lua_State *L);

int elg_sandbox_lib_json_encode(lua_State *L);
int elg_sandbox_lib_json_decode(lua_State *L);
int elg_sandbox_lib_hash(lua_State *L);
int elg_sandbox_lib_array(lua_State *L);
int elg_sandbox_lib_secret(lua_State *L);
int elg_sandbox_lib_check(lua_State *L);
int elg_sandbox_lib_line(lua_State *L);
int elg_sandbox_lib_line_of(lua_State *L);

/* __tostring of the errors of calls: "CODE: message". */
int elg_sandbox_lib_error_text(lua_State *L);
/* The table at the top of the stack is the error of a call: tostring shows it. */
void elg_sandbox_mark_error(lua_State *L);

/* Value rule: charges for what has been written; leaves for good when the allowance is
 * spent, since other jobs may not write meanwhile. */
void elg_sandbox_value_progress(lua_State *L);
/* Value rule of requests: a secret handle becomes {"$secret":NAME}. */
bool elg_sandbox_secret_write(lua_State *L, struct elg_buf *out);
/* Pushes an original library function, as "string.format". */
void elg_sandbox_original(lua_State *L, const char *name);
/* Pushes the text of the value at `index` as tostring gives it, without addresses. */
const char *elg_sandbox_text_of(lua_State *L, int index, size_t *size);

#endif
