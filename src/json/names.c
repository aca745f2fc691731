/* names: a merge sort without recursion. Provides names.h.
 *
 * Not qsort: that takes memory past our allocator and is not stable.
 */
#include "json/names.h"

#include <string.h>

static int compare(const struct elg__json_name *a, const struct elg__json_name *b)
{
    return elg_json_compare_keys((struct elg_bytes){a->data, a->size},
                                 (struct elg_bytes){b->data, b->size});
}

/* Merges from[low..middle) and from[middle..high) into the same place of `to`. */
static void merge(const struct elg__json_name *from, struct elg__json_name *to,
                  size_t low, size_t middle, size_t high)
{
    size_t a = low, b = middle;
    for (size_t i = low; i < high; i++) {
        bool first = b == high || (a < middle && compare(&from[a], &from[b]) <= 0);
        to[i] = from[first ? a++ : b++];
    }
}

/* The last of equal names replaces those before it. */
static size_t drop_duplicates(struct elg__json_name *names, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare(&names[kept - 1], &names[i]) != 0)
            kept++;
        names[kept - 1] = names[i];
    }
    return kept;
}

size_t elg__json_order_names(struct elg__json_name *names, struct elg__json_name *spare,
                             size_t count)
{
    struct elg__json_name *from = names, *to = spare;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t middle = low + width < count ? low + width : count;
            size_t high = middle + width < count ? middle + width : count;
            merge(from, to, low, middle, high);
        }
        struct elg__json_name *swap = from;
        from = to;
        to = swap;
    }
    if (from != names)
        memcpy(names, from, count * sizeof *names);
    return drop_duplicates(names, count);
}
