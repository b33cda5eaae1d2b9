/*
 * Programmable counters (Sscofpmf 1.0; Smcntrpmf 1.0): mode filters, overflow, its interrupt and scountovf. Event 2 is
 * instructions.
 */
#include "check.h"

#define MHPMCOUNTER3 0xb03
#define MHPMEVENT3 0x323
#define MINSTRETCFG 0x322
#define SCOUNTOVF 0xda0
#define INSTRUCTIONS 2
#define MINH (1 << 62)
#define SINH (1 << 61)
#define UINH (1 << 60)
#define OF (1 << 63)
#define LCOFI 13

main:
  li t0, -1
  csrw pmpaddr0, t0
  li t0, PMP_NAPOT | PMP_R | PMP_W | PMP_X
  csrw pmpcfg0, t0

  /* Only what U-mode retires: the three instructions before its ecall, which does not. */
  li t0, INSTRUCTIONS | MINH | SINH
  csrw MHPMEVENT3, t0
  csrw MHPMCOUNTER3, zero
  ENTER MODE_U, three
  CHECK s1, ECALL_U
  csrr t0, MHPMCOUNTER3
  CHECK t0, 3
  ENTER MODE_S, three
  csrr t0, MHPMCOUNTER3
  CHECK t0, 3
  /* minstret without M-mode. */
  li t0, MINH
  csrw MINSTRETCFG, t0
  csrw minstret, zero
  ENTER MODE_S, three
  ENTER MODE_U, three
  csrr t0, minstret
  CHECK t0, 6
  csrw MINSTRETCFG, zero

  /* Overflow behind the second of the three. */
  li t0, -2
  csrw MHPMCOUNTER3, t0
  ENTER MODE_U, three
  CHECK s1, ECALL_U /* LCOFI is not enabled */
  csrr t0, mip
  li t1, 1 << LCOFI
  and t0, t0, t1
  CHECK t0, 1 << LCOFI
  csrr t0, SCOUNTOVF
  CHECK t0, 1 << 3
  csrr t0, MHPMEVENT3
  CHECK t0, OF | INSTRUCTIONS | MINH | SINH
  csrr t0, MHPMCOUNTER3
  CHECK t0, 1
  /* OF is set: another overflow raises nothing. */
  csrw mip, zero
  li t0, -2
  csrw MHPMCOUNTER3, t0
  ENTER MODE_U, three
  csrr t0, mip
  li t1, 1 << LCOFI
  and t0, t0, t1
  CHECK t0, 0
  /* Below M-mode scountovf shows what mcounteren opens. */
  csrw mcounteren, zero
  ENTER MODE_S, overflows
  CHECK s4, 0
  li t0, 1 << 3
  csrw mcounteren, t0
  ENTER MODE_S, overflows
  CHECK s4, 1 << 3

  /* Enabled, it interrupts exactly behind the instruction. */
  li t0, 1 << LCOFI
  csrw mie, t0
  li t0, INSTRUCTIONS | MINH | SINH
  csrw MHPMEVENT3, t0
  li t0, -2
  csrw MHPMCOUNTER3, t0
  ENTER MODE_U, three
  CHECK s1, (1 << 63) | LCOFI
  CHECK_AT s2, third
  /* Delegated, it is S-mode's, which clears it in sip. */
  li t0, 1 << LCOFI
  csrw mideleg, t0
  csrw mip, zero
  la t0, supervisor
  csrw stvec, t0
  li t0, INSTRUCTIONS | MINH | SINH
  csrw MHPMEVENT3, t0
  li t0, -1
  csrw MHPMCOUNTER3, t0
  ENTER MODE_U, three
  CHECK s1, ECALL_S
  CHECK s4, (1 << 63) | LCOFI
  CHECK s5, 0
  j pass

  .balign 4
supervisor:
  csrr s4, scause
  li t0, 1 << LCOFI
  csrc sip, t0
  csrr s5, sip
  ecall

three:
  nop
  nop
third:
  nop
  ecall
overflows:
  csrr s4, SCOUNTOVF
  ecall
