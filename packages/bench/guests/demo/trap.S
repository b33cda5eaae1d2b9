/* Saves all registers and the trap CSRs in last_trap, then resumes after the trapping instruction; an interrupt (none is enabled)
 * would resume at it. Nothing is called, so nothing needs a stack. */

#define COUNT 0
#define CAUSE 8
#define VALUE 16
#define PC 24
#define STATUS 32
#define REGISTERS 40

  .section .text.trap, "ax"
  .balign 4
  .globl trap_entry
trap_entry:
  csrw mscratch, t0
  la t0, last_trap
  .irp n, 0,1,2,3,4,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  sd x\n, REGISTERS + 8 * \n(t0)
  .endr
  csrr t1, mscratch
  sd t1, REGISTERS + 8 * 5(t0)
  ld t1, COUNT(t0)
  addi t1, t1, 1
  sd t1, COUNT(t0)
  csrr t1, mtval
  sd t1, VALUE(t0)
  csrr t1, mstatus
  sd t1, STATUS(t0)
  csrr t2, mepc
  sd t2, PC(t0)
  csrr t1, mcause
  sd t1, CAUSE(t0)
  bltz t1, 1f
  lhu t1, 0(t2) /* the low two bits of an instruction are both set when it has 32 bits, not 16 */
  not t1, t1
  andi t1, t1, 3
  seqz t1, t1
  slli t1, t1, 1
  addi t1, t1, 2
  add t2, t2, t1
  csrw mepc, t2
1:
  ld t1, REGISTERS + 8 * 6(t0)
  ld t2, REGISTERS + 8 * 7(t0)
  csrr t0, mscratch
  mret

  .section .bss.trap, "aw", @nobits
  .balign 8
  .globl last_trap
last_trap:
  .skip REGISTERS + 8 * 32
