/* fiber: a second C stack for node code, and the switch between it and the host's.
 *
 * Uses nothing. Knows no Lua. A switch is a plain exchange of stack pointers, so it works
 * from any depth of C and Lua frames, and a fiber that is never switched back to is gone
 * without a trace once its memory is used again.
 */
#ifndef ELG_SANDBOX_FIBER_H
#define ELG_SANDBOX_FIBER_H

#include <stddef.h>
#include <stdint.h>

struct elg_fiber {
    uint8_t *stack; /* lowest usable byte; a guard page lies below */
    size_t stack_bytes;
    void (*entry)(void *arg);
    void *arg;
    void *fiber_sp, *host_sp; /* of the side that is not running */
    void *host_bottom;        /* only AddressSanitizer asks for these */
    size_t host_bytes;
    void *fake;
};

/* Readies a fiber that will call entry(arg) with the default floating-point state. The
 * entry must never return: it leaves by elg_sandbox_fiber_leave. */
void elg_sandbox_fiber_init(struct elg_fiber *fiber, void (*entry)(void *arg), void *arg);
/* Host -> fiber; returns when the fiber leaves. */
void elg_sandbox_fiber_enter(struct elg_fiber *fiber);
/* Fiber -> host; returns when the host enters again, if it ever does. */
void elg_sandbox_fiber_leave(struct elg_fiber *fiber);
/* The bytes of a left fiber that a later enter needs: [*from, top of the stack). */
size_t elg_sandbox_fiber_live(const struct elg_fiber *fiber, uint8_t **from);

#endif
