// Page faults: fresh anonymous memory is mapped, a byte of each page written, and the memory given back.
#include "kernel.h"
#include "syscall.h"

#define PAGE_BYTES 4096
#define MAP_BYTES (1 << 20)  // less than a huge page
#define MAPPINGS 200

const char kernel_name[] = "fault";
const uint64_t kernel_expected = (uint64_t)MAPPINGS * (MAP_BYTES / PAGE_BYTES);

uint64_t kernel(void) {
  uint64_t fresh = 0;
  for (int mapping = 0; mapping < MAPPINGS; mapping++) {
    long address = must("mmap", system_call(SYS_MMAP, 0, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    volatile char *bytes = (volatile char *)address;
    for (int at = 0; at < MAP_BYTES; at += PAGE_BYTES) {
      bytes[at] = (char)(mapping | 1);
      fresh += bytes[at + 1] == 0;
    }
    must("munmap", system_call3(SYS_MUNMAP, address, MAP_BYTES, 0));
  }
  return fresh;
}
