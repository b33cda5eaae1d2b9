/*
 * PMP against page faults at each level of a walk (Privileged ISA 1.13, 3.7.1 and 12.3.2): a table that may not be read
 * makes an access an access fault of its own kind, and what comes first in the walk is what is reported.
 */
#include "check.h"

#define VIRTUAL 0x40201000
#define MODE_SV39 8

main:
  /* Entry 1 opens everything; entry 0, in front of it, closes a page when asked to. */
  li t0, -1
  csrw pmpaddr1, t0
  li t0, (PMP_NAPOT | PMP_R | PMP_W | PMP_X) << 8
  csrw pmpcfg0, t0
  /* Code and handlers by a gigapage of themselves, the page under test through three levels. */
  la s4, root
  li t0, (0x80000000 >> 2) | PTE_OPEN
  sd t0, 16(s4)
  la s5, middle
  srli t0, s5, 2
  ori t0, t0, PTE_V
  sd t0, 8(s4) /* VPN 2 = 1 */
  la s6, last
  srli t0, s6, 2
  ori t0, t0, PTE_V
  sd t0, 8(s5) /* VPN 1 = 1 */
  la s7, page
  srli t0, s7, 2
  ori t0, t0, PTE_OPEN
  sd t0, 8(s6) /* VPN 0 = 1 */
  srli t0, s4, 12
  li t1, MODE_SV39 << 60
  or t0, t0, t1
  csrw satp, t0
  sfence.vma
  li s8, VIRTUAL
  li t0, ECALL
  sw t0, 0(s7)
  fence.i

  /* Nothing in the way. */
  jal s9, all_kinds
  .word 0, 0, ECALL_S

  /* Each level's table, then the page, closed by PMP. */
  mv a0, s4
  jal s9, close
  .word LOAD_ACCESS, STORE_ACCESS, FETCH_ACCESS
  mv a0, s5
  jal s9, close
  .word LOAD_ACCESS, STORE_ACCESS, FETCH_ACCESS
  mv a0, s6
  jal s9, close
  .word LOAD_ACCESS, STORE_ACCESS, FETCH_ACCESS
  mv a0, s7
  jal s9, close
  .word LOAD_ACCESS, STORE_ACCESS, FETCH_ACCESS

  /* An invalid entry above a closed table: the walk never gets there. */
  ld s10, 8(s4)
  sd zero, 8(s4)
  sfence.vma
  mv a0, s5
  jal s9, close
  .word LOAD_PAGE, STORE_PAGE, FETCH_PAGE
  sd s10, 8(s4)
  ld s10, 8(s5)
  sd zero, 8(s5)
  sfence.vma
  mv a0, s6
  jal s9, close
  .word LOAD_PAGE, STORE_PAGE, FETCH_PAGE
  /* An invalid entry in a closed table cannot be seen. */
  mv a0, s5
  jal s9, close
  .word LOAD_ACCESS, STORE_ACCESS, FETCH_ACCESS
  sd s10, 8(s5)
  /* A leaf without permission before the closed page that it leads to. */
  ld s10, 8(s6)
  srli t0, s7, 2
  ori t0, t0, PTE_V | PTE_R | PTE_A | PTE_D
  sd t0, 8(s6)
  sfence.vma
  mv a0, s7
  jal s9, close
  .word LOAD_ACCESS, STORE_PAGE, FETCH_PAGE
  sd s10, 8(s6)
  sfence.vma
  jal s9, all_kinds
  .word 0, 0, ECALL_S
  j pass

/* Closes the page at a0 for S-mode, tries everything, and opens it again. */
close:
  srli t0, a0, 2
  ori t0, t0, (0x1000 / 8) - 1
  csrw pmpaddr0, t0
  csrsi pmpcfg0, PMP_NAPOT
  sfence.vma
  jal s0, try
  csrci pmpcfg0, PMP_NAPOT
  sfence.vma
  addi s9, s9, 12
  jr s9
all_kinds:
  jal s0, try
  addi s9, s9, 12
  jr s9

/* A load and a store under MPRV and a fetch, all as S-mode, at s8: their causes follow the call at s9; 0: none. */
try:
  li t0, MSTATUS_MPP
  csrc mstatus, t0
  li t0, MSTATUS_MPRV | (MODE_S << 11)
  csrs mstatus, t0
  li s1, 0
  la s11, 1f
  lw t0, 0(s8)
1:
  li t0, MSTATUS_MPRV
  csrc mstatus, t0
  lw t0, 0(s9)
  jal t5, compare
  li t0, MSTATUS_MPP
  csrc mstatus, t0
  li t0, MSTATUS_MPRV | (MODE_S << 11)
  csrs mstatus, t0
  li s1, 0
  la s11, 1f
  li t0, ECALL
  sw t0, 0(s8)
1:
  li t0, MSTATUS_MPRV
  csrc mstatus, t0
  lw t0, 4(s9)
  jal t5, compare
  li t0, MSTATUS_MPP
  csrc mstatus, t0
  li t0, MODE_S << 11
  csrs mstatus, t0
  csrw mepc, s8
  la s11, 1f
  mret
1:
  lw t0, 8(s9)
  jal t5, compare
  jr s0

/* The cause in t0, and for a fault the address in mtval. */
compare:
  addi gp, gp, 1
  bne s1, t0, fail
  addi gp, gp, 1
  beqz s1, 1f
  li t1, ECALL_S
  beq s1, t1, 1f
  bne s3, s8, fail
1:
  jr t5

  PAGES
