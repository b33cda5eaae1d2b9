// Console and exit by HTIF. The host clears tohost when it has taken a request (Spike, fesvr/htif.cc).
#include "htif.h"
#include "runtime.h"

#define CONSOLE_PUTCHAR (UINT64_C(0x0101) << 48)

__attribute__((section(".tohost"), aligned(64))) volatile uint64_t tohost;
__attribute__((section(".tohost"), aligned(64))) volatile uint64_t fromhost;

void htif_send(uint64_t request) {
  while (tohost != 0) {
    fromhost = 0;
  }
  tohost = request;
}

void putchar(char character) { htif_send(CONSOLE_PUTCHAR | (uint8_t)character); }

void exit(int code) {
  htif_send((uint64_t)(uint32_t)code << 1 | 1);
  for (;;) {
  }
}
