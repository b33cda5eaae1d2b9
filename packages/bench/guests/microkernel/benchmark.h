// What a benchmark is: set up, measure_start, so many operations, measure_stop, tear down.
#ifndef BENCHMARK_H
#define BENCHMARK_H

#include <stdbool.h>
#include <stdint.h>

#include "measure.h"

#define ARGUMENTS_MAX 4

struct request {
  const char *name;
  uint64_t count;  // operations, at least 1; a benchmark may do fewer, and says so to measure_stop
  const char *arguments[ARGUMENTS_MAX];
  uint32_t argument_count;
};

struct benchmark {
  const char *name;
  // RAN, or why not.
  enum skip (*run)(const struct request *request);
};

// The nth argument as a number, or a default if there is none.
uint64_t request_number(const struct request *request, uint32_t nth, uint64_t otherwise);

// The nth argument, or "".
const char *request_word(const struct request *request, uint32_t nth);

// Each file's benchmarks, up to one without a name.
extern const struct benchmark call_benchmarks[], paging_benchmarks[], interrupt_benchmarks[], device_benchmarks[];

#endif
