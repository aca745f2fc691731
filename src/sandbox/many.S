/* many: instructions that hand on as many values as there are. The engine's table of
 * instructions, which the interpreter uses while it counts, has these in place of its own
 * (fuel.c); each charges a unit for 64 values and goes on to the engine's.
 *
 * Registers are the engine's: r14 its tables, rdx the base of the frame, below it the size
 * of the variable part in bytes; eax the operands; at rsp the count of values and 1.
 */
    .text

#if defined(__x86_64__)
    .macro many name
    .globl elg_sandbox_many_\name
    .hidden elg_sandbox_many_\name
    .type elg_sandbox_many_\name, @function
elg_sandbox_many_\name:
    .endm

    .macro go_on name, next
    jnz 2f
1:  jmpq *elg_sandbox_many_next+8*\next(%rip)
2:  callq charge
    jmp 1b
    .size elg_sandbox_many_\name, .-elg_sandbox_many_\name
    .endm

/* f(...): all of them; local a, b = ... takes two. */
    many vararg
    testb %ah, %ah
    jnz 1f
    movq -8(%rdx), %r10
    shrq $9, %r10
    go_on vararg, 0

/* return f() */
    many return
    movl (%rsp), %r10d
    shrl $6, %r10d
    go_on return, 1

    many tail_call
    movl (%rsp), %r10d
    shrl $6, %r10d
    go_on tail_call, 2

/* Charges r10d units. */
    .type charge, @function
charge:
    pushq %rax
    pushq %rcx
    pushq %rdx
    movl %r10d, %edi
    callq elg_sandbox_many_charge
    popq %rdx
    popq %rcx
    popq %rax
    ret
    .size charge, .-charge
#endif

    .section .note.GNU-stack, "", %progbits
