/* curl: finds libcurl's functions. Provides activity/curl.h; uses dlopen. */
#define ELG_CURL_NAMES
#include "activity/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

struct elg_curl elg__curl;
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
#define FIND(name) found = found && find(library, "curl_" #name, &elg__curl.name);
    ELG_CURL_FUNCTIONS(FIND)
    if (!found)
        keep_reason();
}

enum elg_status elg__curl_load(struct elg_error *error)
{
    pthread_once(&once, load);
    if (why_not[0] == '\0')
        return ELG_OK;
    return elg_base_fail(error, ELG_IO, LIBRARY, "%s", why_not);
}
