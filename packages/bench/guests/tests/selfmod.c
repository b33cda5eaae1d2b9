// Writes instructions and runs them. The exit code is a set of bits, one for each write that was seen:
//   1  the very next instruction, without fence.i: the ISA lets a hart see it or not
//   2  the same instruction again, after fence.i
//   4  the very next instruction, with fence.i between
//   8  an instruction that has run many times (so it may be translated), after fence.i
//  16  one half of an instruction that lies across a page boundary, after fence.i
// So 31 or 30 is right.
#include "runtime.h"

#define HOT_CALLS 100000
#define LI_A0_2 0x00200513u  // addi a0, zero, 2

// Each starts as `li a0, 1` in 32 bits.
extern uint32_t next_site[], next_fenced_site[], hot_site[];
extern uint16_t straddling_site[];

uint64_t patch_next(uint32_t instruction);
uint64_t run_next(void);
uint64_t patch_next_fenced(uint32_t instruction);
uint64_t run_hot(void);
uint64_t run_straddling(void);

__asm__(
    ".option push\n"
    ".option norvc\n"
    ".balign 64\n"
    "patch_next:\n"
    "  lla t0, next_site\n"
    "  sw a0, 0(t0)\n"
    "next_site:\n"
    "  addi a0, zero, 1\n"
    "  ret\n"
    "run_next:\n"
    "  j next_site\n"
    "patch_next_fenced:\n"
    "  lla t0, next_fenced_site\n"
    "  sw a0, 0(t0)\n"
    "  fence.i\n"
    "next_fenced_site:\n"
    "  addi a0, zero, 1\n"
    "  ret\n"
    "run_hot:\n"
    "hot_site:\n"
    "  addi a0, zero, 1\n"
    "  ret\n"
    ".balign 4096\n"
    ".skip 4088\n"
    "run_straddling:\n"
    "  nop\n"
    ".option rvc\n"
    "  c.nop\n"
    "straddling_site:\n"
    "  .2byte 0x0513, 0x0010\n"  // addi a0, zero, 1: the second half is the first of the next page
    "  ret\n"
    ".option pop\n");

int main(void) {
  int seen = 0;
  seen |= patch_next(LI_A0_2) == 2 ? 1 : 0;
  __asm__ volatile("fence.i" : : : "memory");
  seen |= run_next() == 2 ? 2 : 0;
  seen |= patch_next_fenced(LI_A0_2) == 2 ? 4 : 0;

  uint64_t sum = 0;
  for (int call = 0; call < HOT_CALLS; call++) {
    sum += run_hot();
  }
  *(volatile uint32_t *)hot_site = LI_A0_2;
  __asm__ volatile("fence.i" : : : "memory");
  for (int call = 0; call < HOT_CALLS; call++) {
    sum += run_hot();
  }
  seen |= sum == 3 * HOT_CALLS ? 8 : 0;

  sum = run_straddling();
  *(volatile uint16_t *)(straddling_site + 1) = LI_A0_2 >> 16;
  __asm__ volatile("fence.i" : : : "memory");
  seen |= sum == 1 && run_straddling() == 2 ? 16 : 0;
  return seen;
}
