/* asan_preload: preloaded together with AddressSanitizer's runtime into LuaJIT; takes
 * LD_PRELOAD away again, so that the programs which specs start do not get the runtime
 * (some hang with it). LuaJIT itself is started through a script that sets it anew. */
#include <stdlib.h>

__attribute__((constructor)) static void forget_preload(void)
{
    unsetenv("LD_PRELOAD");
}
