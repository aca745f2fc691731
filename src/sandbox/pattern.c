/* pattern: the matcher. Provides pattern.h. Depth of the C stack is bounded by a count;
 * loops over the text are charged as they go. */
#include "sandbox/pattern.h"

#include <lauxlib.h>
#include <string.h>

#include "sandbox/fuel.h"

#define STEPS_PER_CHARGE 512

static const char *match_here(struct elg_pattern *m, const char *s, const char *p);

void elg_sandbox_pattern_init(struct elg_pattern *m, lua_State *L, const char *text,
                              size_t text_size)
{
    m->L = L;
    m->text = text;
    m->text_end = text + text_size;
    m->depth = m->steps = 0;
    m->captures = 0;
}

void elg_sandbox_pattern_charge(struct elg_pattern *m)
{
    uint32_t steps = m->steps;
    m->steps = 0;
    elg_sandbox_charge(m->L, steps);
}

static inline void step(struct elg_pattern *m)
{
    if (++m->steps >= STEPS_PER_CHARGE)
        elg_sandbox_pattern_charge(m);
}

/* ---- classes, by ASCII alone */

static bool is_lower(unsigned c)
{
    return c - 'a' < 26;
}

static bool is_upper(unsigned c)
{
    return c - 'A' < 26;
}

static bool is_digit(unsigned c)
{
    return c - '0' < 10;
}

static bool is_graph(unsigned c)
{
    return c > 32 && c < 127;
}

static bool is_alnum(unsigned c)
{
    return is_lower(c) || is_upper(c) || is_digit(c);
}

static bool in_class(unsigned c, unsigned class)
{
    bool yes;
    switch (class | 32) {
    case 'a':
        yes = is_lower(c) || is_upper(c);
        break;
    case 'c':
        yes = c < 32 || c == 127;
        break;
    case 'd':
        yes = is_digit(c);
        break;
    case 'g':
        yes = is_graph(c);
        break;
    case 'l':
        yes = is_lower(c);
        break;
    case 'p':
        yes = is_graph(c) && !is_alnum(c);
        break;
    case 's':
        yes = c == ' ' || (c >= 9 && c <= 13);
        break;
    case 'u':
        yes = is_upper(c);
        break;
    case 'w':
        yes = is_alnum(c);
        break;
    case 'x':
        yes = is_digit(c) || (c | 32) - 'a' < 6;
        break;
    case 'z':
        yes = c == 0;
        break;
    default:
        return class == c; /* an escaped character */
    }
    return is_upper(class) ? !yes : yes;
}

/* Behind the single-character item at p: a character, %x, or a set. */
static const char *item_end(struct elg_pattern *m, const char *p)
{
    char c = *p++;
    if (c == '%') {
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (c != '[')
        return p;
    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* a ']' in front is a member */
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        step(m);
        if (*p++ == '%' && p < m->pattern_end)
            p++;
    } while (p == m->pattern_end || *p != ']');
    return p + 1;
}

/* Is c in the set from p ('[') to end (behind ']')? */
static bool in_set(struct elg_pattern *m, unsigned c, const char *p, const char *end)
{
    const unsigned char *q = (const unsigned char *)p + 1;
    const unsigned char *last = (const unsigned char *)end - 1;
    bool yes = true;
    if (*q == '^') {
        yes = false;
        q++;
    }
    while (q < last) {
        step(m);
        if (*q == '%') {
            if (in_class(c, q[1]))
                return yes;
            q += 2;
        } else if (q[1] == '-' && q + 2 < last) {
            if (q[0] <= c && c <= q[2])
                return yes;
            q += 3;
        } else if (*q++ == c) {
            return yes;
        }
    }
    return !yes;
}

/* Does the item [p, end) match the character at s? */
static bool matches_one(struct elg_pattern *m, const char *s, const char *p,
                        const char *end)
{
    if (s >= m->text_end)
        return false;
    unsigned c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(m, c, p, end);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- captures */

static const char *capture_open(struct elg_pattern *m, const char *s, const char *p,
                                ptrdiff_t size)
{
    if (m->captures == ELG_PATTERN_CAPTURES_MAX)
        luaL_error(m->L, "too many captures");
    m->capture[m->captures].at = s;
    m->capture[m->captures].size = size;
    m->captures++;
    const char *end = match_here(m, s, p);
    if (end == NULL)
        m->captures--;
    return end;
}

static const char *capture_close(struct elg_pattern *m, const char *s, const char *p)
{
    int i = m->captures - 1;
    while (i >= 0 && m->capture[i].size != ELG_CAPTURE_OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[i].size = s - m->capture[i].at;
    const char *end = match_here(m, s, p);
    if (end == NULL)
        m->capture[i].size = ELG_CAPTURE_OPEN;
    return end;
}

/* %1 to %9: the end of the same text at s. */
static const char *match_back(struct elg_pattern *m, const char *s, char digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].size == ELG_CAPTURE_OPEN)
        luaL_error(m->L, "invalid capture index");
    ptrdiff_t size = m->capture[i].size;
    if (size == ELG_CAPTURE_POSITION)
        return NULL; /* it holds no text that could come again */
    m->steps += (uint32_t)(size / 64);
    if (m->text_end - s < size || memcmp(m->capture[i].at, s, (size_t)size) != 0)
        return NULL;
    return s + size;
}

