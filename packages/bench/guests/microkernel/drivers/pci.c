#include "pci.h"

#include "board.h"
#include "paging.h"
#include "panic.h"

#define SLOTS 32
#define SLOT_BYTES 0x8000

enum { VENDOR = 0x00, DEVICE = 0x02, COMMAND = 0x04, REVISION_AND_CLASS = 0x08, BAR0 = 0x10, BAR1 = 0x14 };
enum { NO_VENDOR = 0xffff };
enum { COMMAND_MEMORY = 0x2, COMMAND_MASTER = 0x4, COMMAND_INTERRUPT_OFF = 0x400 };
enum { BAR_IS_PORTS = 0x1, BAR_WIDTH = 0x6, BAR_64_BITS = 0x4, BAR_FLAGS = 0xf };

static uint64_t assigned;  // bytes of the bridge's memory

// Gives BAR 0 a place of its own, aligned to its size (6.2.5.1).
static volatile uint8_t *assign(volatile uint8_t *configuration) {
  write32(configuration + BAR0, UINT32_MAX);
  uint32_t bar = read32(configuration + BAR0);
  uint64_t bytes = ~(bar & ~(uint32_t)BAR_FLAGS) + UINT64_C(1);
  uint64_t base = (assigned + bytes - 1) & ~(bytes - 1);
  if ((bar & BAR_IS_PORTS) != 0 || base + bytes > LARGE_PAGE_BYTES) {
    panic("no place for a BAR of %lu bytes", bytes);
  }
  assigned = base + bytes;
  write32(configuration + BAR0, (uint32_t)(board.pci_memory + base));
  if ((bar & BAR_WIDTH) == BAR_64_BITS) {
    write32(configuration + BAR1, (uint32_t)((board.pci_memory + base) >> 32));
  }
  return (volatile uint8_t *)(board.pci_memory + base);
}

bool pci_open(uint16_t vendor, uint16_t device, uint32_t class_code, struct pci_function *function) {
  for (uint64_t slot = 0; board.pci_configuration != 0 && slot < SLOTS; slot++) {
    volatile uint8_t *configuration = (volatile uint8_t *)(board.pci_configuration + slot * SLOT_BYTES);
    uint16_t found = read16(configuration + VENDOR);
    bool matches = vendor != 0 ? found == vendor && read16(configuration + DEVICE) == device
                               : found != NO_VENDOR && read32(configuration + REVISION_AND_CLASS) >> 8 == class_code;
    if (matches) {
      function->configuration = configuration;
      function->memory = assign(configuration);
      write16(configuration + COMMAND, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTERRUPT_OFF);
      return true;
    }
  }
  return false;
}
