/*
 * Exceptions (Privileged ISA 1.13, 3.1.6-3.1.8, 3.1.15-3.1.16, 3.7, ch. 12): cause, epc and tval, delegation, vectored
 * mode, what mstatus forbids and opens, and a fetch whose second half faults.
 */
#include "check.h"

#define MODE_SV39 8
#define WINDOW 0x40000000
#define USER_PAGE 0x40002000
#define CODE_ONLY 0x40003000

main:
  li t0, -1
  csrw pmpaddr0, t0
  li t0, PMP_NAPOT | PMP_R | PMP_W | PMP_X
  csrw pmpcfg0, t0

  /* Environment calls, by mode. */
  ENTER MODE_U, call
  CHECK s1, ECALL_U
  CHECK_AT s2, call
  CHECK s3, 0
  ENTER MODE_S, call
  CHECK s1, ECALL_S
  ENTER MODE_M, call
  CHECK s1, ECALL_M
  csrr t0, mstatus
  srli t0, t0, 11
  andi t0, t0, 3
  CHECK t0, MODE_M
  ENTER MODE_M, break
  CHECK s1, BREAKPOINT
  CHECK_AT s2, break

  /* Illegal instructions, which tval holds. */
  ENTER MODE_M, illegal
  CHECK s1, ILLEGAL
  CHECK s3, 0xffffffff
  ENTER MODE_M, illegal_short
  CHECK s1, ILLEGAL
  CHECK s3, 0
  ENTER MODE_M, write_cycle
  CHECK s1, ILLEGAL
  ENTER MODE_S, read_mstatus
  CHECK s1, ILLEGAL
  ENTER MODE_U, read_sstatus
  CHECK s1, ILLEGAL
  ENTER MODE_S, return_machine
  CHECK s1, ILLEGAL
  ENTER MODE_U, return_supervisor
  CHECK s1, ILLEGAL
  ENTER MODE_U, wait
  CHECK s1, ILLEGAL
  ENTER MODE_U, fence
  CHECK s1, ILLEGAL
  ENTER MODE_S, float_off
  CHECK s1, ILLEGAL

  /* TVM, TSR and TW in S-mode; none of them concerns M-mode. */
  ENTER MODE_S, fence
  CHECK s1, ECALL_S
  li t0, MSTATUS_TVM | MSTATUS_TSR | MSTATUS_TW
  csrs mstatus, t0
  ENTER MODE_S, fence
  CHECK s1, ILLEGAL
  ENTER MODE_S, read_satp
  CHECK s1, ILLEGAL
  ENTER MODE_M, read_satp
  CHECK s1, ECALL_M
  ENTER MODE_S, return_supervisor
  CHECK s1, ILLEGAL
  ENTER MODE_S, wait
  CHECK s1, ILLEGAL
  li t0, MSTATUS_TVM | MSTATUS_TSR | MSTATUS_TW
  csrc mstatus, t0

  /* Delegation: a breakpoint in U-mode leads to S-mode, one in M-mode does not. */
  li t0, 1 << BREAKPOINT
  csrw medeleg, t0
  la t0, supervisor
  csrw stvec, t0
  li t0, MSTATUS_SIE
  csrs mstatus, t0
  ENTER MODE_U, break
  CHECK s1, ECALL_S
  CHECK s4, BREAKPOINT
  CHECK_AT s5, break
  andi t0, s6, 0x122 /* SPP, SPIE, SIE: from U-mode, with interrupts on, which are off now */
  CHECK t0, 0x20
  ENTER MODE_S, break
  CHECK s1, ECALL_S
  andi t0, s6, 0x100
  CHECK t0, 0x100
  ENTER MODE_M, break
  CHECK s1, BREAKPOINT
  /* ecall from M-mode cannot be delegated. */
  li t0, -1
  csrw medeleg, t0
  csrr t0, medeleg
  li t1, 1 << ECALL_M
  and t0, t0, t1
  CHECK t0, 0
  csrw medeleg, zero

  /* Vectored mode: exceptions lead to the base. */
  la t0, trap
  ori t0, t0, 1
  csrw mtvec, t0
  ENTER MODE_U, call
  CHECK s1, ECALL_U
  la t0, trap
  csrw mtvec, t0

  /* Sv39: the program by a gigapage of itself; two pages, the second one invalid; one of U-mode's, one to execute only. */
  la s7, root
  li t0, (0x80000000 >> 2) | PTE_OPEN
  sd t0, 16(s7)
  la s8, middle
  srli t0, s8, 2
  ori t0, t0, PTE_V
  sd t0, 8(s7)
  la s9, last
  srli t0, s9, 2
  ori t0, t0, PTE_V
  sd t0, 0(s8)
  la s10, page
  srli t0, s10, 2
  ori t1, t0, PTE_OPEN
  sd t1, 0(s9)
  ori t1, t0, PTE_OPEN | PTE_U
  sd t1, 16(s9)
  ori t1, t0, PTE_V | PTE_X | PTE_A
  sd t1, 24(s9)
  srli t0, s7, 12
  li t1, MODE_SV39 << 60
  or t0, t0, t1
  csrw satp, t0
  sfence.vma
  /* addi t0, zero, 1 across the end of the first page. */
  li t0, 0x0293
  li t1, 0xffe
  add t1, s10, t1
  sh t0, 0(t1)
  fence.i
  ENTER MODE_S, cross
  CHECK s1, FETCH_PAGE
  CHECK s2, WINDOW + 0xffe
  CHECK s3, WINDOW + 0x1000

  /* SUM, MXR and MPRV. */
  li s8, USER_PAGE
  ENTER MODE_S, load
  CHECK s1, LOAD_PAGE
  CHECK s3, USER_PAGE
  ENTER MODE_S, store
  CHECK s1, STORE_PAGE
  li t0, MSTATUS_SUM
  csrs mstatus, t0
  ENTER MODE_S, load
  CHECK s1, ECALL_S
  ENTER MODE_S, jump
  CHECK s1, FETCH_PAGE /* never executed by S-mode */
  csrc mstatus, t0
  li s8, CODE_ONLY
  ENTER MODE_S, load
  CHECK s1, LOAD_PAGE
  li t0, MSTATUS_MXR
  csrs mstatus, t0
  ENTER MODE_S, load
  CHECK s1, ECALL_S
  csrc mstatus, t0
  ENTER MODE_M, mprv_load
  CHECK s1, LOAD_PAGE
  CHECK s3, CODE_ONLY
  /* mret below M-mode clears MPRV. */
  li t0, MSTATUS_MPRV
  csrs mstatus, t0
  ENTER MODE_S, call
  csrr t0, mstatus
  li t1, MSTATUS_MPRV
  and t0, t0, t1
  CHECK t0, 0

  /* A trap in the handler of S-mode goes to M-mode as usual, and from there back to where it was. */
  li t0, 1 << BREAKPOINT
  csrw medeleg, t0
  la t0, supervisor_faults
  csrw stvec, t0
  ENTER MODE_S, break
  CHECK s1, ILLEGAL
  CHECK_AT s2, supervisor_faults
  csrr t0, scause
  CHECK t0, BREAKPOINT
  j pass

  .balign 4
supervisor:
  csrr s4, scause
  csrr s5, sepc
  csrr s6, sstatus
  ecall
  .balign 4
supervisor_faults:
  .word 0xffffffff

call:
  ecall
break:
  ebreak
  .balign 4
illegal:
  .word 0xffffffff
illegal_short:
  .half 0
  .balign 4
write_cycle:
  csrw 0xc00, zero
read_mstatus:
  csrr t0, mstatus
read_sstatus:
  csrr t0, sstatus
read_satp:
  csrr t0, satp
  ecall
return_machine:
  mret
return_supervisor:
  sret
wait:
  wfi
fence:
  sfence.vma
  ecall
float_off:
  fmv.d.x ft0, zero
cross:
  li t0, WINDOW + 0xffe
  jr t0
load:
  lw t1, 0(s8)
  ecall
store:
  sw zero, 0(s8)
  ecall
jump:
  jr s8
mprv_load:
  li t0, MSTATUS_MPP
  csrc mstatus, t0
  li t0, MSTATUS_MPRV | (MODE_S << 11)
  csrs mstatus, t0
  lw t1, 0(s8)
  ecall

  PAGES
