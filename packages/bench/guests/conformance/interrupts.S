/*
 * Interrupts that software raises (Privileged ISA 1.13, 3.1.6-3.1.9, 3.3.3, 12.1.3): enables, delegation, order,
 * vectored mode, and wfi.
 */
#include "check.h"

#define SSI 1
#define STI 5
#define SEI 9
#define ALL ((1 << SSI) | (1 << STI) | (1 << SEI))
#define INTERRUPT(n) ((1 << 63) | n)

/* What is pending, enabled and delegated. */
.macro SET pending, enabled, delegated
  li t6, \delegated
  csrw mideleg, t6
  li t6, \enabled
  csrw mie, t6
  li t6, \pending
  csrw mip, t6
.endm

main:
  li t0, -1
  csrw pmpaddr0, t0
  li t0, PMP_NAPOT | PMP_R | PMP_W | PMP_X
  csrw pmpcfg0, t0
  la t0, supervisor
  csrw stvec, t0

  /* Below M-mode an interrupt of M-mode's comes whatever MIE says, before the next instruction. */
  SET 1 << SSI, 1 << SSI, 0
  ENTER MODE_U, call
  CHECK s1, INTERRUPT(SSI)
  CHECK_AT s2, call
  CHECK s3, 0
  /* In M-mode only with MIE; by way of MPIE it comes at the first instruction. */
  li t0, 1 << 7
  csrc mstatus, t0
  ENTER MODE_M, call
  CHECK s1, ECALL_M
  li t0, 1 << 7
  csrs mstatus, t0
  ENTER MODE_M, call
  CHECK s1, INTERRUPT(SSI)
  CHECK_AT s2, call
  /* Not one that mie leaves out. */
  SET ALL, 0, 0
  ENTER MODE_U, call
  CHECK s1, ECALL_U

  /* In their order: external, software, timer. */
  SET ALL, ALL, 0
  ENTER MODE_U, call
  CHECK s1, INTERRUPT(SEI)
  SET (1 << SSI) | (1 << STI), ALL, 0
  ENTER MODE_U, call
  CHECK s1, INTERRUPT(SSI)
  SET 1 << STI, ALL, 0
  ENTER MODE_U, call
  CHECK s1, INTERRUPT(STI)
  /* M-mode's before a delegated one of higher rank. */
  SET (1 << SEI) | (1 << STI), ALL, 1 << SEI
  ENTER MODE_U, call
  CHECK s1, INTERRUPT(STI)

  /* A delegated one never interrupts M-mode, S-mode only with SIE, and U-mode always. */
  SET 1 << SEI, ALL, ALL
  li t0, 1 << 7
  csrs mstatus, t0
  ENTER MODE_M, call
  CHECK s1, ECALL_M
  li t0, MSTATUS_SIE
  csrc mstatus, t0
  ENTER MODE_S, call
  CHECK s1, ECALL_S
  CHECK_AT s2, call
  li s4, 0
  ENTER MODE_U, call
  CHECK s1, ECALL_S
  CHECK s4, INTERRUPT(SEI)
  CHECK_AT s5, call
  SET 1 << SEI, ALL, ALL /* the handler has cleared sie */
  li s4, 0
  li t0, MSTATUS_SIE
  csrs mstatus, t0
  ENTER MODE_S, call
  CHECK s4, INTERRUPT(SEI)

  /* S-mode sees and clears what is its own: SSIP, while it is delegated. */
  SET ALL, 0, 1 << SSI
  ENTER MODE_S, clear
  CHECK s4, 1 << SSI
  CHECK s5, 0
  csrr t0, mip
  andi t0, t0, 1 << SSI
  CHECK t0, 0
  SET ALL, 0, 0
  ENTER MODE_S, clear
  CHECK s4, 0
  csrr t0, mip
  andi t0, t0, 1 << SSI
  CHECK t0, 1 << SSI

  /* wfi goes on with an interrupt that is enabled in mie and masked by mstatus, in M-mode and in S-mode, */
  SET 1 << SSI, 1 << SSI, 1 << SSI
  li t0, MSTATUS_SIE
  csrc mstatus, t0
  ENTER MODE_S, wait
  CHECK s1, ECALL_S
  ENTER MODE_M, wait
  CHECK s1, ECALL_M
  /* and is the instruction before the handler where it is not masked. */
  li t0, 1 << 5
  csrs mstatus, t0
  ENTER MODE_S, enable_and_wait
  CHECK_AT s5, behind_wait

  /* Vectored mode: four bytes a cause. */
  la t0, vectors
  ori t0, t0, 1
  csrw mtvec, t0
  SET 1 << STI, ALL, 0
  ENTER MODE_U, call
  CHECK s1, INTERRUPT(STI)
  CHECK s6, STI
  SET 1 << SEI, ALL, 0
  ENTER MODE_U, call
  CHECK s6, SEI
  la t0, trap
  csrw mtvec, t0

  /* A second interrupt within the first one's handler. */
  SET 1 << STI, ALL, 0
  la t0, nesting
  csrw mtvec, t0
  ENTER MODE_U, call
  CHECK s4, INTERRUPT(STI)
  CHECK s1, INTERRUPT(SEI)
  CHECK_AT s2, nested
  csrr t0, mstatus
  srli t0, t0, 11
  andi t0, t0, 3
  CHECK t0, MODE_M
  csrw mie, zero
  j pass

  .balign 4
supervisor:
  csrr s4, scause
  csrr s5, sepc
  csrw sie, zero
  ecall

  .balign 4
nesting:
  csrr s4, mcause
  la t6, trap
  csrw mtvec, t6
  li t6, 1 << SEI
  csrw mip, t6
  csrsi mstatus, MSTATUS_MIE
nested:
  j fail

  .balign 64
  .option push
  .option norvc
vectors:
  j fail
  .rept 4
  j fail
  .endr
  j 1f /* STI */
  .rept 3
  j fail
  .endr
  j 2f /* SEI */
  .option pop
1:
  li s6, STI
  j trap
2:
  li s6, SEI
  j trap

call:
  ecall
clear:
  csrr s4, sip
  csrci sip, 1 << SSI
  csrr s5, sip
  ecall
wait:
  wfi
  ecall
enable_and_wait:
  li s4, 0
  csrci sstatus, MSTATUS_SIE
  wfi
  csrsi sstatus, MSTATUS_SIE
behind_wait:
  ecall
