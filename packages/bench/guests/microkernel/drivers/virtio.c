#include "virtio.h"

#include "devices.h"
#include "panic.h"
#include "pci.h"

#define VENDOR 0x1af4
#define FIRST_DEVICE 0x1040  // and the type (4.1.2.1)

// Capabilities that say where a structure lies (4.1.4).
enum { CAPABILITIES = 0x34, CAPABILITY_VENDOR = 0x09 };
enum { CAP_NEXT = 1, CAP_STRUCTURE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_NOTIFY_MULTIPLIER = 16 };
enum { STRUCTURE_COMMON = 1, STRUCTURE_NOTIFY = 2, STRUCTURE_DEVICE = 4 };

// The common configuration structure (4.1.4.3).
enum {
  DRIVER_FEATURE_SELECT = 0x08,
  DRIVER_FEATURE = 0x0c,
  STATUS = 0x14,
  QUEUE_SELECT = 0x16,
  QUEUE_SIZE = 0x18,
  QUEUE_ENABLE = 0x1c,
  QUEUE_NOTIFY_OFFSET = 0x1e,
  QUEUE_DESCRIPTORS = 0x20,
  QUEUE_AVAILABLE = 0x28,
  QUEUE_USED = 0x30,
};
enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8 };
enum { FEATURE_VERSION_1_HIGH = 1 };  // bit 32: the only feature that is taken

enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_FOR_DEVICE = 2 };
enum { NO_INTERRUPT = 1, NO_NOTIFY = 1 };

static void find_structures(const struct pci_function *function, struct virtio_device *device) {
  const volatile uint8_t *space = function->configuration;
  for (uint8_t at = read8(space + CAPABILITIES); at != 0; at = read8(space + at + CAP_NEXT)) {
    if (read8(space + at) != CAPABILITY_VENDOR || read8(space + at + CAP_BAR) != 0) {
      continue;
    }
    volatile uint8_t *start = function->memory + read32(space + at + CAP_OFFSET);
    switch (read8(space + at + CAP_STRUCTURE)) {
      case STRUCTURE_COMMON:
        device->common = start;
        break;
      case STRUCTURE_NOTIFY:
        device->notify = start;
        device->notify_multiplier = read32(space + at + CAP_NOTIFY_MULTIPLIER);
        break;
      case STRUCTURE_DEVICE:
        device->configuration = start;
        break;
      default:
        break;
    }
  }
}

bool virtio_open(uint16_t type, struct virtio_device *device) {
  struct pci_function function;
  if (!pci_open(VENDOR, FIRST_DEVICE + type, 0, &function)) {
    return false;
  }
  find_structures(&function, device);
  volatile uint8_t *common = device->common;
  if (common == NULL || device->notify == NULL) {
    panic("a virtio device without its structures");
  }
  write8(common + STATUS, 0);
  write8(common + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
  for (uint32_t half = 0; half < 2; half++) {
    write32(common + DRIVER_FEATURE_SELECT, half);
    write32(common + DRIVER_FEATURE, half == 1 ? FEATURE_VERSION_1_HIGH : 0);
  }
  write8(common + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
  if ((read8(common + STATUS) & STATUS_FEATURES_OK) == 0) {
    panic("a virtio device refuses its driver");
  }
  return true;
}

void virtio_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue) {
  volatile uint8_t *common = device->common;
  write16(common + QUEUE_SELECT, index);
  if (read16(common + QUEUE_SIZE) < VIRTQUEUE_ENTRIES) {
    panic("virtio queue %u is too short", index);
  }
  queue->available.flags = NO_INTERRUPT;
  write16(common + QUEUE_SIZE, VIRTQUEUE_ENTRIES);
  write_address(common + QUEUE_DESCRIPTORS, queue->descriptors);
  write_address(common + QUEUE_AVAILABLE, &queue->available);
  write_address(common + QUEUE_USED, &queue->used);
  queue->doorbell = device->notify + read16(common + QUEUE_NOTIFY_OFFSET) * device->notify_multiplier;
  write16(common + QUEUE_ENABLE, 1);
}

void virtio_ready(struct virtio_device *device) {
  write8(device->common + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

void virtqueue_put(struct virtqueue *queue, const struct virtio_piece *pieces, size_t count) {
  uint16_t head = queue->next_descriptor;
  uint16_t at = head;
  for (size_t i = 0; i < count; i++) {
    uint16_t next = (at + 1) % VIRTQUEUE_ENTRIES;
    queue->descriptors[at] = (struct virtio_descriptor){
        .address = (uintptr_t)pieces[i].start,
        .bytes = (uint32_t)pieces[i].bytes,
        .flags = (i + 1 < count ? DESCRIPTOR_NEXT : 0) | (pieces[i].is_for_device ? DESCRIPTOR_FOR_DEVICE : 0),
        .next = next,
    };
    at = next;
  }
  queue->next_descriptor = at;
  queue->available.ring[queue->available.index % VIRTQUEUE_ENTRIES] = head;
  device_fence();
  queue->available.index++;
}

void virtqueue_tell(struct virtqueue *queue) {
  device_fence();
  if ((*(volatile uint16_t *)&queue->used.flags & NO_NOTIFY) == 0) {
    write16(queue->doorbell, 0);
  }
}

void virtqueue_take(struct virtqueue *queue) {
  while (*(volatile uint16_t *)&queue->used.index == queue->seen_used) {
  }
  device_fence();
  queue->seen_used++;
}
