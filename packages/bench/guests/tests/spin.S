/* Never ends, without a trap or a memory access. */
  .section .text.init, "ax"
  .globl _start
_start:
  j _start
