/* library: functions of a shared library that is loaded when it is first needed, so that
 * a program which never needs it starts without it.
 */
#ifndef ELG_BASE_LIBRARY_H
#define ELG_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#define ELG_LIBRARY_REASON_MAX 256

struct elg_library_symbol {
    const char *name;
    void *slot; /* the address of a function pointer of the symbol's type */
};

/* Loads `file` (as dlopen finds it) and fills every slot. False: `reason` says why; some
 * slots may be filled. The library stays loaded. */
bool elg_base_library_load(const char *file, const struct elg_library_symbol *symbols,
                           size_t symbol_count, char reason[ELG_LIBRARY_REASON_MAX]);

#endif
