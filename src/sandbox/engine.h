/* engine: what the linked LuaJIT calls instead of the system, and its name.
 *
 * Uses nothing. The renamed copy of LuaJIT asks elglj_syscall for the seed of its string
 * hash (always the same, I1) and elglj_pow, elglj_sin and so on for mathematics, which
 * are musl's, linked statically: one implementation, whatever the C library is.
 */
#ifndef ELG_SANDBOX_ENGINE_H
#define ELG_SANDBOX_ENGINE_H

/* Called by LuaJIT alone, as syscall(SYS_getrandom, p, size, flags). */
long elglj_syscall(long number, void *p, unsigned long size, unsigned int flags);
/* "elg/0.1.0 luajit/2.1.0-beta3-<hash of its library> fuel/4 x64" */
const char *elg_sandbox_engine_name(void);

#endif
