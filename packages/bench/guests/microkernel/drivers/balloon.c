// A virtio balloon (virtio 1.2, 5.5): requests are arrays of page numbers; the driver tells how large the balloon is.
#include "devices.h"
#include "paging.h"
#include "pci.h"
#include "virtio.h"

#define ACTUAL 4  // in the configuration: pages in the balloon

enum { INFLATE_QUEUE = 0, DEFLATE_QUEUE = 1 };

static struct virtqueue inflations, deflations;
static volatile uint8_t *configuration;
static uint32_t inflated;

bool balloon_open(void) {
  struct virtio_device device;
  if (configuration == NULL && virtio_open(VIRTIO_BALLOON, &device)) {
    virtio_queue(&device, INFLATE_QUEUE, &inflations);
    virtio_queue(&device, DEFLATE_QUEUE, &deflations);
    virtio_ready(&device);
    configuration = device.configuration;
  }
  return configuration != NULL;
}

static void request(struct virtqueue *queue, const void *pages, size_t count) {
  static uint32_t numbers[BALLOON_PAGES];
  for (size_t i = 0; i < count; i++) {
    numbers[i] = (uint32_t)((uintptr_t)pages / PAGE_BYTES + i);
  }
  struct virtio_piece piece = {numbers, count * sizeof numbers[0], false};
  virtqueue_put(queue, &piece, 1);
  virtqueue_tell(queue);
  virtqueue_take(queue);
  write32(configuration + ACTUAL, inflated);
}

void balloon_inflate(const void *pages, size_t count) {
  inflated += (uint32_t)count;
  request(&inflations, pages, count);
}

void balloon_deflate(const void *pages, size_t count) {
  inflated -= (uint32_t)count;
  request(&deflations, pages, count);
}
