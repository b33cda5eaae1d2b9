/* Jumps into unmapped memory with mtvec = 0, where there is no memory either: a trap loop. */

#define NOWHERE 0x08000000 /* neither memory nor a device on the boards of Spike and QEMU (spike, virt) */

  .section .text.init, "ax"
  .globl _start
_start:
  csrw mtvec, zero
  li t0, NOWHERE
  jr t0
