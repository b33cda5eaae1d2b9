// Address spaces: Sv39, and Sv48 and Sv57 on top of it (Privileged ISA 1.13, 10.3 to 10.6). The kernel's part is the same in all of
// them, at the physical addresses.
#ifndef PAGING_H
#define PAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096
#define LARGE_PAGE_BYTES (UINT64_C(2) << 20)

enum {
  LEAF_VALID = 1,
  LEAF_READ = 2,
  LEAF_WRITE = 4,
  LEAF_EXECUTE = 8,
  LEAF_USER = 16,
  LEAF_ACCESSED = 64,
  LEAF_DIRTY = 128,
};

enum { SV39_LEVELS = 3, SV48_LEVELS = 4, SV57_LEVELS = 5 };

// Where benchmarks map what they need: almost 64 GiB from here are free in every address space. It is no round address: a monitor
// that sums pages up by some of their bits would take it for the kernel's first page.
#define WINDOW UINT64_C(0x2012355000)

struct address_space {
  uint64_t *root;
  uint64_t *user_root;  // what user code runs on, where it is another
  int levels;
  uint16_t number;
};

// What runs between benchmarks.
extern struct address_space kernel_space;

// Makes the kernel's address space; take_traps comes before, set_space after it.
void paging_begin(void);

// A new address space of three to five levels, with the kernel's part. Processes need one of three.
void space_create(struct address_space *space, int levels);

// The entry that maps this 4 KiB page; makes the tables on the way. `is_user`: user code is to see it.
uint64_t *space_entry(struct address_space *space, uint64_t address, bool is_user);

// Maps pages of 4 KiB to physical ones in a row.
void space_map(struct address_space *space, uint64_t address, uint64_t physical, size_t pages, uint64_t flags);

// What such an entry has in it.
uint64_t leaf(uint64_t physical, uint64_t flags);

// Mode and page number, as satp has them.
uint64_t space_satp(const struct address_space *space, const uint64_t *root);

#endif
