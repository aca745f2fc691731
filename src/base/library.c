/* library: functions of a shared library. Provides library.h; uses dlopen. */
#include "base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

bool elg_base_library_load(const char *file, const struct elg_library_symbol *symbols,
                           size_t symbol_count, char reason[ELG_LIBRARY_REASON_MAX])
{
    void *library = dlopen(file, RTLD_LAZY | RTLD_LOCAL);
    bool found = library != NULL;
    for (size_t i = 0; found && i < symbol_count; i++) {
        void *function = dlsym(library, symbols[i].name);
        /* A data pointer as a function pointer: POSIX, dlsym. */
        memcpy(symbols[i].slot, &function, sizeof function);
        found = function != NULL;
    }
    if (found)
        return true;
    const char *why = dlerror();
    snprintf(reason, ELG_LIBRARY_REASON_MAX, "%s",
             why != NULL ? why : "the library cannot be loaded");
    return false;
}
