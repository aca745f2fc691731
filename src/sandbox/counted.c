/* counted: charges at the engine's own calls. Provides counted.h. */
#include "sandbox/counted.h"

#include <math.h>
#include <string.h>

#include "sandbox/box.h"

#define STRING_TAG (-5)     /* of a value, above its 47 bits of address */
#define STRING_LENGTH_AT 20 /* a uint32_t in the string's header */
#define BUFFER_STATE_AT 24  /* the buffer's lua_State, three flags in its low bits */
#define RAISE_UNITS 32      /* an error raised and caught */
#define CHAIN_UNITS 6       /* a member looked for in other tables */
#define DIGITS_MAX 800      /* the engine looks at no more of a number */
#define DIGITS_SHIFT 6      /* a unit for so many squares of digits */
#define POWERS_SHIFT 6      /* a unit for so many steps of fmod */

static size_t string_size(const void *string)
{
    uint32_t size;
    memcpy(&size, (const uint8_t *)string + STRING_LENGTH_AT, sizeof size);
    return size;
}

static size_t value_size(const elg_lj_value *value)
{
    if (*value >> 47 != STRING_TAG)
        return 0;
    return string_size((const void *)(*value & ((INT64_C(1) << 47) - 1)));
}

static void charge_units(struct elg_head *head, uint64_t units)
{
    if (head != NULL)
        elg_sandbox_fuel_owe(&head->fuel, units);
}

static void charge(lua_State *L, size_t size)
{
    if (size >= ELG_FUEL_STRING_BYTES_MIN)
        charge_units(elg_sandbox_head_of_ours(L), size >> ELG_FUEL_ALLOC_SHIFT);
}

elg_lj_value *elglj_meta_cat(lua_State *L, elg_lj_value *top, int left)
{
    size_t size = 0;
    for (int i = 0; i <= left; i++)
        size += value_size(top - i);
    charge(L, size);
    return elglj_engine_meta_cat(L, top, left);
}

elg_lj_value *elglj_meta_comp(lua_State *L, const elg_lj_value *a, const elg_lj_value *b,
                              int op)
{
    size_t x = value_size(a), y = value_size(b);
    charge(L, x < y ? x : y);
    return elglj_engine_meta_comp(L, a, b, op);
}

const elg_lj_value *elglj_meta_tget(lua_State *L, const elg_lj_value *o,
                                    const elg_lj_value *key)
{
    charge_units(elg_sandbox_current(), CHAIN_UNITS);
    return elglj_engine_meta_tget(L, o, key);
}

elg_lj_value *elglj_meta_tset(lua_State *L, const elg_lj_value *o,
                              const elg_lj_value *key)
{
    charge_units(elg_sandbox_current(), CHAIN_UNITS);
    return elglj_engine_meta_tset(L, o, key);
}

elg_lj_string *elglj_str_new(lua_State *L, const char *data, size_t size)
{
    charge(L, size);
    return elglj_engine_str_new(L, data, size);
}

static void charge_buffer(const elg_lj_buffer *buffer, const elg_lj_string *string)
{
    uintptr_t L;
    memcpy(&L, (const uint8_t *)buffer + BUFFER_STATE_AT, sizeof L);
    charge((lua_State *)(L & ~(uintptr_t)7), string_size(string));
}

elg_lj_buffer *elglj_buf_putstr_reverse(elg_lj_buffer *buffer, elg_lj_string *string)
{
    charge_buffer(buffer, string);
    return elglj_engine_buf_putstr_reverse(buffer, string);
}

elg_lj_buffer *elglj_buf_putstr_lower(elg_lj_buffer *buffer, elg_lj_string *string)
{
    charge_buffer(buffer, string);
    return elglj_engine_buf_putstr_lower(buffer, string);
}

elg_lj_buffer *elglj_buf_putstr_upper(elg_lj_buffer *buffer, elg_lj_string *string)
{
    charge_buffer(buffer, string);
    return elglj_engine_buf_putstr_upper(buffer, string);
}

/* ---- numbers from text */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* At most DIGITS_MAX: how many digits the number has, and how far its exponent moves
 * them. */
static uint32_t digits_of(const uint8_t *text, uint32_t size)
{
    uint32_t digits = 0, exponent = 0, at = 0;
    for (; at < size && (text[at] | 32) != 'e'; at++)
        digits += is_digit(text[at]);
    for (; at < size && exponent < DIGITS_MAX; at++)
        if (is_digit(text[at]))
            exponent = exponent * 10 + (uint32_t)(text[at] - '0');
    if (digits > DIGITS_MAX || exponent > DIGITS_MAX || digits + exponent > DIGITS_MAX)
        return DIGITS_MAX;
    return digits + exponent;
}

int elglj_strscan_scan(const uint8_t *text, uint32_t size, elg_lj_value *out,
                       uint32_t options)
{
    struct elg_head *head = elg_sandbox_current();
    if (head != NULL && size > 2) {
        uint32_t digits = digits_of(text, size);
        charge_units(head, (digits * digits >> DIGITS_SHIFT) + (size >> 4) + 2);
    }
    return elglj_engine_strscan_scan(text, size, out, options);
}

/* ---- many values */

#define VALUES_SHIFT 6 /* a unit for so many results: as many.S has it */

int elglj_string_byte(lua_State *L)
{
    int results = elglj_engine_string_byte(L);
    charge_units(elg_sandbox_current(), (uint64_t)results >> VALUES_SHIFT);
    return results;
}

void elg_sandbox_many_charge(uint32_t units)
{
    charge_units(elg_sandbox_current(), units);
}

/* From the count: the table of what the interpreter does while it counts. The build has
 * checked both distances (mk/10-lib.mk). */
#define TABLE_BYTES (0xe38 + 0x4d0)

/* Numbers of instructions, how their code begins, and what is to be done instead. */
static const struct {
    uint32_t op, size;
    const char *begin;
    void (*instead)(void);
} MANY[] = {
    {71, 11, "\x0f\xb6\xec\x0f\xb6\xc0\x4c\x8d\x54\xc2\x13", elg_sandbox_many_vararg},
    {73, 3, "\x03\x04\x24", elg_sandbox_many_return},
    {67, 3, "\x03\x04\x24", elg_sandbox_many_tail_call},
};
#define MANY_COUNT (sizeof MANY / sizeof *MANY)

/* The engine's own; the same in every Lua state of the process. Read by many.S. */
__attribute__((visibility("hidden"))) void *elg_sandbox_many_next[MANY_COUNT];

bool elg_sandbox_many_install(int32_t *hookcount)
{
    void **table = (void **)(void *)((uint8_t *)hookcount + TABLE_BYTES);
    for (size_t i = 0; i < MANY_COUNT; i++) {
        void *code = table[MANY[i].op];
        if (memcmp(code, MANY[i].begin, MANY[i].size) != 0)
            return false;
        elg_sandbox_many_next[i] = code;
        memcpy(&table[MANY[i].op], &MANY[i].instead, sizeof code);
    }
    return true;
}

/* ---- errors, fmod */

_Unwind_Reason_Code elglj__Unwind_RaiseException(struct _Unwind_Exception *raised)
{
    charge_units(elg_sandbox_current(), RAISE_UNITS);
    return _Unwind_RaiseException(raised);
}

double elglj_fmod(double a, double b)
{
    int high, low;
    if (isfinite(a) && isfinite(b) && b != 0) {
        (void)frexp(a, &high);
        (void)frexp(b, &low);
        if (high > low)
            charge_units(elg_sandbox_current(), (uint64_t)(high - low) >> POWERS_SHIFT);
    }
    return elglj_musl_fmod(a, b);
}
