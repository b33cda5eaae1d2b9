// Interrupts: the timer's, and those that harts send to each other; and the fence that one hart asks of another.
#include "interrupts.h"

#include "benchmark.h"
#include "ops.h"

// --- The timer: set to what is now, and taken. ---

static enum skip timer(const struct request *request) {
  ops->set_timer(UINT64_MAX);
  ops->enable_sources(1 << INTERRUPT_TIMER);
  ops->interrupts_on();
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    uint64_t before = timer_interrupts;
    ops->set_timer(time_now());
    while (timer_interrupts == before) {
    }
  }
  measure_stop(request->count);
  ops->interrupts_off();
  ops->enable_sources(0);
  return RAN;
}

// --- Harts: one interrupts the other, which answers. ---

// There and back.
static enum skip ipi(const struct request *request) {
  if (!secondary_start()) {
    return SKIP_NO_DEVICE;
  }
  ops->enable_sources(1 << INTERRUPT_SOFTWARE);
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    uint64_t before = answers;
    interrupt_hart(&secondary_hart);
    while (answers == before) {
      ops->wait();
      ops->interrupts_on();
      ops->interrupts_off();
    }
  }
  measure_stop(request->count);
  ops->enable_sources(0);
  return RAN;
}

// The other hart forgets its translations of a page.
static enum skip flush_remote(const struct request *request) {
  if (!secondary_start()) {
    return SKIP_NO_DEVICE;
  }
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    sbi_call4(SBI_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, secondary_hart.id, WINDOW, PAGE_BYTES);
  }
  measure_stop(request->count);
  return RAN;
}

const struct benchmark interrupt_benchmarks[] = {
    {"timer", timer},
    {"ipi", ipi},
    {"tlb-flush-remote", flush_remote},
    {NULL, NULL},
};
