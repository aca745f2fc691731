/* fiber: the first frame of a new fiber, and the switches. Provides fiber.h; uses
 * switch.S. */
#include "sandbox/fiber.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SWITCH_BEGIN(fake, bottom, bytes)                                                \
    __sanitizer_start_switch_fiber(fake, bottom, bytes)
#define SWITCH_END(fake, bottom, bytes)                                                  \
    __sanitizer_finish_switch_fiber(fake, bottom, bytes)
#define STACK_CLEAN(stack, bytes) __asan_unpoison_memory_region(stack, bytes)
#else
#define SWITCH_BEGIN(fake, bottom, bytes) ((void)0)
#define SWITCH_END(fake, bottom, bytes) ((void)0)
#define STACK_CLEAN(stack, bytes) ((void)0)
#endif

/* The first function on a new fiber's stack. */
static void fiber_main(void *self)
{
    struct elg_fiber *fiber = self;
    SWITCH_END(NULL, (const void **)&fiber->host_bottom, &fiber->host_bytes);
    fiber->entry(fiber->arg);
    __builtin_trap();
}

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(ELG_FIBER_UCONTEXT)

void elg_sandbox_switch(void **save_sp, void *load_sp);
void elg_sandbox_trampoline(void);

#if defined(__x86_64__)
#define FRAME_WORDS 8 /* control words, r15 r14 r13 r12 rbx rbp, return address */
#define FRAME_ENTRY 3
#define FRAME_ARG 4
#define FRAME_RETURN 7
#define FRAME_CONTROL 0x037f00001f80u /* x87 and SSE: round to nearest, all masked */
#else
#define FRAME_WORDS 22
#define FRAME_ENTRY 1
#define FRAME_ARG 0
#define FRAME_RETURN 11
#endif

/* Makes the stack look as if it had been left just before fiber_main(fiber). */
static void stack_init(struct elg_fiber *fiber)
{
    uintptr_t top = (uintptr_t)(fiber->stack + fiber->stack_bytes) & ~(uintptr_t)15;
    uint64_t *frame = (uint64_t *)top - FRAME_WORDS - 2;
    memset(frame, 0, (FRAME_WORDS + 2) * sizeof *frame);
    frame[FRAME_ENTRY] = (uint64_t)(uintptr_t)fiber_main;
    frame[FRAME_ARG] = (uint64_t)(uintptr_t)fiber;
    frame[FRAME_RETURN] = (uint64_t)(uintptr_t)elg_sandbox_trampoline;
#if defined(FRAME_CONTROL)
    frame[0] = FRAME_CONTROL;
#endif
    fiber->fiber_sp = frame;
}

static void stack_switch(void **save, void *load)
{
    elg_sandbox_switch(save, load);
}

#else /* any other machine: several times slower */

#include <ucontext.h>

#define BELOW_BYTES 4096 /* what of a frame may lie below its context */

/* makecontext passes ints. */
static void context_main(unsigned high, unsigned low)
{
    fiber_main((void *)((uintptr_t)high << 32 | low));
}

static void stack_init(struct elg_fiber *fiber)
{
    uintptr_t top = (uintptr_t)(fiber->stack + fiber->stack_bytes) & ~(uintptr_t)63;
    uintptr_t self = (uintptr_t)fiber;
    ucontext_t *context = (ucontext_t *)(top - ((sizeof *context + 63) & ~(size_t)63));
    getcontext(context);
    context->uc_link = NULL;
    context->uc_stack.ss_sp = fiber->stack;
    context->uc_stack.ss_size = (size_t)((uint8_t *)context - fiber->stack);
    makecontext(context, (void (*)(void))context_main, 2, (unsigned)(self >> 32),
                (unsigned)self);
    fiber->fiber_sp = (uint8_t *)context - BELOW_BYTES;
}

/* The context of the side that is left lies on its stack; what is saved is an address
 * below all of its frame. */
static void stack_switch(void **save, void *load)
{
    ucontext_t here;
    *save = (void *)((uintptr_t)&here - BELOW_BYTES);
    swapcontext(&here, (ucontext_t *)((uintptr_t)load + BELOW_BYTES));
}

#endif

void elg_sandbox_fiber_init(struct elg_fiber *fiber, void (*entry)(void *arg), void *arg)
{
    fiber->entry = entry;
    fiber->arg = arg;
    STACK_CLEAN(fiber->stack, fiber->stack_bytes);
    stack_init(fiber);
    fiber->fake = NULL;
}

void elg_sandbox_fiber_enter(struct elg_fiber *fiber)
{
#if defined(__SANITIZE_ADDRESS__)
    void *fake = NULL;
#endif
    SWITCH_BEGIN(&fake, fiber->stack, fiber->stack_bytes);
    stack_switch(&fiber->host_sp, fiber->fiber_sp);
    SWITCH_END(fake, NULL, NULL);
}

void elg_sandbox_fiber_leave(struct elg_fiber *fiber)
{
    SWITCH_BEGIN(&fiber->fake, fiber->host_bottom, fiber->host_bytes);
    stack_switch(&fiber->fiber_sp, fiber->host_sp);
    SWITCH_END(fiber->fake, (const void **)&fiber->host_bottom, &fiber->host_bytes);
}

size_t elg_sandbox_fiber_live(const struct elg_fiber *fiber, uint8_t **from)
{
    *from = fiber->fiber_sp;
    return (size_t)(fiber->stack + fiber->stack_bytes - *from);
}
