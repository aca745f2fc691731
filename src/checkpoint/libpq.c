/* libpq: finds libpq's functions. Provides checkpoint/libpq.h; uses dlopen. */
#define ELG_PQ_NAMES
#include "checkpoint/libpq.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define LIBRARY "libpq.so.5"

struct elg_pq elg__pq;
static char why_not[256]; /* "" once it is loaded */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void keep_reason(void)
{
    const char *reason = dlerror();
    strncpy(why_not, reason != NULL ? reason : LIBRARY " cannot be loaded",
            sizeof why_not - 1);
}

/* A data pointer as a function pointer: POSIX, dlsym. */
static bool find(void *library, const char *name, void *out)
{
    void *function = dlsym(library, name);
    memcpy(out, &function, sizeof function);
    return function != NULL;
}

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    bool found = library != NULL;
#define FIND(name) found = found && find(library, "PQ" #name, &elg__pq.name);
    ELG_PQ_FUNCTIONS(FIND)
    if (!found)
        keep_reason();
}

enum elg_status elg__pq_load(struct elg_error *error)
{
    pthread_once(&once, load);
    if (why_not[0] == '\0')
        return ELG_OK;
    return elg_base_fail(error, ELG_UNSUPPORTED, LIBRARY, "%s", why_not);
}
