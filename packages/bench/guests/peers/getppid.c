// The shortest system call.
#include "kernel.h"
#include "syscall.h"

#define CALLS 400000

const char kernel_name[] = "getppid";
const uint64_t kernel_expected = CALLS;

uint64_t kernel(void) {
  uint64_t same = 0;
  long parent = system_call3(SYS_GETPPID, 0, 0, 0);
  for (int call = 0; call < CALLS; call++) {
    same += system_call3(SYS_GETPPID, 0, 0, 0) == parent;
  }
  return same;
}
