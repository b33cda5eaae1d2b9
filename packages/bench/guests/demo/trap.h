// The demo's trap handler: keeps what the last trap left, steps over the instruction that caused it, and goes on.
#ifndef TRAP_H
#define TRAP_H

#include "runtime.h"

struct trap {
  uint64_t count;
  uint64_t cause, value, pc, status;
  uint64_t registers[32];  // x0 to x31 as they were at the trapping instruction
};

extern volatile struct trap last_trap;

// In trap.S: takes every trap in M-mode.
void trap_entry(void);

#endif
