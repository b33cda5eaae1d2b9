#include "frames.h"

#include "ops.h"
#include "panic.h"
#include "runtime.h"

#define TABLES_MAX 2048  // at once: enough for two GiB of 4 KiB pages

static uint64_t next_frame, frames_end;
static uint64_t *tables[TABLES_MAX];  // parents before their children
static size_t tables_taken;
static uint16_t spaces_taken;

void frames_begin(uint64_t start, uint64_t end) {
  next_frame = (start + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
  frames_end = end & ~(uint64_t)(PAGE_BYTES - 1);
}

size_t frames_left(void) { return (frames_end - next_frame) / PAGE_BYTES; }

void *frames_take(size_t pages) {
  if (pages > frames_left()) {
    panic("no memory for %lu pages", pages);
  }
  uint64_t start = next_frame;
  next_frame += pages * PAGE_BYTES;
  return (void *)start;
}

uint64_t *table_take(int level) {
  if (tables_taken == TABLES_MAX) {
    panic("too many page tables");
  }
  uint64_t *table = frames_take(1);
  memset(table, 0, PAGE_BYTES);
  ops->table_begins(table, level);
  tables[tables_taken++] = table;
  return table;
}

uint16_t space_number_take(void) { return ++spaces_taken; }

struct frames_mark frames_mark(void) { return (struct frames_mark){next_frame, tables_taken, spaces_taken}; }

void frames_release(struct frames_mark mark) {
  for (size_t i = mark.tables; i < tables_taken; i++) {
    ops->table_ends(tables[i]);
  }
  tables_taken = mark.tables;
  next_frame = mark.next;
  spaces_taken = mark.spaces;
  ops->flush_all();
}
