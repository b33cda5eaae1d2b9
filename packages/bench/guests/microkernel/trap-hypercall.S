/* Traps of a kernel whose monitor is paravirtual (docs/hypercalls.md): the monitor has put what a trap leaves into the hart's
 * area, and sp behind the frame of the running process if user code trapped. Each hart has an entry of its own, as no register
 * says which hart it is. */
#include "hart.h"
#include "hypercall.h"
#include "trap.h"

  .text
  .balign 4
  .globl hypercall_trap_entries
hypercall_trap_entries:
  .set hart, 0
  .rept HARTS_MAX
  .balign TRAP_ENTRY_BYTES
  addi sp, sp, -FRAME_BYTES
  sd t0, 8 * 5(sp)
  lla t0, vcpu_areas + VCPU_AREA_BYTES * hart
  j take_trap
  .set hart, hart + 1
  .endr

take_trap:
  save_registers sp, 6
  ld t1, AREA_EPC(t0)
  ld t2, AREA_CAUSE(t0)
  ld t3, AREA_VALUE(t0)
  ld t4, AREA_STATUS(t0)
  ld t5, AREA_SP(t0)
  sd t1, FRAME_PC(sp)
  sd t2, FRAME_CAUSE(sp)
  sd t3, FRAME_VALUE(sp)
  sd t5, 8 * 2(sp)
  mv a0, sp
  andi t4, t4, STATUS_SPP
  bnez t4, from_kernel
  ld tp, FRAME_KERNEL_TP(a0)
  ld sp, FRAME_KERNEL_SP(a0)
  call trap_from_user

resume_user: /* a0 = the frame */
  ld t0, HART_AREA(tp)
  addi t1, a0, FRAME_BYTES
  sd t1, AREA_KERNEL_SP(t0)
resume: /* a0 = the frame, t0 = the area */
  ld t1, FRAME_PC(a0)
  ld t2, 8 * 2(a0)
  ld t3, 8 * 16(a0)
  ld t4, 8 * 17(a0)
  sd t1, AREA_EPC(t0)
  sd t2, AREA_SP(t0)
  sd t3, AREA_A6(t0)
  sd t4, AREA_A7(t0)
  restore_registers a0
  ld a0, 8 * 10(a0)
  li a7, HVP
  li a6, HVP_RETURN
  ecall

from_kernel:
  call trap_from_kernel
  mv a0, sp
  ld t0, HART_AREA(tp)
  j resume

/* uint64_t hypercall_run_user(struct trap_frame *): see process.h; leave_user brings it back. */
  .globl hypercall_run_user
hypercall_run_user:
  save_kernel_context
  ld t0, HART_AREA(tp)
  ld t1, AREA_STATUS(t0)
  andi t1, t1, ~STATUS_SPP
  sd t1, AREA_STATUS(t0)
  j resume_user
