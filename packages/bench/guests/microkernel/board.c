#include "board.h"

#include "fdt.h"

// `ranges` of a PCI bridge: three cells of a PCI address, the parent's address, two cells of size (PCI bus binding to IEEE 1275,
// 2.1.4). The first cell says what kind of space it is.
#define RANGE_PCI_CELLS 3
#define RANGE_SIZE_CELLS 2
#define RANGE_KIND_MASK 0x03000000
#define RANGE_MEMORY32 0x02000000

struct board board;

static uint64_t reg_base(const struct fdt_node *node) {
  uint64_t base = 0;
  fdt_cells(node->reg, 0, node->address_cells, &base);
  return base;
}

static uint64_t pci_memory_base(const struct fdt_node *node) {
  uint32_t row = RANGE_PCI_CELLS + node->address_cells + RANGE_SIZE_CELLS;
  uint64_t kind, base;
  for (uint32_t at = 0; fdt_cells(node->ranges, at, 1, &kind) &&
                        fdt_cells(node->ranges, at + RANGE_PCI_CELLS, node->address_cells, &base);
       at += row) {
    if ((kind & RANGE_KIND_MASK) == RANGE_MEMORY32) {
      return base;
    }
  }
  return 0;
}

bool board_read(const void *tree) {
  struct fdt_walk walk;
  struct fdt_node node;
  if (!fdt_open(&walk, tree)) {
    return false;
  }
  while (fdt_next(&walk, &node)) {
    if (fdt_has_string(node.device_type, "memory")) {
      uint64_t bytes = 0;
      fdt_cells(node.reg, node.address_cells, node.size_cells, &bytes);
      board.ram_base = reg_base(&node);
      board.ram_end = board.ram_base + bytes;
    } else if (fdt_has_string(node.device_type, "cpu")) {
      board.harts++;
    } else if (fdt_has_string(node.compatible, "ns16550a")) {
      board.uart = reg_base(&node);
    } else if (fdt_has_string(node.compatible, "pci-host-ecam-generic")) {
      board.pci_configuration = reg_base(&node);
      board.pci_memory = pci_memory_base(&node);
    } else if (fdt_has_string(node.compatible, "hartvisor,paravirtual")) {
      board.is_paravirtual = true;
    }
  }
  return board.ram_end > board.ram_base;
}
