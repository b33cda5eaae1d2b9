// Harts: the first one runs the benchmarks, a second answers those that need one. In the kernel, tp points to the hart's own.
#ifndef HART_H
#define HART_H

#define STACK_BYTES 0x4000
#define HARTS_MAX 2
#define HART_AREA 8  // offset of struct hart's area, for assembly

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vcpu_area;

struct hart {
  uint64_t id;
  struct vcpu_area *area;  // what it shares with the monitor, where that is paravirtual
};

_Static_assert(offsetof(struct hart, area) == HART_AREA, "trap-hypercall.S reads it");

extern struct hart boot_hart, secondary_hart;

static inline struct hart *this_hart(void) {
  struct hart *hart;
  __asm__("mv %0, tp" : "=r"(hart));
  return hart;
}

// Starts the second hart unless it runs already; false where there is none.
bool secondary_start(void);

// boot.S: where harts begin that are started by SBI.
extern const char secondary_entry[];
#endif

#endif
