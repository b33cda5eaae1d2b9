// Writes "hello" and a newline to file descriptor 1 by a block request (which = 64), waits for the answer in fromhost, and exits 0; 1 when
// the answer is not the number of bytes, 2 when the host's answer in fromhost is not 1.
#include "htif.h"
#include "runtime.h"

#define SYSCALL_WRITE 64
#define STANDARD_OUTPUT 1

static const char text[] = "hello\n";
static volatile uint64_t request[8] __attribute__((aligned(64)));

int main(void) {
  request[0] = SYSCALL_WRITE;
  request[1] = STANDARD_OUTPUT;
  request[2] = (uintptr_t)text;
  request[3] = sizeof text - 1;
  __asm__ volatile("fence" : : : "memory");
  fromhost = 0;
  tohost = (uintptr_t)request;
  uint64_t answer;
  while ((answer = fromhost) == 0) {
  }
  fromhost = 0;
  if (answer != 1) {
    return 2;
  }
  return request[0] == sizeof text - 1 ? 0 : 1;
}
