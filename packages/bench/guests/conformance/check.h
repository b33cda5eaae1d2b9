/*
 * What the conformance guests share. A guest counts its checks in gp and ends by HTIF: with 0, or with the number of
 * the first check that failed. Code under test runs by ENTER in a mode of its own until it traps to M-mode, whose
 * handler comes back behind ENTER with cause, epc and tval in s1, s2 and s3; code that should not trap ends in ecall.
 * s10 and s11 are the handler's, t6 is the macros'.
 */

#define MODE_U 0
#define MODE_S 1
#define MODE_M 3

#define FETCH_ACCESS 1
#define ILLEGAL 2
#define BREAKPOINT 3
#define LOAD_ACCESS 5
#define STORE_ACCESS 7
#define ECALL_U 8
#define ECALL_S 9
#define ECALL_M 11
#define FETCH_PAGE 12
#define LOAD_PAGE 13
#define STORE_PAGE 15

#define ECALL 0x00000073

#define MSTATUS_SIE (1 << 1)
#define MSTATUS_MIE (1 << 3)
#define MSTATUS_MPP (3 << 11)
#define MSTATUS_MPRV (1 << 17)
#define MSTATUS_SUM (1 << 18)
#define MSTATUS_MXR (1 << 19)
#define MSTATUS_TVM (1 << 20)
#define MSTATUS_TW (1 << 21)
#define MSTATUS_TSR (1 << 22)

#define PMP_R 1
#define PMP_W 2
#define PMP_X 4
#define PMP_TOR 0x08
#define PMP_NAPOT 0x18
#define PMP_L 0x80

#define PTE_V 0x01
#define PTE_R 0x02
#define PTE_W 0x04
#define PTE_X 0x08
#define PTE_U 0x10
#define PTE_A 0x40
#define PTE_D 0x80
/* A leaf that S-mode may use in every way. */
#define PTE_OPEN (PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)

/* mseccfg, which older assemblers do not know. */
#define MSECCFG 0x747

/* The next check: a register holds a value. */
.macro CHECK register, value
  addi gp, gp, 1
  li t6, \value
  bne \register, t6, fail
.endm

/* The same for the address of a label. */
.macro CHECK_AT register, label
  addi gp, gp, 1
  la t6, \label
  bne \register, t6, fail
.endm

/* Tables of Sv39, from the root to the last, and a page to map. */
.macro PAGES
  .bss
  .balign 0x1000
root:
  .zero 0x1000
middle:
  .zero 0x1000
last:
  .zero 0x1000
page:
  .zero 0x1000
.endm

/* Runs code in a mode until it traps to M-mode. */
.macro ENTER mode, address
  li t6, MSTATUS_MPP
  csrc mstatus, t6
  li t6, \mode << 11
  csrs mstatus, t6
  la t6, \address
  csrw mepc, t6
  la s11, 7f
  mret
7:
.endm

  .option norelax /* gp counts */
  .section .text.init, "ax"
  .globl _start
_start:
  li gp, 0
  la t6, trap
  csrw mtvec, t6
  j main

/* Comes back behind ENTER, in M-mode. */
  .balign 4
trap:
  csrr s1, mcause
  csrr s2, mepc
  csrr s3, mtval
  jr s11

fail:
  slli gp, gp, 1
  ori gp, gp, 1
  j end
pass:
  li gp, 1
end:
  li t6, MSTATUS_MPRV
  csrc mstatus, t6
  la t6, tohost
  sd gp, 0(t6)
1:
  j 1b

#include "tohost.h"

  .text
