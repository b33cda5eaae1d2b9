// A disk on NVMe (NVM Express 1.4): the admin queues, one pair of queues for reads, no interrupts.
#include "devices.h"
#include "paging.h"
#include "panic.h"
#include "pci.h"

#define CLASS_NVME 0x010802
#define ENTRIES 16  // of each queue
#define NAMESPACE 1

// Registers (3.1).
enum { CAP_LOW = 0x00, CAP_HIGH = 0x04, CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30, DOORBELLS = 0x1000 };
enum { CAP_STRIDE_MASK = 0xf };
enum { CC_ENABLE = 1, CC_SUBMISSION_64_BYTES = 6 << 16, CC_COMPLETION_16_BYTES = 4 << 20 };
enum { CSTS_READY = 1, CSTS_FATAL = 2 };

enum { ADMIN_CREATE_SUBMISSION = 0x01, ADMIN_CREATE_COMPLETION = 0x05, ADMIN_IDENTIFY = 0x06, READ = 0x02 };
enum { QUEUE_IS_CONTIGUOUS = 1 };

// Of an identified namespace (figure 245): blocks, and the format that they have.
enum { NAMESPACE_BLOCKS = 0, NAMESPACE_FORMAT = 26, NAMESPACE_FORMATS = 128, FORMAT_MASK = 0xf };

struct command {
  uint32_t opcode_and_id, namespace;
  uint64_t reserved, metadata;
  uint64_t prp[2];
  uint32_t words[6];  // from dword 10 on
};

struct completion {
  uint32_t result, reserved;
  uint16_t head, queue;
  uint16_t id, status;  // bit 0 of the status turns each time round the queue
};

struct queue_pair {
  struct command submissions[PAGE_BYTES / sizeof(struct command)] __attribute__((aligned(PAGE_BYTES)));
  volatile struct completion completions[PAGE_BYTES / sizeof(struct completion)] __attribute__((aligned(PAGE_BYTES)));
  volatile uint8_t *tail_doorbell, *head_doorbell;
  uint32_t tail, head;
  uint16_t phase;
};

static struct queue_pair admin, reads;
static uint8_t page[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));  // what is identified, then the list of a read's pages
static uint64_t block_bytes, blocks;

static void begin_queue(struct queue_pair *queue, volatile uint8_t *registers, uint32_t number) {
  uint32_t stride = 4u << (read32(registers + CAP_HIGH) & CAP_STRIDE_MASK);  // 3.1.24
  queue->tail_doorbell = registers + DOORBELLS + 2 * number * stride;
  queue->head_doorbell = queue->tail_doorbell + stride;
  queue->phase = 1;
}

// Submits a command and waits for its completion.
static void execute(struct queue_pair *queue, const struct command *command) {
  queue->submissions[queue->tail] = *command;
  queue->tail = (queue->tail + 1) % ENTRIES;
  device_fence();
  write32(queue->tail_doorbell, queue->tail);
  volatile struct completion *completion = &queue->completions[queue->head];
  while ((completion->status & 1) != queue->phase) {
  }
  device_fence();
  uint16_t status = completion->status >> 1;
  queue->head = (queue->head + 1) % ENTRIES;
  if (queue->head == 0) {
    queue->phase ^= 1;
  }
  write32(queue->head_doorbell, queue->head);
  if (status != 0) {
    panic("nvme: status %x of command %x", status, command->opcode_and_id);
  }
}

static void enable(volatile uint8_t *registers) {
  write32(registers + CC, 0);
  while ((read32(registers + CSTS) & CSTS_READY) != 0) {
  }
  write32(registers + AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
  write_address(registers + ASQ, admin.submissions);
  write_address(registers + ACQ, admin.completions);
  write32(registers + CC, CC_ENABLE | CC_SUBMISSION_64_BYTES | CC_COMPLETION_16_BYTES);
  while ((read32(registers + CSTS) & CSTS_READY) == 0) {
    if ((read32(registers + CSTS) & CSTS_FATAL) != 0) {
      panic("nvme: the controller does not start");
    }
  }
}

static void identify(void) {
  execute(&admin, &(struct command){.opcode_and_id = ADMIN_IDENTIFY, .namespace = NAMESPACE, .prp = {(uintptr_t)page}});
  uint32_t format = page[NAMESPACE_FORMAT] & FORMAT_MASK;
  block_bytes = UINT64_C(1) << page[NAMESPACE_FORMATS + 4 * format + 2];
  blocks = *(const uint64_t *)(page + NAMESPACE_BLOCKS);
}

static void create_queues(void) {
  const uint32_t size_and_number = (ENTRIES - 1) << 16 | 1;
  execute(&admin, &(struct command){.opcode_and_id = ADMIN_CREATE_COMPLETION,
                                    .prp = {(uintptr_t)reads.completions},
                                    .words = {size_and_number, QUEUE_IS_CONTIGUOUS}});
  execute(&admin, &(struct command){.opcode_and_id = ADMIN_CREATE_SUBMISSION,
                                    .prp = {(uintptr_t)reads.submissions},
                                    .words = {size_and_number, 1 << 16 | QUEUE_IS_CONTIGUOUS}});
}

static bool open(void) {
  struct pci_function function;
  if (blocks == 0 && pci_open(0, 0, CLASS_NVME, &function)) {
    begin_queue(&admin, function.memory, 0);
    begin_queue(&reads, function.memory, 1);
    enable(function.memory);
    identify();
    create_queues();
  }
  return blocks != 0;
}

static uint64_t disk_bytes(void) { return blocks * block_bytes; }

static void read(uint64_t place, void *pages, size_t bytes) {
  uint64_t block = place / block_bytes;
  struct command command = {
      .opcode_and_id = READ,
      .namespace = NAMESPACE,
      .prp = {(uintptr_t)pages},
      .words = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)(bytes / block_bytes - 1)},
  };
  // The second entry is the second page, or a list of all pages but the first (4.3).
  if (bytes > 2 * PAGE_BYTES) {
    uint64_t *list = (uint64_t *)page;
    for (size_t i = 1; i < bytes / PAGE_BYTES; i++) {
      list[i - 1] = (uintptr_t)pages + i * PAGE_BYTES;
    }
    command.prp[1] = (uintptr_t)list;
  } else if (bytes > PAGE_BYTES) {
    command.prp[1] = (uintptr_t)pages + PAGE_BYTES;
  }
  execute(&reads, &command);
}

const struct disk nvme_disk = {"nvme", open, disk_bytes, read};
