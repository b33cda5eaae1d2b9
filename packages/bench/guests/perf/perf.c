// Counts an event of Linux's perf while it executes two million instructions, and prints the count and how many bytes of samples
// were taken. A static Linux program for tests of performance counters.
//
//   perf TYPE CONFIG WHERE [PERIOD]     TYPE and CONFIG as in perf_event_attr, WHERE user, kernel or all; a sample every PERIOD events
#include "syscall.h"

enum { SYS_IOCTL = 29, SYS_PERF_EVENT_OPEN = 241 };
enum { PERF_EVENT_IOC_ENABLE = 0x2400, PERF_EVENT_IOC_DISABLE = 0x2401, PERF_SAMPLE_IP = 1 };
enum { MAP_SHARED = 1 };
enum { DISABLED = 1, EXCLUDE_USER = 1 << 4, EXCLUDE_KERNEL = 1 << 5 };
#define PAGE 4096
#define RING_PAGES 8
#define DATA_HEAD 1024
#define LOOPS 1000000

// The first version of the structure, which every kernel takes.
struct perf_event_attr {
  uint32_t type, size;
  uint64_t config, sample_period, sample_type, read_format, flags;
  uint32_t wakeup_events, bp_type;
  uint64_t config1;
};

static uint64_t number(const char *text) {
  uint64_t base = 10, value = 0;
  if (text[0] == '0' && text[1] == 'x') {
    base = 16;
    text += 2;
  }
  for (; *text != '\0'; text++) {
    value = value * base + (uint64_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
  }
  return value;
}

static bool is(const char *one, const char *other) { return strcmp(one, other) == 0; }

static void work(void) {
  long left = LOOPS;
  __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(left));
}

int main(int argc, char **argv) {
  if (argc < 4 || argc > 5) {
    printf("usage: perf TYPE CONFIG user|kernel|all [PERIOD]\n");
    return 2;
  }
  struct perf_event_attr attr = {0};
  attr.type = (uint32_t)number(argv[1]);
  attr.size = sizeof attr;
  attr.config = number(argv[2]);
  attr.flags = DISABLED | (is(argv[3], "user") ? EXCLUDE_KERNEL : is(argv[3], "kernel") ? EXCLUDE_USER : 0);
  if (argc == 5) {
    attr.sample_period = number(argv[4]);
    attr.sample_type = PERF_SAMPLE_IP;
  }
  long event = must("perf_event_open", system_call(SYS_PERF_EVENT_OPEN, (long)&attr, 0, -1, -1, 0));
  volatile uint64_t *ring = 0;
  if (argc == 5) {
    long length = (1 + RING_PAGES) * PAGE;
    ring = (volatile uint64_t *)must("mmap", system_call(SYS_MMAP, 0, length, PROT_READ | PROT_WRITE, MAP_SHARED, event));
  }
  must("enable", system_call3(SYS_IOCTL, event, PERF_EVENT_IOC_ENABLE, 0));
  work();
  must("disable", system_call3(SYS_IOCTL, event, PERF_EVENT_IOC_DISABLE, 0));
  uint64_t count = 0;
  must("read", system_call3(SYS_READ, event, (long)&count, sizeof count));
  printf("%ld %ld\n", (long)count, ring == 0 ? 0 : (long)ring[DATA_HEAD / 8]);
  return 0;
}
