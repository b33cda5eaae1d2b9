// The end of a kernel that finds itself mistaken.
#ifndef PANIC_H
#define PANIC_H

#include "runtime.h"

// Prints a line to the debug console and ends the machine as failed.
#define panic(...) (printf("kernel: "), printf(__VA_ARGS__), end_failed())

__attribute__((noreturn)) void end_failed(void);

#endif
