// The smallest guest of the benchmark ABI, to write one's own after: a kernel without page tables or traps, which knows two benchmarks
// besides the empty one. bench/examples/first.mjs defines them for `hartvisor bench`.
#include "hvb.h"
#include "runtime.h"

#define STACK_BYTES 4096
#define REQUEST_BYTES 256
#define SBI_BASE 0x10
#define SBI_GET_SPEC_VERSION 0
#define SBI_SRST 0x53525354

// Which techniques it can run under: it uses no privileged instruction but ecall, so natively in S-mode (1) and paravirtually (2).
__asm__(
    ".pushsection .note.hartvisor, \"a\", @note\n"
    ".balign 4\n"
    ".word 10, 4, 1\n" // length of the name, of the description; type
    ".asciz \"hartvisor\"\n"
    ".balign 4\n"
    ".word 3\n"
    ".popsection\n");

static char stack[STACK_BYTES] __attribute__((used, aligned(16)));

// Hart 0 begins here, with translation off; the others are stopped.
__attribute__((naked, noreturn, section(".text.init"))) void _start(void) {
  __asm__("la sp, stack + %0\n j run" : : "i"(STACK_BYTES));
}

static uint64_t number(const char *text) {
  uint64_t value = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    value = value * 10 + (uint64_t)(*text - '0');
  }
  return value;
}

__attribute__((noreturn, used)) static void run(void) {
  static char request[REQUEST_BYTES];
  while (hvb_next(request, sizeof request) > 0) {
    char *end = request;
    while (*end != ' ') {
      end++;
    }
    *end = 0;
    uint64_t count = number(end + 1);

    if (strcmp(request, "empty") == 0) {
      hvb_start();
      hvb_stop(1);
    } else if (strcmp(request, "loop") == 0) {
      hvb_start();
      for (uint64_t n = 0; n < count; n++) {
        __asm__ volatile("" : : : "memory");
      }
      hvb_stop(count);
    } else if (strcmp(request, "sbi-call") == 0) {
      hvb_start();
      for (uint64_t n = 0; n < count; n++) {
        sbi_call(SBI_BASE, SBI_GET_SPEC_VERSION, 0, 0);
      }
      hvb_stop(count);
    } else {
      hvb_skip(HVB_SKIP_UNKNOWN);
    }
  }
  sbi_call(SBI_SRST, 0, 0, 0);
  for (;;) {
  }
}
