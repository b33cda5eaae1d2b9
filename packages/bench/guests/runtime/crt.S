/* Entry of every bare-metal guest here: M-mode, a0 = hart id, a1 = device tree, as Spike and QEMU start a program. Hart 0 clears
 * .bss and calls main(hart, tree); its result goes to exit(). The other harts wait in wfi, unless the program defines
 * secondary_main(hart, tree): then they run it as soon as hart 0 sets `harts_released`. */

#define HARTS_MAX 8
#define HART0_STACK_BYTES 0x40000
#define HART_STACK_SHIFT 13
#define MSTATUS_FS_INITIAL 0x2000
#define UNEXPECTED_TRAP_CODE 64

  .section .text.init, "ax"
  .globl _start
_start:
  .option push
  .option norelax /* gp cannot be loaded relative to itself */
  la gp, __global_pointer$
  .option pop
  la t0, unexpected_trap
  csrw mtvec, t0
  li t0, MSTATUS_FS_INITIAL
  csrs mstatus, t0
  fscsr zero
  li t0, HARTS_MAX
  bgeu a0, t0, park
  bnez a0, secondary

  la sp, hart0_stack_top
  la t0, bss_start
  la t1, bss_end
clear_bss:
  bgeu t0, t1, run_main
  sd zero, 0(t0)
  addi t0, t0, 8
  j clear_bss
run_main:
  call main
  call exit

secondary:
  .weak secondary_main
  lla t0, secondary_main_address /* a weak symbol may be out of reach of auipc, so its address is kept as data */
  ld t0, 0(t0)
  beqz t0, park
  la sp, hart_stacks
  slli t1, a0, HART_STACK_SHIFT /* hart 1 has the first stack, and stacks grow down: its top is one stack up */
  add sp, sp, t1
  la t1, harts_released
1:
  lw t2, 0(t1)
  beqz t2, 1b
  fence rw, rw
  jalr t0
park:
  csrw mie, zero
1:
  wfi
  j 1b

/* A trap that the program did not expect ends it, with the cause in the exit code. */
  .balign 4
unexpected_trap:
  csrr a0, mcause
  andi a0, a0, 31
  addi a0, a0, UNEXPECTED_TRAP_CODE
  j exit

  .section .rodata.crt, "a"
  .balign 8
secondary_main_address:
  .dword secondary_main

  .section .data.crt, "aw"
  .balign 4
  .globl harts_released
harts_released:
  .word 0

  .section .stack, "aw", @nobits
  .balign 16
  .skip HART0_STACK_BYTES
hart0_stack_top:
hart_stacks:
  .skip (HARTS_MAX - 1) << HART_STACK_SHIFT
