/* curl: finds libcurl's functions. Provides activity/curl.h. */
#define ELG_CURL_NAMES
#include "activity/curl.h"

#include <pthread.h>

#include "base/library.h"

#define LIBRARY "libcurl.so.4"

struct elg_curl elg__curl;
static bool loaded;
static char why_not[ELG_LIBRARY_REASON_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define SYMBOL(name) {"curl_" #name, &elg__curl.name},
static const struct elg_library_symbol SYMBOLS[] = {ELG_CURL_FUNCTIONS(SYMBOL)};

static void load(void)
{
    loaded = elg_base_library_load(LIBRARY, SYMBOLS, sizeof SYMBOLS / sizeof SYMBOLS[0],
                                   why_not);
}

enum elg_status elg__curl_load(struct elg_error *error)
{
    pthread_once(&once, load);
    return loaded ? ELG_OK : elg_base_fail(error, ELG_IO, LIBRARY, "%s", why_not);
}
