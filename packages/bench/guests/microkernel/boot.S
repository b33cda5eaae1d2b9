/* Where harts begin, with translation off. The first has a0 = its number, a1 = the device tree; the others are started by
 * secondary_start, with a1 = their struct hart. */
#include "hart.h"

  .section .text.init, "ax"
  .globl _start
_start:
  la t0, bss_start
  la t1, bss_end
1:
  sd zero, 0(t0)
  addi t0, t0, 8
  bltu t0, t1, 1b
  la tp, boot_hart
  la sp, boot_stack_top
  call kernel_main

  .text
  .globl secondary_entry
secondary_entry:
  mv tp, a1
  la sp, secondary_stack_top
  call secondary_main

  .section .bss.stacks, "aw", @nobits
  .balign 0x1000 /* what lies on a stack at a time lies in one page of it */
  .skip STACK_BYTES
boot_stack_top:
  .skip STACK_BYTES
secondary_stack_top:
