/* pattern: Lua 5.1's patterns (manual, section 5.4.1), with every step counted.
 *
 * Uses fuel. Backtracking can take exponential time; what it takes is charged, so it ends
 * with the allowance. For the files of this folder only.
 */
#ifndef ELG_SANDBOX_PATTERN_H
#define ELG_SANDBOX_PATTERN_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELG_PATTERN_CAPTURES_MAX 32
#define ELG_PATTERN_DEPTH_MAX 200 /* choices within choices: C stack */

struct elg_pattern {
    lua_State *L;
    const char *text, *text_end;
    const char *pattern_end;
    uint32_t depth;
    uint32_t steps; /* not yet charged */
    int captures;
    struct {
        const char *at;
        ptrdiff_t size; /* or one of the two below */
    } capture[ELG_PATTERN_CAPTURES_MAX];
};

#define ELG_CAPTURE_OPEN (-1)
#define ELG_CAPTURE_POSITION (-2)

void elg_sandbox_pattern_init(struct elg_pattern *m, lua_State *L, const char *text,
                              size_t text_size);
/* The end of the match of `pattern` (without an anchor) at `s`; NULL: none. Raises on a
 * malformed pattern. */
const char *elg_sandbox_pattern_match(struct elg_pattern *m, const char *s,
                                      const char *pattern, size_t pattern_size);
/* Pushes capture i of the match [s, e), the whole match for i 0 where there are none. */
void elg_sandbox_pattern_push(struct elg_pattern *m, int i, const char *s, const char *e);
/* Pushes all captures, at least one if `whole` (the match stands for it). The count. */
int elg_sandbox_pattern_push_all(struct elg_pattern *m, const char *s, const char *e,
                                 bool whole);
/* Charges what has not been. */
void elg_sandbox_pattern_charge(struct elg_pattern *m);

#endif
