// Virtio devices on PCI with split queues (virtio 1.2, 2.7, 3.1 and 4.1), used without interrupts.
#ifndef VIRTIO_H
#define VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTQUEUE_ENTRIES 64

enum { VIRTIO_NETWORK = 1, VIRTIO_BLOCK = 2, VIRTIO_CONSOLE = 3, VIRTIO_BALLOON = 5 };

struct virtio_descriptor {
  uint64_t address;
  uint32_t bytes;
  uint16_t flags;
  uint16_t next;
};

// A queue, whose descriptors are used in order: at most VIRTQUEUE_ENTRIES are with the device.
struct virtqueue {
  struct virtio_descriptor descriptors[VIRTQUEUE_ENTRIES] __attribute__((aligned(16)));
  struct {
    uint16_t flags, index, ring[VIRTQUEUE_ENTRIES];
  } available __attribute__((aligned(2)));
  struct {
    uint16_t flags, index;
    struct {
      uint32_t head, bytes;
    } ring[VIRTQUEUE_ENTRIES];
  } used __attribute__((aligned(4)));
  uint16_t next_descriptor, seen_used;
  volatile uint8_t *doorbell;
};

struct virtio_device {
  volatile uint8_t *common, *notify, *configuration;
  uint32_t notify_multiplier;
};

// One piece of a request.
struct virtio_piece {
  const void *start;
  size_t bytes;
  bool is_for_device;  // to be written by it
};

// Finds a device of a type and begins with it; its queues and virtio_ready have to follow. False if there is none.
bool virtio_open(uint16_t type, struct virtio_device *device);

void virtio_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue);

void virtio_ready(struct virtio_device *device);

// Puts a request into the queue; virtqueue_tell hands all that were put over to the device.
void virtqueue_put(struct virtqueue *queue, const struct virtio_piece *pieces, size_t count);
void virtqueue_tell(struct virtqueue *queue);

// Waits until the device is done with the next request.
void virtqueue_take(struct virtqueue *queue);

#endif
