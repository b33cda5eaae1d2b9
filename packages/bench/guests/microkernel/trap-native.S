/* Traps of a kernel that runs in S-mode (or believes it). sscratch holds the frame of the running process, or 0 in the kernel. */
#include "trap.h"

  .text
  .balign 4
  .globl native_trap_entry
native_trap_entry:
  csrrw sp, sscratch, sp
  beqz sp, from_kernel
  save_registers sp, 5
  csrrw t0, sscratch, zero
  csrr t1, scause
  csrr t2, sepc
  li t3, CAUSE_USER_CALL
  sd t0, 8 * 2(sp)
  sd t1, FRAME_CAUSE(sp)
  sd t2, FRAME_PC(sp)
  beq t1, t3, 1f /* a call has no value */
  csrr t0, stval
  sd t0, FRAME_VALUE(sp)
1:
  mv a0, sp
  ld tp, FRAME_KERNEL_TP(a0)
  ld sp, FRAME_KERNEL_SP(a0)
  call trap_from_user

resume_user: /* a0 = the frame */
  ld t0, FRAME_PC(a0)
  csrw sepc, t0
  csrw sscratch, a0
  restore_registers a0
  ld sp, 8 * 2(a0)
  ld a6, 8 * 16(a0)
  ld a7, 8 * 17(a0)
  ld a0, 8 * 10(a0)
  sret

from_kernel:
  csrrw sp, sscratch, zero
  addi sp, sp, -FRAME_BYTES
  save_registers sp, 5
  csrr t0, scause
  csrr t1, sepc
  csrr t2, stval
  sd t0, FRAME_CAUSE(sp)
  sd t1, FRAME_PC(sp)
  sd t2, FRAME_VALUE(sp)
  mv a0, sp
  call trap_from_kernel
  ld t0, FRAME_PC(sp)
  csrw sepc, t0
  restore_registers sp
  ld a0, 8 * 10(sp)
  ld a6, 8 * 16(sp)
  ld a7, 8 * 17(sp)
  addi sp, sp, FRAME_BYTES
  sret

#define SSTATUS_SPP 0x100

/* uint64_t native_run_user(struct trap_frame *): see process.h; leave_user brings it back. */
  .globl native_run_user
native_run_user:
  save_kernel_context
  li t0, SSTATUS_SPP
  csrc sstatus, t0
  j resume_user
