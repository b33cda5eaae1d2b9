// What interrupts of the kernel do, apart from being taken.
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include <stdint.h>

extern volatile uint64_t timer_interrupts;

// Another hart sent one.
void software_interrupt(void);

#endif
