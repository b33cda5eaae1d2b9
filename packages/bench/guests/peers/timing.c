#include "timing.h"

#define STDIN 0

void wait_for_host(void) {
  printf("@ready\n");
  char character = 0;
  while (character != '\n') {
    if (must("read", system_call3(SYS_READ, STDIN, (long)&character, 1)) == 0) {
      exit(1);
    }
  }
}

uint64_t nanoseconds(void) {
  struct timespec now = monotonic_time();
  return (uint64_t)now.seconds * 1000000000u + (uint64_t)now.nanoseconds;
}

void report(uint64_t elapsed_ns, uint64_t result) { printf("@done %lu %016lx\n", elapsed_ns, result); }

unsigned parse_number(const char *text) {
  unsigned value = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    value = value * 10 + (unsigned)(*text - '0');
  }
  return value;
}
