// The host's side of a benchmark (docs/benchmarks.md, extension HVB): what to run next, and the stretch that is measured.
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sbi.h"

#define HVB 0x08485642
#define HVB_START 1
#define HVB_STOP 2
#define HVB_NEXT 3
#define HVB_SKIP 4

// Why a benchmark cannot be run here.
enum skip { RAN = 0, SKIP_UNKNOWN = 1, SKIP_NO_DEVICE = 2, SKIP_TECHNIQUE = 3, SKIP_MEMORY = 4 };

// What is measured begins as this returns,
static inline void measure_start(void) { sbi_call(HVB, HVB_START, 0, 0, 0); }

// and ends as this is called, after so many operations.
static inline void measure_stop(uint64_t operations) { sbi_call(HVB, HVB_STOP, operations, 0, 0); }

// Asks the host what to run: "name count argument ..."; false: no more.
static inline bool measure_next(char *text, size_t bytes) {
  struct sbi_result answer = sbi_call(HVB, HVB_NEXT, (uintptr_t)text, bytes, 0);
  return answer.error == 0 && answer.value > 0;
}

static inline void measure_skip(enum skip reason) { sbi_call(HVB, HVB_SKIP, (uint64_t)reason, 0, 0); }

#endif
