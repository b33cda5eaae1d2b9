// An Intel 82540EM network card (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual): its legacy descriptors,
// polled.
#include "devices.h"
#include "panic.h"
#include "pci.h"

#define VENDOR_INTEL 0x8086
#define DEVICE_82540EM 0x100e
#define TRANSMIT_ENTRIES 8          // a ring is a multiple of 128 bytes
#define RECEIVE_ENTRIES (CARD_BUFFERS + 8)  // one entry is never the card's: the tail would be the head

// Registers (chapter 13).
enum {
  CTRL = 0x0000,
  IMC = 0x00d8,
  RCTL = 0x0100,
  TCTL = 0x0400,
  TIPG = 0x0410,
  RDBAL = 0x2800,
  RDLEN = 0x2808,
  RDH = 0x2810,
  RDT = 0x2818,
  TDBAL = 0x3800,
  TDLEN = 0x3808,
  TDH = 0x3810,
  TDT = 0x3818,
};
enum { CTRL_LINK_UP = 1 << 6, CTRL_RESET = 1 << 26 };
// On; all frames, whoever they are for; broadcasts; buffers of 2 KiB; without the checksum.
enum { RCTL_ON = 1 << 1, RCTL_ALL = 1 << 3, RCTL_BROADCAST = 1 << 15, RCTL_STRIP_CHECKSUM = 1 << 26 };
// On; short frames filled up; collisions as 14.5.1 recommends them for full duplex.
enum { TCTL_ON = 1 << 1, TCTL_PAD = 1 << 3, TCTL_COLLISIONS = 0x0f << 4 | 0x40 << 12 };
#define TIPG_COPPER 0x0060200a  // gaps between frames (13.4.34)

enum { COMMAND_END_OF_FRAME = 1, COMMAND_ADD_CHECKSUM = 2, COMMAND_REPORT = 8 };
enum { STATUS_DONE = 1 };

struct transmit_descriptor {  // 3.3.3
  uint64_t address;
  uint16_t bytes;
  uint8_t checksum_offset, command, status, checksum_start;
  uint16_t special;
};

struct receive_descriptor {  // 3.2.3
  uint64_t address;
  uint16_t bytes, checksum;
  uint8_t status, errors;
  uint16_t special;
};

static volatile struct transmit_descriptor outgoing[TRANSMIT_ENTRIES] __attribute__((aligned(128)));
static volatile struct receive_descriptor incoming[RECEIVE_ENTRIES] __attribute__((aligned(128)));
static uint8_t buffers[RECEIVE_ENTRIES][2048] __attribute__((aligned(16)));

static volatile uint8_t *registers;
static uint32_t transmit_next, receive_next;

static void begin(volatile uint8_t *at) {
  write32(at + IMC, UINT32_MAX);
  write32(at + CTRL, CTRL_RESET);
  while ((read32(at + CTRL) & CTRL_RESET) != 0) {
  }
  write32(at + IMC, UINT32_MAX);
  write32(at + CTRL, CTRL_LINK_UP);

  write_address(at + TDBAL, outgoing);
  write32(at + TDLEN, sizeof outgoing);
  write32(at + TDH, 0);
  write32(at + TDT, 0);
  write32(at + TIPG, TIPG_COPPER);
  write32(at + TCTL, TCTL_ON | TCTL_PAD | TCTL_COLLISIONS);

  for (uint32_t i = 0; i < RECEIVE_ENTRIES; i++) {
    incoming[i].address = (uintptr_t)buffers[i];
  }
  write_address(at + RDBAL, incoming);
  write32(at + RDLEN, sizeof incoming);
  write32(at + RDH, 0);
  write32(at + RDT, RECEIVE_ENTRIES - 1);
  write32(at + RCTL, RCTL_ON | RCTL_ALL | RCTL_BROADCAST | RCTL_STRIP_CHECKSUM);
}

static bool open(void) {
  struct pci_function function;
  if (registers == NULL && pci_open(VENDOR_INTEL, DEVICE_82540EM, 0, &function)) {
    begin(function.memory);
    registers = function.memory;
  }
  return registers != NULL;
}

static void send(const void *frame, size_t bytes) {
  volatile struct transmit_descriptor *descriptor = &outgoing[transmit_next];
  descriptor->address = (uintptr_t)frame;
  descriptor->bytes = (uint16_t)bytes;
  descriptor->checksum_offset = 0;
  descriptor->command = COMMAND_END_OF_FRAME | COMMAND_ADD_CHECKSUM | COMMAND_REPORT;
  descriptor->status = 0;
  transmit_next = (transmit_next + 1) % TRANSMIT_ENTRIES;
  device_fence();
  write32(registers + TDT, transmit_next);
  while ((descriptor->status & STATUS_DONE) == 0) {
  }
}

static void receive(void) {
  while ((incoming[receive_next].status & STATUS_DONE) == 0) {
  }
  device_fence();
  incoming[receive_next].status = 0;
  receive_next = (receive_next + 1) % RECEIVE_ENTRIES;
}

static void give_back(void) {
  device_fence();
  write32(registers + RDT, (receive_next + RECEIVE_ENTRIES - 1) % RECEIVE_ENTRIES);
}

const struct card e1000_card = {"e1000", open, send, receive, give_back};
