// Memory behind the kernel, a page at a time, and numbers of address spaces. What a benchmark takes is given back as a whole.
#ifndef FRAMES_H
#define FRAMES_H

#include <stddef.h>
#include <stdint.h>

void frames_begin(uint64_t start, uint64_t end);

size_t frames_left(void);

// So many pages in a row, as they are. Ends the machine if there are none.
void *frames_take(size_t pages);

// A page table of a level (0: its leaves are 4 KiB pages), empty.
uint64_t *table_take(int level);

// A number that no other address space has (ASID).
uint16_t space_number_take(void);

struct frames_mark {
  uint64_t next;
  size_t tables;
  uint16_t spaces;
};

struct frames_mark frames_mark(void);

// Gives back what was taken since; no hart may run in an address space of it, nor older tables point to new ones.
void frames_release(struct frames_mark mark);

#endif
