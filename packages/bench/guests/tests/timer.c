// Takes three machine timer interrupts of the CLINT, the first in wfi, the others in a loop, and exits 0. Exit 1: another trap came;
// 2: an interrupt came before its time; 3: none came in a second.
#include "runtime.h"

#define MTIMECMP ((volatile uint64_t *)0x2004000)
#define MTIME ((volatile uint64_t *)0x200bff8)
#define DELAY_TICKS 10000      // 1 ms at the 10 MHz of Spike's and QEMU's boards
#define PATIENCE_TICKS 10000000
#define INTERRUPTS 3
#define MACHINE_TIMER 7
#define CAUSE_INTERRUPT (UINT64_C(1) << 63)
#define MSTATUS_MIE 8

static volatile uint32_t taken;
static volatile uint64_t deadline;

static void arm(void) {
  deadline = *MTIME + DELAY_TICKS;
  *MTIMECMP = deadline;
}

__attribute__((interrupt("machine"), aligned(4))) static void trap(void) {
  if (READ_CSR(mcause) != (CAUSE_INTERRUPT | MACHINE_TIMER)) {
    exit(1);
  }
  if (*MTIME < deadline) {
    exit(2);
  }
  *MTIMECMP = UINT64_MAX;
  taken++;
}

int main(void) {
  *MTIMECMP = UINT64_MAX;
  WRITE_CSR(mtvec, (uintptr_t)trap);
  SET_CSR(mie, UINT64_C(1) << MACHINE_TIMER);

  // Interrupts stay off until wfi is past, so that the interrupt cannot slip in before it: wfi resumes on a pending one all the same.
  arm();
  while ((READ_CSR(mip) & UINT64_C(1) << MACHINE_TIMER) == 0) {
    __asm__ volatile("wfi");
  }
  SET_CSR(mstatus, MSTATUS_MIE);

  for (uint32_t wanted = 2; wanted <= INTERRUPTS; wanted++) {
    arm();
    while (taken < wanted) {
      if (*MTIME > deadline + PATIENCE_TICKS) {
        return 3;
      }
    }
  }
  printf("timer: %u interrupts\n", taken);
  return 0;
}
