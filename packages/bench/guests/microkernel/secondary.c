// The second hart: sleeps, and answers each interrupt by one to the first.
#include "board.h"
#include "interrupts.h"
#include "ops.h"
#include "paging.h"
#include "sbi.h"

struct hart secondary_hart;

volatile uint64_t answers;

static bool is_started;
static volatile bool is_ready;

void interrupt_hart(const struct hart *hart) { sbi_call(SBI_IPI, SBI_IPI_SEND, 1, hart->id, 0); }

void software_interrupt(void) {
  if (this_hart() == &boot_hart) {
    answers++;
  } else {
    interrupt_hart(&boot_hart);
  }
}

void secondary_main(void) {
  ops->take_traps(this_hart());
  ops->set_space(&kernel_space);
  ops->enable_sources(1 << INTERRUPT_SOFTWARE);
  is_ready = true;
  for (;;) {
    ops->wait();
    ops->interrupts_on();
    ops->interrupts_off();
  }
}

bool secondary_start(void) {
  if (!is_started && board.harts > 1) {
    secondary_hart.id = boot_hart.id == 0 ? 1 : 0;
    struct sbi_result started =
        sbi_call(SBI_HSM, SBI_HSM_START, secondary_hart.id, (uintptr_t)secondary_entry, (uintptr_t)&secondary_hart);
    is_started = started.error == 0;
    while (is_started && !is_ready) {
    }
  }
  return is_started;
}
