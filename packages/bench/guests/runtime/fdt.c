#include "fdt.h"

#define FDT_MAGIC 0xd00dfeed
#define FDT_HEADER_BYTES 40
#define FDT_BYTES_MAX (16u << 20)  // no machine here has a tree near this size: a larger one is garbage

enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4 };

static uint32_t big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool fdt_open(struct fdt_walk *walk, const void *tree) {
  const uint8_t *header = tree;
  if (tree == NULL || ((uintptr_t)tree & 3) != 0 || big_endian(header) != FDT_MAGIC) {
    return false;
  }
  uint32_t total = big_endian(header + 4);
  uint32_t structure = big_endian(header + 8), structure_bytes = big_endian(header + 36);
  uint32_t strings = big_endian(header + 12), strings_bytes = big_endian(header + 32);
  if (total < FDT_HEADER_BYTES || total > FDT_BYTES_MAX || structure > total || structure_bytes > total - structure ||
      (structure & 3) != 0 || strings > total || strings_bytes > total - strings) {
    return false;
  }
  walk->structure = header + structure;
  walk->structure_end = header + structure + structure_bytes;
  walk->strings = header + strings;
  walk->strings_end = header + strings + strings_bytes;
  walk->depth = -1;
  walk->address_cells[0] = 2;
  walk->size_cells[0] = 1;
  return true;
}

static bool read_cell(struct fdt_walk *walk, uint32_t *value) {
  if (walk->structure_end - walk->structure < 4) {
    return false;
  }
  *value = big_endian(walk->structure);
  walk->structure += 4;
  return true;
}

static bool skip_padded(struct fdt_walk *walk, size_t bytes) {
  size_t left = (size_t)(walk->structure_end - walk->structure);
  size_t padded = (bytes + 3) & ~(size_t)3;
  if (padded > left) {
    return false;
  }
  walk->structure += padded;
  return true;
}

// The string at `from`, or null when it does not end before `end`.
static const char *bounded_string(const uint8_t *from, const uint8_t *end) {
  for (const uint8_t *at = from; at < end; at++) {
    if (*at == '\0') {
      return (const char *)from;
    }
  }
  return NULL;
}

static bool read_property(struct fdt_walk *walk, struct fdt_node *node) {
  struct fdt_property property;
  uint32_t name_offset;
  if (!read_cell(walk, &property.bytes) || !read_cell(walk, &name_offset)) {
    return false;
  }
  property.data = walk->structure;
  if (!skip_padded(walk, property.bytes) || name_offset >= (size_t)(walk->strings_end - walk->strings)) {
    return false;
  }
  const char *name = bounded_string(walk->strings + name_offset, walk->strings_end);
  if (name == NULL) {
    return false;
  }
  uint64_t cells;
  if (strcmp(name, "#address-cells") == 0 && fdt_cells(property, 0, 1, &cells)) {
    walk->address_cells[walk->depth + 1] = (uint32_t)cells;
  } else if (strcmp(name, "#size-cells") == 0 && fdt_cells(property, 0, 1, &cells)) {
    walk->size_cells[walk->depth + 1] = (uint32_t)cells;
  } else if (strcmp(name, "device_type") == 0) {
    node->device_type = property;
  } else if (strcmp(name, "compatible") == 0) {
    node->compatible = property;
  } else if (strcmp(name, "reg") == 0) {
    node->reg = property;
  } else if (strcmp(name, "ranges") == 0) {
    node->ranges = property;
  } else if (strcmp(name, "status") == 0) {
    node->status = property;
  } else if (strcmp(name, "timebase-frequency") == 0) {
    node->timebase_frequency = property;
  }
  return true;
}

static bool begin_node(struct fdt_walk *walk, struct fdt_node *node) {
  const char *name = bounded_string(walk->structure, walk->structure_end);
  if (name == NULL || walk->depth + 1 >= FDT_DEPTH_MAX || !skip_padded(walk, strlen(name) + 1)) {
    return false;
  }
  walk->depth++;
  *node = (struct fdt_node){
      .name = name,
      .depth = walk->depth,
      .address_cells = walk->address_cells[walk->depth],
      .size_cells = walk->size_cells[walk->depth],
  };
  walk->address_cells[walk->depth + 1] = 2;  // what holds for the children when the node does not say (2.3.5)
  walk->size_cells[walk->depth + 1] = 1;
  return true;
}

bool fdt_next(struct fdt_walk *walk, struct fdt_node *node) {
  bool begun = false;
  for (;;) {
    const uint8_t *before = walk->structure;
    uint32_t token;
    if (!read_cell(walk, &token)) {
      return false;
    }
    switch (token) {
      case FDT_NOP:
        break;
      case FDT_PROP:
        if (!begun || !read_property(walk, node)) {
          return false;
        }
        break;
      case FDT_BEGIN_NODE:
      case FDT_END_NODE:
        if (begun) {  // the properties of the node are complete: the token belongs to the next call
          walk->structure = before;
          return true;
        }
        if (token == FDT_END_NODE) {
          walk->depth--;
          if (walk->depth < -1) {
            return false;
          }
        } else {
          begun = begin_node(walk, node);
          if (!begun) {
            return false;
          }
        }
        break;
      default:
        return false;
    }
  }
}

bool fdt_cells(struct fdt_property property, uint32_t index, uint32_t cells, uint64_t *value) {
  if (property.data == NULL || cells > 2 || ((uint64_t)index + cells) * 4 > property.bytes) {
    return false;
  }
  *value = 0;
  for (uint32_t i = 0; i < cells; i++) {
    *value = *value << 32 | big_endian(property.data + ((size_t)index + i) * 4);
  }
  return true;
}

bool fdt_has_string(struct fdt_property property, const char *text) {
  if (property.data == NULL) {
    return false;
  }
  size_t bytes = strlen(text) + 1;
  for (size_t at = 0; at < property.bytes;) {
    if (bytes <= property.bytes - at && memcmp(property.data + at, text, bytes) == 0) {
      return true;
    }
    while (at < property.bytes && property.data[at] != '\0') {
      at++;
    }
    at++;
  }
  return false;
}
