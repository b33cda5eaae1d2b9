// The 16550A of QEMU's virt board, polled, and the test finisher beside it.
#ifndef UART_H
#define UART_H

#include "runtime.h"

// The next byte; waits for it.
uint8_t uart_read(void);

// Whether Ctrl-C has come. Other bytes are kept for uart_read; Ctrl-C drops those before it, as a terminal does.
bool uart_interrupted(void);

__attribute__((noreturn)) void power_off(void);
__attribute__((noreturn)) void reboot(void);

#endif
