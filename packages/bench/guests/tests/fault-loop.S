/* mtvec points into nothing, then an illegal instruction: every fetch of the trap handler faults again, for ever. */

#define NOWHERE 0x08000000 /* neither memory nor a device on the boards of Spike and QEMU (spike, virt) */

  .section .text.init, "ax"
  .globl _start
_start:
  li t0, NOWHERE
  csrw mtvec, t0
  unimp
