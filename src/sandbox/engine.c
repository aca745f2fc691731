/* engine: the seed and the fingerprint. Provides engine.h; uses gen/engine_hash.h, which
 * the build makes of LuaJIT's and musl's archives. The mathematics come from an object of
 * musl's archive whose symbols are renamed (mk/30-sandbox.mk). */
#include "sandbox/engine.h"

#include <string.h>

#include "elg.h"
#include "engine_hash.h"

#if defined(__x86_64__)
#define MACHINE "x64"
#elif defined(__aarch64__)
#define MACHINE "arm64"
#else
#define MACHINE "other"
#endif

/* Raised with every change of what counts as fuel, of the library or of the prelude. */
#define FUEL_TABLE "7"

long elglj_syscall(long number, void *p, unsigned long size, unsigned int flags)
{
    (void)number;
    (void)flags;
    memset(p, 0x5a, size);
    return (long)size;
}

const char *elg_sandbox_engine_name(void)
{
    return "elg/" ELG_VERSION " luajit/2.1.0-beta3-" ELG_ENGINE_HASH " fuel/" FUEL_TABLE
           " " MACHINE;
}
