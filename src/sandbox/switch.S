/* switch: exchanges stacks. Callee-saved registers and the floating-point control words go
 * to the stack that is left; its pointer is written through the first argument.
 *
 *   void elg_sandbox_switch(void **save_sp, void *load_sp)
 *
 * A new fiber's stack holds such a frame whose return address is the trampoline, which
 * calls the function in one callee-saved register with the argument in another.
 */
    .text

#if defined(__x86_64__)
    .globl elg_sandbox_switch
    .hidden elg_sandbox_switch
    .type elg_sandbox_switch, @function
elg_sandbox_switch:
    endbr64
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size elg_sandbox_switch, .-elg_sandbox_switch

    .globl elg_sandbox_trampoline
    .hidden elg_sandbox_trampoline
    .type elg_sandbox_trampoline, @function
elg_sandbox_trampoline:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %r12, %rdi
    callq *%r13
    ud2
    .cfi_endproc
    .size elg_sandbox_trampoline, .-elg_sandbox_trampoline

/* int elglj_engine_strscan_scan(text, size, out, options): the engine's function, of which
 * mk/10-lib.mk has replaced these first instructions by a jump to counted.c. */
    .globl elglj_engine_strscan_scan
    .hidden elglj_engine_strscan_scan
    .type elglj_engine_strscan_scan, @function
elglj_engine_strscan_scan:
    pushq %r15
    movl %esi, %esi
    pushq %r14
    jmp elglj_strscan_rest
    .size elglj_engine_strscan_scan, .-elglj_engine_strscan_scan

/* int elglj_engine_string_byte(lua_State *L): likewise. */
    .globl elglj_engine_string_byte
    .hidden elglj_engine_string_byte
    .type elglj_engine_string_byte, @function
elglj_engine_string_byte:
    pushq %r15
    movl $1, %esi
    jmp elglj_string_byte_rest
    .size elglj_engine_string_byte, .-elglj_engine_string_byte

#elif defined(__aarch64__)
    .globl elg_sandbox_switch
    .hidden elg_sandbox_switch
    .type elg_sandbox_switch, %function
elg_sandbox_switch:
    sub sp, sp, #176
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldr x9, [sp, #160]
    msr fpcr, x9
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    ret
    .size elg_sandbox_switch, .-elg_sandbox_switch

    .globl elg_sandbox_trampoline
    .hidden elg_sandbox_trampoline
    .type elg_sandbox_trampoline, %function
elg_sandbox_trampoline:
    .cfi_startproc
    .cfi_undefined x30
    mov x0, x19
    blr x20
    brk #1
    .cfi_endproc
    .size elg_sandbox_trampoline, .-elg_sandbox_trampoline
#endif /* other machines: swapcontext, in fiber.c */

    .section .note.GNU-stack, "", %progbits
