// A reader of flattened device trees (Devicetree Specification 0.4, chapter 5): one pass, no allocation, every offset checked.
#ifndef FDT_H
#define FDT_H

#include "runtime.h"

#define FDT_DEPTH_MAX 16

struct fdt_property {
  const uint8_t *data;  // null when the node has no such property
  uint32_t bytes;
};

struct fdt_node {
  const char *name;
  int depth;                 // the root is 0
  uint32_t address_cells;    // of the parent: how this node's reg is cut
  uint32_t size_cells;
  struct fdt_property device_type, compatible, reg, ranges, status, timebase_frequency;
};

struct fdt_walk {
  const uint8_t *structure, *structure_end, *strings, *strings_end;
  int depth;
  uint32_t address_cells[FDT_DEPTH_MAX + 1], size_cells[FDT_DEPTH_MAX + 1];
};

// False when there is no usable tree at that address.
bool fdt_open(struct fdt_walk *walk, const void *tree);

// The next node, parents before children; false at the end or when the tree is broken.
bool fdt_next(struct fdt_walk *walk, struct fdt_node *node);

// `cells` big-endian 32-bit cells from the start of the property's `index`-th cell; false when they are not all there.
bool fdt_cells(struct fdt_property property, uint32_t index, uint32_t cells, uint64_t *value);

// Whether a string, or a list of strings, contains this one.
bool fdt_has_string(struct fdt_property property, const char *text);

#endif
