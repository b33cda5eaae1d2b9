// What interrupts of the kernel leave behind.
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include <stdint.h>

#include "hart.h"

// How many the timer sent, to any hart.
extern volatile uint64_t timer_interrupts;

// How many the second hart sent to the first.
extern volatile uint64_t answers;

// A hart was interrupted by the other one: the second answers.
void software_interrupt(void);

void interrupt_hart(const struct hart *hart);

#endif
