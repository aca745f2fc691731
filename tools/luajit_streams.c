/* luajit_streams: the standard streams under names of the engine's own. Debian's static
 * LuaJIT reaches the C library's directly, as only an executable may; mk/10-lib.mk points
 * it here instead. Set before main, never changed. */
#include <stdio.h>

#define HIDDEN __attribute__((visibility("hidden")))

extern HIDDEN FILE *elglj_stdin, *elglj_stdout, *elglj_stderr;
FILE *elglj_stdin, *elglj_stdout, *elglj_stderr;

__attribute__((constructor)) static void set_streams(void)
{
    elglj_stdin = stdin;
    elglj_stdout = stdout;
    elglj_stderr = stderr;
}
