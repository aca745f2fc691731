/* counted: functions of the engine whose work grows with what they are given and that are
 * called within one instruction. mk/10-lib.mk points the interpreter's calls to these
 * (for reading numbers, raising errors and fmod: all calls); each charges and goes on to
 * the engine's own.
 *
 * Uses fuel and what is fixed of the engine's values: a tagged word of 64 bits, strings
 * with their length before their bytes. A spec measures that this still holds.
 */
#ifndef ELG_SANDBOX_COUNTED_H
#define ELG_SANDBOX_COUNTED_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unwind.h>

typedef int64_t elg_lj_value;               /* TValue */
typedef struct elg_lj_string elg_lj_string; /* GCstr */
typedef struct elg_lj_buffer elg_lj_buffer; /* SBuf */

/* Concatenates top[-left .. 0]. */
elg_lj_value *elglj_meta_cat(lua_State *L, elg_lj_value *top, int left);
elg_lj_value *elglj_engine_meta_cat(lua_State *L, elg_lj_value *top, int left);
/* Compares for order. */
elg_lj_value *elglj_meta_comp(lua_State *L, const elg_lj_value *a, const elg_lj_value *b,
                              int op);
elg_lj_value *elglj_engine_meta_comp(lua_State *L, const elg_lj_value *a,
                                     const elg_lj_value *b, int op);
/* Reads and writes a member with metamethods in the way: up to a hundred __index. */
const elg_lj_value *elglj_meta_tget(lua_State *L, const elg_lj_value *o,
                                    const elg_lj_value *key);
const elg_lj_value *elglj_engine_meta_tget(lua_State *L, const elg_lj_value *o,
                                           const elg_lj_value *key);
elg_lj_value *elglj_meta_tset(lua_State *L, const elg_lj_value *o,
                              const elg_lj_value *key);
elg_lj_value *elglj_engine_meta_tset(lua_State *L, const elg_lj_value *o,
                                     const elg_lj_value *key);
/* Makes a string: string.sub, string.char. */
elg_lj_string *elglj_str_new(lua_State *L, const char *data, size_t size);
elg_lj_string *elglj_engine_str_new(lua_State *L, const char *data, size_t size);
/* string.reverse, lower, upper. */
elg_lj_buffer *elglj_buf_putstr_reverse(elg_lj_buffer *buffer, elg_lj_string *string);
elg_lj_buffer *elglj_engine_buf_putstr_reverse(elg_lj_buffer *buffer,
                                               elg_lj_string *string);
elg_lj_buffer *elglj_buf_putstr_lower(elg_lj_buffer *buffer, elg_lj_string *string);
elg_lj_buffer *elglj_engine_buf_putstr_lower(elg_lj_buffer *buffer,
                                             elg_lj_string *string);
elg_lj_buffer *elglj_buf_putstr_upper(elg_lj_buffer *buffer, elg_lj_string *string);
elg_lj_buffer *elglj_engine_buf_putstr_upper(elg_lj_buffer *buffer,
                                             elg_lj_string *string);

/* Reads a number from a text, wherever a text stands for one. Its time grows with the
 * square of digits and exponent: "1e300" takes 40 us. */
int elglj_strscan_scan(const uint8_t *text, uint32_t size, elg_lj_value *out,
                       uint32_t options);
int elglj_engine_strscan_scan(const uint8_t *text, uint32_t size, elg_lj_value *out,
                              uint32_t options);
/* string.byte where its fast path, of one byte, does not do: the count of results and 1.
 */
int elglj_string_byte(lua_State *L);
int elglj_engine_string_byte(lua_State *L);
/* Raises: the unwinder looks for the frame that catches it. */
_Unwind_Reason_Code elglj__Unwind_RaiseException(struct _Unwind_Exception *raised);
/* musl's takes a step for each power of two between a and b. */
double elglj_fmod(double a, double b);
double elglj_musl_fmod(double a, double b);

/* Instructions that hand on as many values as there are (many.S); not functions. */
void elg_sandbox_many_vararg(void);
void elg_sandbox_many_return(void);
void elg_sandbox_many_tail_call(void);
/* Called by those. */
void elg_sandbox_many_charge(uint32_t units);
/* Puts them in the place of the engine's in the table beside the count of a Lua state.
 * False: this engine's instructions are others. */
bool elg_sandbox_many_install(int32_t *hookcount);

#endif
