/* counted: charges for strings at the interpreter's own calls. Provides counted.h. */
#include "sandbox/counted.h"

#include <string.h>

#include "sandbox/box.h"

#define STRING_TAG (-5)       /* of a value, above its 47 bits of address */
#define STRING_LENGTH_AT 20   /* a uint32_t in the string's header */
#define BUFFER_STATE_AT 24    /* the buffer's lua_State, three flags in its low bits */
#define CHARGED_BYTES_MIN 512 /* shorter ones are within an instruction's price */

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

static void charge(lua_State *L, size_t size)
{
    if (size < CHARGED_BYTES_MIN)
        return;
    struct elg_head *head = elg_sandbox_head_of_ours(L);
    if (head != NULL)
        elg_sandbox_fuel_owe(&head->fuel, size >> ELG_FUEL_ALLOC_SHIFT);
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
