/*
 * Smepmp's truth table (Privileged ISA 1.13, ch. 6): under machine-mode lockdown, what each of the sixteen
 * configurations of an entry lets M-mode, S-mode and U-mode do; then RLB, MMWP and what may no longer be added.
 */
#include "check.h"

#define MML 1
#define MMWP 2
#define RLB 4
#define CODE_BYTES 0x1000

main:
  li t0, RLB
  csrw MSECCFG, t0
  /* Entry 0: the program, shared code that M-mode also reads. Entry 1: HTIF's page, data of M-mode. */
  la t0, _start
  srli t0, t0, 2
  ori t0, t0, (CODE_BYTES / 8) - 1
  csrw pmpaddr0, t0
  la t0, tohost /* begins a page */
  srli t0, t0, 2
  ori t0, t0, (0x1000 / 8) - 1
  csrw pmpaddr1, t0
  la t0, data
  srli t0, t0, 2
  ori t0, t0, (0x1000 / 8) - 1
  csrw pmpaddr2, t0
  li t0, MML | RLB
  li t1, (PMP_NAPOT | PMP_L | PMP_R | PMP_X) | ((PMP_NAPOT | PMP_L | PMP_R | PMP_W) << 8)
  csrw pmpcfg0, t1
  csrw MSECCFG, t0
  csrr t2, MSECCFG
  CHECK t2, MML | RLB
  /* The program's own entry has no code for the modes below yet: RW = 01 means something from now on. */
  li t1, (PMP_NAPOT | PMP_L | PMP_W | PMP_X) | ((PMP_NAPOT | PMP_L | PMP_R | PMP_W) << 8)
  csrw pmpcfg0, t1

  la s6, data
  li t0, ECALL
  sw t0, 0(s6)
  la s6, elsewhere
  sw t0, 0(s6)
  fence.i
  la s4, table
  li s5, 0 /* LXWR: as in the register, with the lock as bit 3 */
  la s6, data
each:
  slli t0, s5, 60
  srli t0, t0, 63
  slli t0, t0, 7 /* the lock */
  andi t1, s5, 7
  or t0, t0, t1
  ori t0, t0, PMP_NAPOT
  slli t0, t0, 16
  li t1, (PMP_NAPOT | PMP_L | PMP_W | PMP_X) | ((PMP_NAPOT | PMP_L | PMP_R | PMP_W) << 8)
  or t0, t0, t1
  csrw pmpcfg0, t0
  csrr t1, pmpcfg0
  addi gp, gp, 1
  bne t0, t1, fail

  /* What each mode could do, in the bits R, W and X. */
  li s7, 0
  ENTER MODE_M, try_load
  jal t5, note_m
  ENTER MODE_M, try_store
  jal t5, note_m
  ENTER MODE_M, try_fetch
  jal t5, note_m
  lbu t0, 0(s4)
  addi gp, gp, 1
  bne s7, t0, fail
  li s7, 0
  ENTER MODE_S, try_load
  jal t5, note_s
  ENTER MODE_S, try_store
  jal t5, note_s
  ENTER MODE_S, try_fetch
  jal t5, note_s
  lbu t0, 1(s4)
  addi gp, gp, 1
  bne s7, t0, fail
  li s7, 0
  ENTER MODE_U, try_load
  jal t5, note_u
  ENTER MODE_U, try_store
  jal t5, note_u
  ENTER MODE_U, try_fetch
  jal t5, note_u
  lbu t0, 1(s4)
  addi gp, gp, 1
  bne s7, t0, fail

  addi s4, s4, 2
  addi s5, s5, 1
  li t0, 16
  bne s5, t0, each

  /* Without RLB no rule is added that lets M-mode execute; one for data is. */
  li t0, (PMP_NAPOT | PMP_L | PMP_W | PMP_X) | ((PMP_NAPOT | PMP_L | PMP_R | PMP_W) << 8)
  csrw pmpcfg0, t0
  csrwi MSECCFG, 0
  csrr t2, MSECCFG
  CHECK t2, MML
  li t1, (PMP_NAPOT | PMP_L | PMP_X) << 16
  or t1, t0, t1
  csrw pmpcfg0, t1
  csrr t2, pmpcfg0
  addi gp, gp, 1
  bne t2, t0, fail
  li t1, (PMP_NAPOT | PMP_R | PMP_W) << 16
  or t1, t0, t1
  csrw pmpcfg0, t1
  csrr t2, pmpcfg0
  addi gp, gp, 1
  bne t2, t1, fail
  /* With locked entries RLB does not come back. */
  csrwi MSECCFG, RLB
  csrr t2, MSECCFG
  CHECK t2, MML
  /* Where nothing matches M-mode has its data, until the whitelist policy. */
  la s6, elsewhere
  ENTER MODE_M, try_load
  CHECK s1, ECALL_M
  ENTER MODE_M, try_fetch
  CHECK s1, FETCH_ACCESS
  csrwi MSECCFG, MMWP
  csrr t2, MSECCFG
  CHECK t2, MML | MMWP
  ENTER MODE_M, try_load
  CHECK s1, LOAD_ACCESS
  CHECK_AT s3, elsewhere
  j pass

/* Shifts the answer to the last attempt, whether it ended in the mode's ecall, into s7 from above. */
note_m:
  li t0, ECALL_M
  j note
note_s:
  li t0, ECALL_S
  j note
note_u:
  li t0, ECALL_U
note:
  xor t0, t0, s1
  seqz t0, t0
  slli t0, t0, 3
  or s7, s7, t0
  srli s7, s7, 1
  jr t5

try_load:
  lw t0, 0(s6)
  ecall
try_store:
  li t0, ECALL /* for the fetch */
  sw t0, 0(s6)
  ecall
try_fetch:
  jr s6

/* By LXWR: what M-mode may do, and what the modes below may; 1 R, 2 W, 4 X. */
table:
  .byte 0, 0,  0, 1,  3, 1,  0, 3 /* ---  R--  -W-  RW- */
  .byte 0, 4,  0, 5,  3, 3,  0, 7 /* --X  R-X  -WX  RWX */
  .byte 0, 0,  1, 0,  4, 4,  3, 0 /* the same, locked */
  .byte 4, 0,  5, 0,  5, 4,  1, 1

  .bss
  .balign 0x1000
data:
  .zero 0x1000
elsewhere:
  .zero 4
