// A virtio disk (virtio 1.2, 5.2): a request is a header, the data and a status.
#include "devices.h"
#include "panic.h"
#include "pci.h"
#include "virtio.h"

#define SECTOR_BYTES 512
#define REQUEST_QUEUE 0
#define CAPACITY 0  // in the configuration: sectors

enum { REQUEST_READ = 0, REQUEST_OK = 0 };

static struct virtqueue requests;
static uint64_t capacity;

static bool open(void) {
  struct virtio_device device;
  if (capacity == 0 && virtio_open(VIRTIO_BLOCK, &device)) {
    virtio_queue(&device, REQUEST_QUEUE, &requests);
    virtio_ready(&device);
    uint64_t high = read32(device.configuration + CAPACITY + 4);
    capacity = (high << 32 | read32(device.configuration + CAPACITY)) * SECTOR_BYTES;
  }
  return capacity != 0;
}

static uint64_t disk_bytes(void) { return capacity; }

static void read(uint64_t place, void *pages, size_t bytes) {
  static struct {
    uint32_t type, reserved;
    uint64_t sector;
  } header;
  static volatile uint8_t status;
  header.type = REQUEST_READ;
  header.sector = place / SECTOR_BYTES;
  const struct virtio_piece pieces[] = {{&header, sizeof header, false}, {pages, bytes, true}, {(void *)&status, 1, true}};
  virtqueue_put(&requests, pieces, 3);
  virtqueue_tell(&requests);
  virtqueue_take(&requests);
  if (status != REQUEST_OK) {
    panic("virtio: status %u of a read at %lx", status, place);
  }
}

const struct disk virtio_disk = {"virtio", open, disk_bytes, read};
