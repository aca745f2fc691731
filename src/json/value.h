/* value: what a tree is made of, for parse.c (builds) and value.c (looks). */
#ifndef ELG_JSON_VALUE_H
#define ELG_JSON_VALUE_H

#include "json/arena.h"
#include "json/json.h"

struct elg__json_member;

struct elg_json_value {
    uint8_t type; /* enum elg_json_type */
    bool boolean;
    uint32_t size; /* bytes, elements or members: a text has at most 64 MiB */
    union {
        double number;
        const uint8_t *string;
        const struct elg_json_value *elements;
        const struct elg__json_member *members; /* in canonical order */
    } as;
};

struct elg__json_member {
    const uint8_t *name; /* a NUL behind */
    uint32_t name_size;
    struct elg_json_value value;
};

struct elg_json_doc {
    struct elg__json_arena arena; /* everything but this struct */
    struct elg_json_value root;
};

#endif
