/* names: puts the members of one object in canonical order, for the folder alone. */
#ifndef ELG_JSON_NAMES_H
#define ELG_JSON_NAMES_H

#include "json/json.h"

/* A member's name and its place in the text. */
struct elg__json_name {
    const uint8_t *data;
    uint32_t size;
    uint32_t index;
};

/* Sorts `count` names (given in the order of the text) canonically and keeps of equal
 * ones the last; how many are left. `spare` has room for as many. n log n at worst. */
size_t elg__json_order_names(struct elg__json_name *names, struct elg__json_name *spare,
                             size_t count);

#endif