/* %bxy: behind the balanced text at s. */
static const char *match_balance(struct elg_pattern *m, const char *s, const char *p)
{
    if (m->pattern_end - p < 2)
        luaL_error(m->L, "unbalanced pattern");
    if (s >= m->text_end || *s != p[0])
        return NULL;
    size_t open = 1;
    for (s++; s < m->text_end; s++) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* %f[set]: between a character outside and one inside. */
static bool at_frontier(struct elg_pattern *m, const char *s, const char *set,
                        const char *end)
{
    unsigned before = s == m->text ? 0 : (unsigned char)s[-1];
    unsigned here = s < m->text_end ? (unsigned char)*s : 0;
    return !in_set(m, before, set, end) && in_set(m, here, set, end);
}

/* ---- repetition */

static const char *match_most(struct elg_pattern *m, const char *s, const char *p,
                              const char *end, ptrdiff_t least)
{
    ptrdiff_t count = 0;
    while (matches_one(m, s + count, p, end)) {
        step(m);
        count++;
    }
    for (; count >= least; count--) {
        const char *found = match_here(m, s + count, end + 1);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static const char *match_least(struct elg_pattern *m, const char *s, const char *p,
                               const char *end)
{
    for (;;) {
        const char *found = match_here(m, s, end + 1);
        if (found != NULL)
            return found;
        if (!matches_one(m, s, p, end))
            return NULL;
        s++;
    }
}

/* ---- one place */

enum next { NEXT_FAIL, NEXT_GO_ON, NEXT_FOUND };

/* The item at *p and its repetition. GO_ON: *s and *p are behind it. FOUND: *s is the end
 * of the whole match. */
static enum next match_item(struct elg_pattern *m, const char **s, const char **p)
{
    const char *end = item_end(m, *p);
    const char *found = NULL;
    switch (end < m->pattern_end ? *end : 0) {
    case '?':
        if (matches_one(m, *s, *p, end))
            found = match_here(m, *s + 1, end + 1);
        if (found == NULL) {
            *p = end + 1;
            return NEXT_GO_ON;
        }
        break;
    case '*':
    case '+':
        found = match_most(m, *s, *p, end, *end == '+');
        break;
    case '-':
        found = match_least(m, *s, *p, end);
        break;
    default:
        if (!matches_one(m, *s, *p, end))
            return NEXT_FAIL;
        *s += 1;
        *p = end;
        return NEXT_GO_ON;
    }
    *s = found;
    return found != NULL ? NEXT_FOUND : NEXT_FAIL;
}

/* %b, %f, %1 and the other escapes. */
static enum next match_escape(struct elg_pattern *m, const char **s, const char **p)
{
    char kind = m->pattern_end - *p > 1 ? (*p)[1] : 0;
    if (kind == 'b') {
        *s = match_balance(m, *s, *p + 2);
        *p += 4;
        return *s != NULL ? NEXT_GO_ON : NEXT_FAIL;
    }
    if (kind == 'f') {
        const char *set = *p + 2;
        if (set >= m->pattern_end || *set != '[')
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        const char *end = item_end(m, set);
        *p = end;
        return at_frontier(m, *s, set, end) ? NEXT_GO_ON : NEXT_FAIL;
    }
    if (is_digit((unsigned char)kind)) {
        *s = match_back(m, *s, kind);
        *p += 2;
        return *s != NULL ? NEXT_GO_ON : NEXT_FAIL;
    }
    return match_item(m, s, p);
}

static enum next match_part(struct elg_pattern *m, const char **s, const char **p)
{
    switch (**p) {
    case '(':
        if (*p + 1 < m->pattern_end && (*p)[1] == ')')
            *s = capture_open(m, *s, *p + 2, ELG_CAPTURE_POSITION);
        else
            *s = capture_open(m, *s, *p + 1, ELG_CAPTURE_OPEN);
        return *s != NULL ? NEXT_FOUND : NEXT_FAIL;
    case ')':
        *s = capture_close(m, *s, *p + 1);
        return *s != NULL ? NEXT_FOUND : NEXT_FAIL;
    case '$':
        if (*p + 1 == m->pattern_end)
            return *s == m->text_end ? NEXT_FOUND : NEXT_FAIL;
        return match_item(m, s, p);
    case '%':
        return match_escape(m, s, p);
    default:
        return match_item(m, s, p);
    }
}

static const char *match_here(struct elg_pattern *m, const char *s, const char *p)
{
    if (++m->depth > ELG_PATTERN_DEPTH_MAX)
        luaL_error(m->L, "pattern too complex");
    enum next next = NEXT_GO_ON;
    while (next == NEXT_GO_ON && p != m->pattern_end) {
        step(m);
        next = match_part(m, &s, &p);
    }
    m->depth--;
    return next == NEXT_FAIL ? NULL : s;
}

const char *elg_sandbox_pattern_match(struct elg_pattern *m, const char *s,
                                      const char *pattern, size_t pattern_size)
{
    m->pattern_end = pattern + pattern_size;
    m->captures = 0;
    m->depth = 0;
    step(m); /* an empty pattern has none of its own */
    return match_here(m, s, pattern);
}

void elg_sandbox_pattern_push(struct elg_pattern *m, int i, const char *s, const char *e)
{
    if (i >= m->captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, s, (size_t)(e - s));
        return;
    }
    ptrdiff_t size = m->capture[i].size;
    if (size == ELG_CAPTURE_OPEN)
        luaL_error(m->L, "unfinished capture");
    if (size == ELG_CAPTURE_POSITION)
        lua_pushnumber(m->L, (lua_Number)(m->capture[i].at - m->text + 1));
    else
        lua_pushlstring(m->L, m->capture[i].at, (size_t)size);
}

int elg_sandbox_pattern_push_all(struct elg_pattern *m, const char *s, const char *e,
                                 bool whole)
{
    int count = m->captures == 0 && whole ? 1 : m->captures;
    luaL_checkstack(m->L, count, "too many captures");
    for (int i = 0; i < count; i++)
        elg_sandbox_pattern_push(m, i, s, e);
    return count;
}
