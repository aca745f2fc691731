/* libpq: finds libpq's functions. Provides checkpoint/libpq.h. */
#define ELG_PQ_NAMES
#include "checkpoint/libpq.h"

#include <pthread.h>

#include "base/library.h"

#define LIBRARY "libpq.so.5"

struct elg_pq elg__pq;
static bool loaded;
static char why_not[ELG_LIBRARY_REASON_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define SYMBOL(name) {"PQ" #name, &elg__pq.name},
static const struct elg_library_symbol SYMBOLS[] = {ELG_PQ_FUNCTIONS(SYMBOL)};

static void load(void)
{
    loaded = elg_base_library_load(LIBRARY, SYMBOLS, sizeof SYMBOLS / sizeof SYMBOLS[0],
                                   why_not);
}

enum elg_status elg__pq_load(struct elg_error *error)
{
    pthread_once(&once, load);
    return loaded ? ELG_OK
                  : elg_base_fail(error, ELG_UNSUPPORTED, LIBRARY, "%s", why_not);
}
