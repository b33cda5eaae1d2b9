/* Fills begin_signature..end_signature with 16 words, word i = (i + 1) * 0x9e3779b9 modulo 2^32, and exits 0. */

#define WORDS 16
#define STEP 0x9e3779b9

  .section .text.init, "ax"
  .globl _start
_start:
  la t0, begin_signature
  la t1, end_signature
  li t2, STEP
  li t3, 0
1:
  add t3, t3, t2
  sw t3, 0(t0)
  addi t0, t0, 4
  bltu t0, t1, 1b

  la t0, tohost
  li t1, 1
  sd t1, 0(t0)
1:
  j 1b

#include "tohost.h"

  .section .data, "aw"
  .balign 16
  .globl begin_signature
begin_signature:
  .fill WORDS, 4, 0xdeadbeef
  .globl end_signature
end_signature:
