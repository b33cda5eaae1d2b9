// Consoles: a 16550A, the SBI's debug console, a virtio console.
#include "board.h"
#include "devices.h"
#include "pci.h"
#include "sbi.h"
#include "virtio.h"

// --- The 16550A (National Semiconductor PC16550D): a register write for each byte. ---

enum { TRANSMIT = 0, INTERRUPT_ENABLE = 1, FIFO_CONTROL = 2, LINE_CONTROL = 3, LINE_STATUS = 5 };
enum { FIFO_ENABLE = 0x01, EIGHT_BITS = 0x03, TRANSMIT_EMPTY = 0x20 };

#define UART_FIFO_BYTES 16  // may be written when it is empty, without a look in between

static volatile uint8_t *uart;

static bool uart_open(void) {
  if (uart == NULL && board.uart != 0) {
    uart = (volatile uint8_t *)board.uart;
    write8(uart + INTERRUPT_ENABLE, 0);
    write8(uart + LINE_CONTROL, EIGHT_BITS);
    write8(uart + FIFO_CONTROL, FIFO_ENABLE);
  }
  return uart != NULL;
}

static void uart_write(const char *text, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    while (i % UART_FIFO_BYTES == 0 && (read8(uart + LINE_STATUS) & TRANSMIT_EMPTY) == 0) {
    }
    write8(uart + TRANSMIT, (uint8_t)text[i]);
  }
}

const struct console uart_console = {"uart", uart_open, uart_write};

// --- SBI DBCN (SBI 2.0, chapter 12): a call for all bytes. ---

static bool sbi_open(void) { return true; }

static void sbi_write(const char *text, size_t bytes) {
  if (bytes == 1) {
    sbi_call(SBI_DBCN, SBI_DBCN_WRITE_BYTE, (uint8_t)*text, 0, 0);
    return;
  }
  for (size_t done = 0; done < bytes;) {
    struct sbi_result result = sbi_call(SBI_DBCN, SBI_DBCN_WRITE, bytes - done, (uintptr_t)text + done, 0);
    if (result.error != 0) {
      return;
    }
    done += result.value;
  }
}

const struct console sbi_console = {"sbi", sbi_open, sbi_write};

// --- Virtio (virtio 1.2, 5.3), without several ports: a notification for all bytes. ---

#define VIRTIO_TRANSMIT 1

static struct virtqueue virtio_output;

static bool virtio_console_open(void) {
  static bool is_open;
  struct virtio_device device;
  if (!is_open && virtio_open(VIRTIO_CONSOLE, &device)) {
    virtio_queue(&device, VIRTIO_TRANSMIT, &virtio_output);
    virtio_ready(&device);
    is_open = true;
  }
  return is_open;
}

static void virtio_console_write(const char *text, size_t bytes) {
  struct virtio_piece piece = {text, bytes, false};
  virtqueue_put(&virtio_output, &piece, 1);
  virtqueue_tell(&virtio_output);
  virtqueue_take(&virtio_output);
}

const struct console virtio_console = {"virtio", virtio_console_open, virtio_console_write};
