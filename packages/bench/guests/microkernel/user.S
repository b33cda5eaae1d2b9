/* What user mode runs, in a page of its own: the code of the null system call and its kin. Nothing here depends on its address. */

#define CALL_NOTHING 0
#define CALL_YIELD 1
#define CALL_EXIT 2
#define PAGE_SHIFT 12

  .section .user, "ax"
  .option norvc /* the kernel steps over an ebreak of four bytes */

  .macro repeat_call call
  mv s0, a0
1:
  li a7, \call
  ecall
  addi s0, s0, -1
  bnez s0, 1b
  j finish
  .endm

  .globl user_calls
user_calls:
  repeat_call CALL_NOTHING

  .globl user_yields
user_yields:
  repeat_call CALL_YIELD

  .globl user_breakpoints
user_breakpoints:
  ebreak
  addi a0, a0, -1
  bnez a0, user_breakpoints
  j finish

  .globl user_touches
user_touches:
  li t0, 1 << PAGE_SHIFT
1:
  sb zero, 0(a0)
  add a0, a0, t0
  addi a1, a1, -1
  bnez a1, 1b

finish:
  li a0, 0
  li a7, CALL_EXIT
  ecall
