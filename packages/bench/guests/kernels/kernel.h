// One benchmark program: main.c runs it between two readings of minstret and compares its result.
#ifndef KERNEL_H
#define KERNEL_H

#include "runtime.h"

extern const char kernel_name[];
extern const uint64_t kernel_expected;

uint64_t kernel(void);

#endif
