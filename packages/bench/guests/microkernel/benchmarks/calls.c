// Ways into the kernel and the monitor and back: system calls, exceptions, switches of address spaces, privileged registers, hypercalls.
#include "benchmark.h"
#include "ops.h"
#include "process.h"

// Nothing at all: what start and stop themselves cost.
static enum skip empty(const struct request *request) {
  (void)request;
  measure_start();
  measure_stop(1);
  return RAN;
}

static enum skip run_process(const struct request *request, const char *program) {
  static struct process process;
  process_create(&process);
  process_run(&process, program, 1, 0);  // what is done at the first time only is done
  measure_start();
  process_run(&process, program, request->count, 0);
  measure_stop(request->count);
  return RAN;
}

// A system call that does nothing, from a process.
static enum skip syscall(const struct request *request) { return run_process(request, user_calls); }

// A breakpoint of a process, which the kernel steps over.
static enum skip exception(const struct request *request) { return run_process(request, user_breakpoints); }

// From one process to another with an address space of its own, by a system call that yields.
static enum skip context_switch(const struct request *request) {
  static struct process processes[2];
  for (int i = 0; i < 2; i++) {
    process_create(&processes[i]);
    processes[i].next = &processes[1 - i];
    processes[i].frame.pc = USER_CODE + (uint64_t)(user_yields - user_code);
    processes[i].frame.registers[REGISTER_A0] = UINT64_MAX;  // the other one has always more to do
  }
  uint64_t rounds = (request->count + 1) / 2;
  measure_start();
  process_run(&processes[0], user_yields, rounds, 0);
  measure_stop(2 * rounds);
  return RAN;
}

// Reads the status (sstatus).
static enum skip csr_read(const struct request *request) {
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    ops->read_status();
  }
  measure_stop(request->count);
  return RAN;
}

// Writes the status with what it was.
static enum skip csr_write(const struct request *request) {
  uint64_t status = ops->read_status();
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    ops->write_status(status);
  }
  measure_stop(request->count);
  return RAN;
}

// A hypercall that does nothing but answer: out of the machine and back.
static enum skip exit_and_resume(const struct request *request) {
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    sbi_call(SBI_BASE, SBI_BASE_SPEC_VERSION, 0, 0, 0);
  }
  measure_stop(request->count);
  return RAN;
}

const struct benchmark call_benchmarks[] = {
    {"empty", empty},         {"syscall", syscall},     {"exception", exception}, {"context-switch", context_switch},
    {"csr-read", csr_read},   {"csr-write", csr_write}, {"exit", exit_and_resume}, {NULL, NULL},
};
