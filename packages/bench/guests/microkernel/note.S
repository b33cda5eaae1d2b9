/* Under which techniques this kernel can run (docs/hypercalls.md): natively in S-mode, and paravirtually. */

#define RUNS_NATIVELY 1
#define RUNS_PARAVIRTUALLY 2

  .section .note.hartvisor, "a", @note
  .balign 4
  .word 2f - 1f
  .word 4
  .word 1
1:
  .asciz "hartvisor"
2:
  .balign 4
  .word RUNS_NATIVELY | RUNS_PARAVIRTUALLY
