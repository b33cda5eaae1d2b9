// What the device tree says that there is. A device that is not there has address 0.
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

struct board {
  uint64_t ram_base, ram_end;
  uint64_t uart;
  uint64_t pci_configuration, pci_memory;
  uint32_t harts;
  bool is_paravirtual;  // the monitor is to be asked (docs/hypercalls.md)
};

extern struct board board;

// False if there is no usable tree.
bool board_read(const void *tree);

#endif
