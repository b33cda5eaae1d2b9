/* Entry, traps and the user program of tests/paravirtual.c, which says what they are for. A hart's stack is aligned to its size; at its
 * lowest address lies that of the hart's area. */
#include "../microkernel/hypercall.h"
#include "paravirtual.h"

#define REGISTER(n) 8 * (n)(sp)
#define FRAME_BYTES 256

  .section .note.hartvisor, "a", @note
  .balign 4
  .word 2f - 1f
  .word 4
  .word 1
1:
  .asciz "hartvisor"
2:
  .balign 4
  .word 2 /* paravirtually only */

  .section .text.init, "ax"
  .globl _start
_start: /* every hart, a0 = its number */
  .option push
  .option norelax /* gp cannot be loaded relative to itself */
  la gp, __global_pointer$
  .option pop
  la sp, stacks
  slli t0, a0, STACK_SHIFT
  add sp, sp, t0
  li t0, STACK_BYTES
  add sp, sp, t0
  call hart_main

  .text
  .balign 4
  .globl trap_entry
trap_entry:
  addi sp, sp, -FRAME_BYTES
  sd ra, REGISTER(1)
  .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  sd x\n, REGISTER(\n)
  .endr
  mv a0, sp
  call trap
  li t0, -STACK_BYTES
  and t0, sp, t0
  ld t0, 0(t0)
  ld t1, REGISTER(16)
  ld t2, REGISTER(17)
  sd t1, AREA_A6(t0)
  sd t2, AREA_A7(t0)
  ld ra, REGISTER(1)
  .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  ld x\n, REGISTER(\n)
  .endr
  .globl call_return
call_return: /* sp, a6, a7 come from the area */
  li a7, HVP
  li a6, HVP_RETURN
  ecall

/* In each round: a call that doubles its argument, and a page that was not mapped before. */
  .balign 4096
  .globl user_program
user_program:
  li s0, ROUNDS
  li s1, LAZY_BASE
round:
  mv a0, s0
  li a7, CALL_DOUBLE
  ecall
  slli t0, s0, 1
  bne a0, t0, failed
  slli t0, s0, 12
  add t0, t0, s1
  sd s0, 8(t0)
  ld t1, 8(t0)
  bne t1, s0, failed
  addi s0, s0, -1
  bnez s0, round
  li a7, CALL_DONE
  ecall
failed:
  li a7, CALL_FAILED
  ecall
  .balign 4096
