/* The words by which assembly guests speak to the host (HTIF); C ones have those of htif.c. */

  .section .tohost, "aw"
  .balign 64
  .globl tohost
  .type tohost, @object
  .size tohost, 8
tohost:
  .dword 0
  .balign 64
  .globl fromhost
  .type fromhost, @object
  .size fromhost, 8
fromhost:
  .dword 0
