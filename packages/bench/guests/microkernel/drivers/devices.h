// Devices by what they are for, whatever they are. All are polled: nothing is measured but the way of a request to the device and back.
#ifndef DEVICES_H
#define DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console {
  const char *name;
  bool (*open)(void);  // false if there is none; may be called again
  void (*write)(const char *text, size_t bytes);
};

struct disk {
  const char *name;
  bool (*open)(void);
  uint64_t (*bytes)(void);
  // Pages of memory in a row, at most MAX_READ_BYTES, from a place on the disk that is a multiple of 512.
  void (*read)(uint64_t place, void *pages, size_t bytes);
};

struct card {
  const char *name;
  bool (*open)(void);
  void (*send)(const void *frame, size_t bytes);  // returns when the card has taken it
  void (*receive)(void);                          // waits for a frame, at most CARD_BUFFERS of them between two calls of give_back
  void (*give_back)(void);                        // the buffers of all frames that were received
};

// A balloon of memory: false if there is none.
bool balloon_open(void);
// Gives pages in a row to the host, or takes them back; at most BALLOON_PAGES.
void balloon_inflate(const void *pages, size_t count);
void balloon_deflate(const void *pages, size_t count);

#define BALLOON_PAGES 256
#define MAX_READ_BYTES (1 << 20)
#define CARD_BUFFERS 64
#define FRAME_BYTES_MAX 1514  // without its checksum

extern const struct console uart_console, sbi_console, virtio_console;
extern const struct disk nvme_disk, virtio_disk;
extern const struct card e1000_card, virtio_card;

// Accesses to memory before come before accesses to a device after, and the other way round.
static inline void device_fence(void) { __asm__ volatile("fence iorw, iorw" : : : "memory"); }

#endif
