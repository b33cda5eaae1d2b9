/* The end of a process: back to where ops->run_user was called. */
#include "trap.h"

  .text
  .globl leave_user
leave_user:
  ld sp, FRAME_KERNEL_SP(a0)
  ld ra, 0(sp)
  ld s0, 8(sp)
  ld s1, 16(sp)
  .irp n, 2,3,4,5,6,7,8,9,10,11
  ld s\n, 8 + 8 * \n(sp)
  .endr
  addi sp, sp, CONTEXT_BYTES
  mv a0, a1
  ret
