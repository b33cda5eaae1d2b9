// A virtio network card (virtio 1.2, 5.1) without any offload: each frame stands behind a header of zeros.
#include "devices.h"
#include "virtio.h"

#define HEADER_BYTES 12

enum { RECEIVE_QUEUE = 0, TRANSMIT_QUEUE = 1 };

static struct virtqueue incoming, outgoing;
static uint8_t buffers[CARD_BUFFERS][2048];
static uint32_t received;  // since they were given back

_Static_assert(CARD_BUFFERS <= VIRTQUEUE_ENTRIES, "a descriptor for each buffer");

static void put_buffers(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    struct virtio_piece piece = {buffers[i], sizeof buffers[i], true};
    virtqueue_put(&incoming, &piece, 1);
  }
  virtqueue_tell(&incoming);
}

static bool open(void) {
  static bool is_open;
  struct virtio_device device;
  if (!is_open && virtio_open(VIRTIO_NETWORK, &device)) {
    virtio_queue(&device, RECEIVE_QUEUE, &incoming);
    virtio_queue(&device, TRANSMIT_QUEUE, &outgoing);
    virtio_ready(&device);
    put_buffers(CARD_BUFFERS);
    is_open = true;
  }
  return is_open;
}

static void send(const void *frame, size_t bytes) {
  static const uint8_t header[HEADER_BYTES];
  const struct virtio_piece pieces[] = {{header, sizeof header, false}, {frame, bytes, false}};
  virtqueue_put(&outgoing, pieces, 2);
  virtqueue_tell(&outgoing);
  virtqueue_take(&outgoing);
}

static void receive(void) {
  virtqueue_take(&incoming);
  received++;
}

// Frames are not looked at: any buffer is as good as another, as long as so many are with the card.
static void give_back(void) {
  put_buffers(received);
  received = 0;
}

const struct card virtio_card = {"virtio", open, send, receive, give_back};
