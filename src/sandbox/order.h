/* order: the keys of a table in an order that only its content decides: 1..n, then other
 * numbers, strings by bytes, booleans, and objects by age of their memory.
 *
 * Uses the Lua API. For the files of this folder only.
 */
#ifndef ELG_SANDBOX_ORDER_H
#define ELG_SANDBOX_ORDER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Pushes a list of the keys of the table at `index` without those of 1..n, sorted; nil if
 * there are none; *rest is how many. Returns n, the count of non-nil elements from 1 on.
 * Charged by size. */
size_t elg_sandbox_order_keys(lua_State *L, int index, size_t *rest);
/* Pushes the first key in that order, for less; false: the table is empty, nothing is
 * pushed. */
bool elg_sandbox_order_first(lua_State *L, int index);

#endif
