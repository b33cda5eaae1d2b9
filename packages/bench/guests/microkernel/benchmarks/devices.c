// Input and output: the same pieces of work by devices that real machines have, and by those that know of the monitor.
#include "drivers/devices.h"

#include "benchmark.h"
#include "frames.h"
#include "paging.h"
#include "runtime.h"

#define BLOCK_BYTES_SMALL 4096
#define CONSOLE_BYTES_LARGE 4096
#define FRAMES_KEPT 64  // that the balloon does not get

// --- The console, in bytes and in pieces of 4 KiB. ---

static const struct console *const consoles[] = {&uart_console, &sbi_console, &virtio_console};

static enum skip console(const struct request *request, size_t bytes) {
  const struct console *chosen = NULL;
  for (size_t i = 0; i < sizeof consoles / sizeof consoles[0]; i++) {
    if (strcmp(consoles[i]->name, request_word(request, 0)) == 0) {
      chosen = consoles[i];
    }
  }
  if (chosen == NULL || !chosen->open()) {
    return SKIP_NO_DEVICE;
  }
  char *text = frames_take(1);
  memset(text, '.', bytes);
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    chosen->write(text, bytes);
  }
  measure_stop(request->count);
  return RAN;
}

static enum skip console_byte(const struct request *request) { return console(request, 1); }
static enum skip console_4k(const struct request *request) { return console(request, CONSOLE_BYTES_LARGE); }

// --- The disk, read from its beginning to its end and again. ---

static const struct disk *const disks[] = {&nvme_disk, &virtio_disk};

static enum skip block_read(const struct request *request, size_t bytes) {
  const struct disk *disk = NULL;
  for (size_t i = 0; i < sizeof disks / sizeof disks[0]; i++) {
    if (strcmp(disks[i]->name, request_word(request, 0)) == 0) {
      disk = disks[i];
    }
  }
  if (disk == NULL || !disk->open() || disk->bytes() < bytes) {
    return SKIP_NO_DEVICE;
  }
  void *pages = frames_take(bytes / PAGE_BYTES);
  uint64_t place = 0;
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    disk->read(place, pages, bytes);
    place += bytes;
    if (place + bytes > disk->bytes()) {
      place = 0;
    }
  }
  measure_stop(request->count);
  return RAN;
}

static enum skip block_read_4k(const struct request *request) { return block_read(request, BLOCK_BYTES_SMALL); }
static enum skip block_read_1m(const struct request *request) { return block_read(request, MAX_READ_BYTES); }

// --- The network: frames of a type for experiments (IEEE 802, 9.2.4). The host's end of the wire sends, if the frame begins with a
// number, so many frames back. ---

#define FRAME_TYPE_OFFSET 12
#define FRAME_PAYLOAD_OFFSET 14

static const struct card *const cards[] = {&e1000_card, &virtio_card};

static const struct card *open_card(const struct request *request) {
  for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
    if (strcmp(cards[i]->name, request_word(request, 0)) == 0 && cards[i]->open()) {
      return cards[i];
    }
  }
  return NULL;
}

static uint8_t *frame_asking_for(uint32_t answers) {
  static const uint8_t head[FRAME_PAYLOAD_OFFSET] = {
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, [FRAME_TYPE_OFFSET] = 0x88, 0xb5};
  uint8_t *frame = frames_take(1);
  memset(frame, 0, FRAME_BYTES_MAX);
  memcpy(frame, head, sizeof head);
  memcpy(frame + FRAME_PAYLOAD_OFFSET, &answers, sizeof answers);
  return frame;
}

static enum skip packet_send(const struct request *request) {
  const struct card *card = open_card(request);
  if (card == NULL) {
    return SKIP_NO_DEVICE;
  }
  const uint8_t *frame = frame_asking_for(0);
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    card->send(frame, FRAME_BYTES_MAX);
  }
  measure_stop(request->count);
  return RAN;
}

static enum skip packet_receive(const struct request *request) {
  const struct card *card = open_card(request);
  if (card == NULL) {
    return SKIP_NO_DEVICE;
  }
  const uint8_t *frame = frame_asking_for(CARD_BUFFERS);
  uint64_t rounds = (request->count + CARD_BUFFERS - 1) / CARD_BUFFERS;
  measure_start();
  for (uint64_t left = rounds; left > 0; left--) {
    card->send(frame, FRAME_BYTES_MAX);
    for (uint32_t i = 0; i < CARD_BUFFERS; i++) {
      card->receive();
    }
    card->give_back();
  }
  measure_stop(rounds * CARD_BUFFERS);
  return RAN;
}

// --- The balloon: pages that were in use, as many at once as Linux gives. What is left of memory is the most that one run can give. ---

static enum skip inflate(const struct request *request) {
  if (!balloon_open()) {
    return SKIP_NO_DEVICE;
  }
  if (frames_left() < FRAMES_KEPT + BALLOON_PAGES) {
    return SKIP_MEMORY;
  }
  uint64_t most = (frames_left() - FRAMES_KEPT) / BALLOON_PAGES;
  uint64_t wanted = (request->count + BALLOON_PAGES - 1) / BALLOON_PAGES;
  uint64_t requests = wanted < most ? wanted : most;
  uint8_t *pages = frames_take(requests * BALLOON_PAGES);
  for (uint64_t i = 0; i < requests * BALLOON_PAGES; i++) {
    pages[i * PAGE_BYTES] = 1;
  }
  measure_start();
  for (uint64_t i = 0; i < requests; i++) {
    balloon_inflate(pages + i * BALLOON_PAGES * PAGE_BYTES, BALLOON_PAGES);
  }
  measure_stop(requests * BALLOON_PAGES);
  for (uint64_t i = 0; i < requests; i++) {
    balloon_deflate(pages + i * BALLOON_PAGES * PAGE_BYTES, BALLOON_PAGES);
  }
  return RAN;
}

const struct benchmark device_benchmarks[] = {
    {"console-byte", console_byte},     {"console-4k", console_4k},   {"block-read-4k", block_read_4k},
    {"block-read-1m", block_read_1m},   {"packet-send", packet_send}, {"packet-receive", packet_receive},
    {"balloon-inflate", inflate},       {NULL, NULL},
};
