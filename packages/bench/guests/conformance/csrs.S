/*
 * CSR instructions and the registers of M-mode (Unprivileged ISA ch. 6; Privileged ISA 1.13, ch. 2 and 3.1; Debug 1.0,
 * 5.7): what is read and written in what order, what counts as a write, which values are legal, and that there are no
 * triggers.
 */
#include "check.h"

/* Registers that older assemblers do not know, or not by these names. */
#define TSELECT 0x7a0
#define TDATA1 0x7a1
#define TDATA2 0x7a2
#define TINFO 0x7a4
#define EXECUTE_TRIGGER ((2 << 60) | 0x44)
#define WRITE_CYCLE_NOTHING 0xc0007073 /* csrrci zero, cycle, 0 */

main:
  li t0, -1
  csrw pmpaddr0, t0
  li t0, PMP_NAPOT | PMP_R | PMP_W | PMP_X
  csrw pmpcfg0, t0

  /* Each instruction gives the old value; one register may be source and destination. */
  csrwi mscratch, 5
  csrrwi t0, mscratch, 9
  CHECK t0, 5
  csrrsi t0, mscratch, 6
  CHECK t0, 9
  csrrci t0, mscratch, 3
  CHECK t0, 15
  li t1, 0x123456789abcdef0
  csrrw t1, mscratch, t1
  CHECK t1, 12
  li t1, 0xff
  csrrs t1, mscratch, t1
  CHECK t1, 0x123456789abcdef0
  li t1, 0xf00
  csrrc t1, mscratch, t1
  CHECK t1, 0x123456789abcdeff
  csrr t0, mscratch
  CHECK t0, 0x123456789abcd0ff

  /* Setting or clearing nothing writes nothing, so a read-only register lets it pass; x0 as the source of csrrw does write. */
  ENTER MODE_M, read_in_four_ways
  CHECK s1, ECALL_M
  ENTER MODE_M, write_zero
  CHECK s1, ILLEGAL
  CHECK_AT s2, write_zero
  ENTER MODE_M, set_bit
  CHECK s1, ILLEGAL
  ENTER MODE_M, set_nothing_by_register
  CHECK s1, ILLEGAL /* whatever the register holds */

  /* An illegal access leaves the destination. */
  li s4, 77
  ENTER MODE_U, read_mhartid
  CHECK s1, ILLEGAL
  CHECK s4, 77

  /* Identity. */
  csrr t0, misa
  srli t1, t0, 62
  CHECK t1, 2
  li t1, (1 << ('S' - 'A')) | (1 << ('U' - 'A')) | (1 << ('I' - 'A'))
  and t2, t0, t1
  bne t1, t2, fail
  csrci misa, 1 << ('C' - 'A') /* it does not change */
  csrr t1, misa
  bne t0, t1, fail
  csrr t0, mhartid
  CHECK t0, 0
  csrr t0, mvendorid
  csrr t0, marchid
  csrr t0, mimpid

  /* Legal values. */
  li t0, -1
  csrw mepc, t0
  csrr t0, mepc
  CHECK t0, -2
  li t0, MSTATUS_MPP
  csrc mstatus, t0
  li t1, 2 << 11 /* no mode */
  csrs mstatus, t1
  csrr t1, mstatus
  and t1, t1, t0
  CHECK t1, 0
  csrwi pmpcfg0, 0
  li t0, -1
  csrw pmpaddr0, t0
  csrr t0, pmpaddr0
  CHECK t0, (1 << 54) - 1 /* the grain is four bytes */

  /* A counter that is written does not count the instruction that writes it. */
  csrwi minstret, 0
  csrr t0, minstret
  CHECK t0, 0
  li t0, -1
  csrw minstret, t0
  nop
  csrr t0, minstret
  CHECK t0, 0

  /* No trigger can be chosen or set up, and asking for one is no exception. */
  li t0, 1
  csrw TSELECT, t0
  csrr t0, TSELECT
  CHECK t0, 0
  la t0, fail
  csrw TDATA2, t0
  li t0, EXECUTE_TRIGGER
  csrw TDATA1, t0
  csrr t0, TDATA1
  CHECK t0, 0
  csrr t0, TINFO
  CHECK t0, 1
  j pass

read_in_four_ways:
  csrrs t0, cycle, zero
  csrrc t0, cycle, zero
  csrrsi t0, cycle, 0
  .word WRITE_CYCLE_NOTHING
  ecall
write_zero:
  csrrw t0, cycle, zero
set_bit:
  csrrsi t0, cycle, 1
set_nothing_by_register:
  li t1, 0
  csrrs t0, cycle, t1
  ecall
read_mhartid:
  csrr s4, mhartid
  ecall
