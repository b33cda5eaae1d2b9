/* Where the agent begins, and how it starts another program: clone() with the parent's memory on a stack of its own. */
.globl _start
_start:
  .option push
  .option norelax
  lla gp, __global_pointer$
  .option pop
  mv a0, sp
  andi sp, sp, -16
  call run
  li a7, 94
  ecall

/* long start_child(void (*function)(void *), void *argument, void *stack_end): the child's process id, or an error. */
.globl start_child
start_child:
  addi a2, a2, -16
  sd a0, 0(a2)
  sd a1, 8(a2)
  li a0, 0x4111            /* CLONE_VM | CLONE_VFORK | SIGCHLD */
  mv a1, a2
  li a2, 0
  li a3, 0
  li a4, 0
  li a7, 220
  ecall
  beqz a0, 1f
  ret
1:
  ld t0, 0(sp)
  ld a0, 8(sp)
  jalr t0
  li a0, 127
  li a7, 94
  ecall

.section .note.GNU-stack, "", @progbits
