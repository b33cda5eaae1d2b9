// How a program and the host agree on what is measured. The program does its warm-up, prints "@ready" and waits for a line; the host
// reads the emulator's CPU time and sends one; the program does its work and prints "@done <nanoseconds> <result>".
#ifndef TIMING_H
#define TIMING_H

#include "syscall.h"

// Says that the warm-up is over, and returns when the host wants the work to begin.
void wait_for_host(void);

uint64_t nanoseconds(void);

void report(uint64_t elapsed_ns, uint64_t result);

// A decimal number.
unsigned parse_number(const char *text);

#endif
