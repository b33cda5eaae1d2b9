#include "paging.h"

#include "board.h"
#include "frames.h"
#include "ops.h"
#include "panic.h"

#define ENTRIES 512
#define INDEX_BITS 9
#define PAGE_SHIFT 12
#define ENTRY_PAGE_SHIFT 10
#define SATP_MODE_SHIFT 60
#define SATP_SV39 UINT64_C(8)  // and one more for each further level
#define PAGE_NUMBER_MASK ((UINT64_C(1) << 44) - 1)

struct address_space kernel_space;

static size_t index_at(uint64_t address, int level) { return address >> (PAGE_SHIFT + INDEX_BITS * level) & (ENTRIES - 1); }

static uint64_t pointer(const uint64_t *table) { return (uintptr_t)table >> PAGE_SHIFT << ENTRY_PAGE_SHIFT | LEAF_VALID; }

static uint64_t *table_of(uint64_t entry) {
  return (uint64_t *)((entry >> ENTRY_PAGE_SHIFT & PAGE_NUMBER_MASK) << PAGE_SHIFT);
}

static void set_entry(uint64_t *entry, uint64_t value) {
  struct table_update update = {entry, value};
  ops->update_tables(&update, 1, false);
}

uint64_t leaf(uint64_t physical, uint64_t flags) {
  uint64_t accessed = (flags & LEAF_WRITE) != 0 ? LEAF_ACCESSED | LEAF_DIRTY : LEAF_ACCESSED;
  return physical >> PAGE_SHIFT << ENTRY_PAGE_SHIFT | flags | accessed | ops->kernel_leaf | LEAF_VALID;
}

uint64_t space_satp(const struct address_space *space, const uint64_t *root) {
  return (SATP_SV39 + (uint64_t)(space->levels - SV39_LEVELS)) << SATP_MODE_SHIFT | (uintptr_t)root >> PAGE_SHIFT;
}

// The entry for an address in the table of a level, whose parents are made if they are not there.
static uint64_t *entry_at(struct address_space *space, uint64_t address, int level) {
  uint64_t *table = space->root;
  for (int at = space->levels - 1; at > level; at--) {
    uint64_t *entry = &table[index_at(address, at)];
    if ((*entry & LEAF_VALID) == 0) {
      set_entry(entry, pointer(table_take(at - 1)));
    }
    table = table_of(*entry);
  }
  return &table[index_at(address, level)];
}

uint64_t *space_entry(struct address_space *space, uint64_t address, bool is_user) {
  uint64_t *entry = entry_at(space, address, 0);
  if (is_user && space->user_root != NULL) {
    size_t top = index_at(address, space->levels - 1);
    if (space->user_root[top] != space->root[top]) {
      set_entry(&space->user_root[top], space->root[top]);
    }
  }
  return entry;
}

void space_map(struct address_space *space, uint64_t address, uint64_t physical, size_t pages, uint64_t flags) {
  static struct table_update updates[ENTRIES];
  while (pages > 0) {
    uint64_t *entry = space_entry(space, address, (flags & LEAF_USER) != 0);
    size_t count = ENTRIES - index_at(address, 0);
    if (count > pages) {
      count = pages;
    }
    for (size_t i = 0; i < count; i++) {
      updates[i] = (struct table_update){&entry[i], leaf(physical + i * PAGE_BYTES, flags)};
    }
    ops->update_tables(updates, count, false);
    address += count * PAGE_BYTES;
    physical += count * PAGE_BYTES;
    pages -= count;
  }
}

static void map_large(struct address_space *space, uint64_t start, uint64_t end, uint64_t flags) {
  for (uint64_t at = start; at < end; at += LARGE_PAGE_BYTES) {
    set_entry(entry_at(space, at, 1), leaf(at, flags));
  }
}

void space_create(struct address_space *space, int levels) {
  *space = (struct address_space){.levels = levels, .number = space_number_take()};
  space->root = table_take(levels - 1);
  uint64_t *table = space->root;  // of the level that Sv39 begins with
  for (int level = levels - 1; level >= SV39_LEVELS; level--) {
    uint64_t *below = table_take(level - 1);
    set_entry(&table[0], pointer(below));
    table = below;
  }
  for (size_t i = 0; kernel_space.root != NULL && i < ENTRIES; i++) {
    if (kernel_space.root[i] != 0) {
      set_entry(&table[i], kernel_space.root[i]);
    }
  }
  if (ops->has_user_roots && levels == SV39_LEVELS) {
    space->user_root = table_take(levels - 1);
  }
}

void paging_begin(void) {
  struct address_space space;
  space_create(&space, SV39_LEVELS);
  map_large(&space, board.ram_base, board.ram_end & ~(LARGE_PAGE_BYTES - 1), LEAF_READ | LEAF_WRITE | LEAF_EXECUTE);
  if (board.uart != 0) {
    space_map(&space, board.uart, board.uart, 1, LEAF_READ | LEAF_WRITE);
  }
  if (board.pci_configuration != 0) {
    map_large(&space, board.pci_configuration, board.pci_configuration + LARGE_PAGE_BYTES, LEAF_READ | LEAF_WRITE);
    map_large(&space, board.pci_memory, board.pci_memory + LARGE_PAGE_BYTES, LEAF_READ | LEAF_WRITE);
  }
  kernel_space = space;
}
