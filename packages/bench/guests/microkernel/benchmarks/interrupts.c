// Interrupts: the timer's, and those that harts send to each other; and the fence that one hart asks of another.
#include "interrupts.h"

#include "benchmark.h"
#include "board.h"
#include "frames.h"
#include "ops.h"

volatile uint64_t timer_interrupts;

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

// --- The second hart: waits, and answers interrupts. ---

struct hart secondary_hart;

static bool secondary_runs;
static volatile bool secondary_ready;
static volatile uint64_t answers;

static void send(const struct hart *to) { sbi_call(SBI_IPI, SBI_IPI_SEND, 1, to->id, 0); }

void software_interrupt(void) {
  if (this_hart() == &boot_hart) {
    answers++;
  } else {
    send(&boot_hart);
  }
}

void secondary_main(void) {
  ops->take_traps(this_hart());
  ops->set_space(&kernel_space);
  ops->enable_sources(1 << INTERRUPT_SOFTWARE);
  secondary_ready = true;
  for (;;) {
    ops->wait();
    ops->interrupts_on();
    ops->interrupts_off();
  }
}

bool secondary_start(void) {
  if (!secondary_runs && board.harts > 1) {
    secondary_hart.id = boot_hart.id == 0 ? 1 : 0;
    struct sbi_result started =
        sbi_call(SBI_HSM, SBI_HSM_START, secondary_hart.id, (uintptr_t)secondary_entry, (uintptr_t)&secondary_hart);
    secondary_runs = started.error == 0;
    while (secondary_runs && !secondary_ready) {
    }
  }
  return secondary_runs;
}

// There and back.
static enum skip ipi(const struct request *request) {
  if (!secondary_start()) {
    return SKIP_NO_DEVICE;
  }
  ops->enable_sources(1 << INTERRUPT_SOFTWARE);
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    uint64_t before = answers;
    send(&secondary_hart);
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
