#include "uart.h"

#define UART ((volatile uint8_t *)0x10000000)
#define FINISHER ((volatile uint32_t *)0x100000)

enum { RECEIVE = 0, TRANSMIT = 0, INTERRUPT_ENABLE = 1, LINE_CONTROL = 3, LINE_STATUS = 5 };
enum { DATA_READY = 0x01, TRANSMIT_EMPTY = 0x20 };
enum { EIGHT_BITS = 0x03 };
enum { FINISH_POWER_OFF = 0x5555, FINISH_REBOOT = 0x7777 };

#define CTRL_C 0x03
#define TYPED_AHEAD_MAX 256  // beyond this, bytes stay in the UART, and Ctrl-C behind them is not seen

static bool configured;

// Bytes that uart_interrupted met on its way: from typed_ahead[first], count of them.
static uint8_t typed_ahead[TYPED_AHEAD_MAX];
static uint32_t first, count;

// The baud rate is left as it is: neither QEMU nor hartvisor has a line behind it. So is the FIFO: switching it on drops what was typed
// before.
static void configure(void) {
  UART[INTERRUPT_ENABLE] = 0;
  UART[LINE_CONTROL] = EIGHT_BITS;
  configured = true;
}

static bool pending(void) { return (UART[LINE_STATUS] & DATA_READY) != 0; }

uint8_t uart_read(void) {
  if (count > 0) {
    uint8_t byte = typed_ahead[first];
    first = (first + 1) % TYPED_AHEAD_MAX;
    count--;
    return byte;
  }
  while (!pending()) {
  }
  return UART[RECEIVE];
}

bool uart_interrupted(void) {
  while (count < TYPED_AHEAD_MAX && pending()) {
    uint8_t byte = UART[RECEIVE];
    if (byte == CTRL_C) {
      count = 0;
      return true;
    }
    typed_ahead[(first + count) % TYPED_AHEAD_MAX] = byte;
    count++;
  }
  return false;
}

static void transmit(uint8_t byte) {
  while ((UART[LINE_STATUS] & TRANSMIT_EMPTY) == 0) {
  }
  UART[TRANSMIT] = byte;
}

void putchar(char character) {
  if (!configured) {
    configure();
  }
  if (character == '\n') {
    transmit('\r');
  }
  transmit((uint8_t)character);
}

__attribute__((noreturn)) static void finish(uint32_t how) {
  __asm__ volatile("fence" : : : "memory");
  *FINISHER = how;
  for (;;) {
    __asm__ volatile("wfi");
  }
}

void power_off(void) { finish(FINISH_POWER_OFF); }

void reboot(void) { finish(FINISH_REBOOT); }

// The runtime's way out, for a trap before the demo has a handler of its own: QEMU's finisher takes a code in the upper half.
void exit(int code) { finish(code == 0 ? FINISH_POWER_OFF : (uint32_t)code << 16 | 0x3333); }
