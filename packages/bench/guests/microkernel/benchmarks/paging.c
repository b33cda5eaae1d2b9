// Page tables: changing them, faulting for them, flushing what was read from them, walking them.
#include "paging.h"

#include "benchmark.h"
#include "frames.h"
#include "ops.h"
#include "process.h"
#include "random.h"

#define MIB (UINT64_C(1) << 20)
#define PAGES_MAX (UINT64_C(1) << 18)  // a GiB of addresses
#define TABLE_PAGES 512                // that one table maps
#define FRAMES_BESIDE 64               // more than the tables above take, and whatever else there is

static struct address_space space;

static void load(uint64_t address) { (void)*(volatile const uint64_t *)address; }

// --- Changing entries: two pages take turns behind a range of addresses, each of which is read after the change. ---

static struct table_update updates[UPDATES_MAX];

static void prepare_updates(size_t pages, uint64_t physical) {
  for (size_t i = 0; i < pages; i++) {
    updates[i].entry = space_entry(&space, WINDOW + i * PAGE_BYTES, false);
    updates[i].value = leaf(physical, LEAF_READ | LEAF_WRITE);
  }
}

static void read_pages(size_t pages) {
  for (size_t i = 0; i < pages; i++) {
    load(WINDOW + i * PAGE_BYTES);
  }
}

// All at once, and one flush.
static void change_batched(size_t pages) {
  ops->update_tables(updates, pages, true);
  read_pages(pages);
}

// One after the other, each with a flush of its own.
static void change_singly(size_t pages) {
  for (size_t i = 0; i < pages; i++) {
    ops->update_tables(&updates[i], 1, false);
    ops->flush_page(WINDOW + i * PAGE_BYTES);
    load(WINDOW + i * PAGE_BYTES);
  }
}

static enum skip update(const struct request *request, size_t pages, void (*change)(size_t pages)) {
  uint64_t physical = (uintptr_t)frames_take(2);
  space_create(&space, SV39_LEVELS);
  prepare_updates(pages, physical);
  ops->update_tables(updates, pages, true);
  ops->set_space(&space);
  read_pages(pages);
  uint64_t rounds = (request->count + pages - 1) / pages;
  uint64_t toggle = leaf(physical, LEAF_READ | LEAF_WRITE) ^ leaf(physical + PAGE_BYTES, LEAF_READ | LEAF_WRITE);
  measure_start();
  for (uint64_t left = rounds; left > 0; left--) {
    for (size_t i = 0; i < pages; i++) {
      updates[i].value ^= toggle;
    }
    change(pages);
  }
  measure_stop(rounds * pages);
  return RAN;
}

static enum skip update_1(const struct request *request) { return update(request, 1, change_batched); }
static enum skip update_64(const struct request *request) { return update(request, 64, change_batched); }
static enum skip update_4096(const struct request *request) { return update(request, 4096, change_batched); }
static enum skip update_1_single(const struct request *request) { return update(request, 1, change_singly); }
static enum skip update_64_single(const struct request *request) { return update(request, 64, change_singly); }
static enum skip update_4096_single(const struct request *request) { return update(request, 4096, change_singly); }

// --- Demand paging: a process writes pages that are not there yet. ---

static uint64_t demand_page;

// Every address gets the same page: what is measured is the way to the kernel, the entry and the way back, not an allocator.
static bool map_on_demand(struct process *process, uint64_t address) {
  uint64_t *entry = space_entry(&process->space, address, true);
  ops->fill_entry(entry, leaf(demand_page, LEAF_USER | LEAF_READ | LEAF_WRITE), address);
  return true;
}

static enum skip page_fault(const struct request *request) {
  static struct process process;
  uint64_t pages = request->count < PAGES_MAX ? request->count : PAGES_MAX;
  if (frames_left() < pages / TABLE_PAGES + FRAMES_BESIDE) {
    return SKIP_MEMORY;
  }
  demand_page = (uintptr_t)frames_take(1);
  process_create(&process);
  process.fault = map_on_demand;
  for (uint64_t page = 0; page < pages + TABLE_PAGES; page += TABLE_PAGES) {
    space_entry(&process.space, WINDOW + page * PAGE_BYTES, true);  // the tables are there before
  }
  measure_start();
  process_run(&process, user_touches, WINDOW, pages);
  measure_stop(pages);
  return RAN;
}

// --- Flushes of this hart's TLB. ---

static enum skip flush_all(const struct request *request) {
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    ops->flush_all();
  }
  measure_stop(request->count);
  return RAN;
}

static enum skip flush_page(const struct request *request) {
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    ops->flush_page(WINDOW);
  }
  measure_stop(request->count);
  return RAN;
}

// --- A walk over memory with a load in each page: what a miss of the TLB costs with so many levels. ---

#define CACHE_LINE 64

// The word of a page that is loaded: in another line than its neighbours', or all would meet in a few sets of the host's caches.
static uint64_t *word_of(uint64_t page) { return (uint64_t *)(WINDOW + page * PAGE_BYTES + page * CACHE_LINE % PAGE_BYTES); }

// Numbers the pages in a random cycle (Sattolo's algorithm), each of whose words holds the address of the next; returns one of them.
static const uint64_t *link_pages(uint64_t pages) {
  uint64_t random = 0x9e3779b97f4a7c15;
  for (uint64_t i = 0; i < pages; i++) {
    *word_of(i) = i;
  }
  for (uint64_t i = pages - 1; i > 0; i--) {
    uint64_t other = xorshift64(&random) % i;
    uint64_t page = *word_of(i);
    *word_of(i) = *word_of(other);
    *word_of(other) = page;
  }
  for (uint64_t i = 0; i < pages; i++) {
    *word_of(i) = (uintptr_t)word_of(*word_of(i));
  }
  return word_of(0);
}

static enum skip memory_walk(const struct request *request, int levels) {
  uint64_t pages = request_number(request, 0, 64) * MIB / PAGE_BYTES;
  if (pages == 0 || pages > PAGES_MAX || frames_left() < pages + pages / TABLE_PAGES + FRAMES_BESIDE) {
    return SKIP_MEMORY;
  }
  space_create(&space, levels);
  uint64_t physical = (uintptr_t)frames_take(pages);
  space_map(&space, WINDOW, physical, pages, LEAF_READ | LEAF_WRITE);
  ops->set_space(&space);
  const uint64_t *at = link_pages(pages);
  measure_start();
  for (uint64_t left = request->count; left > 0; left--) {
    at = (const uint64_t *)*(volatile const uint64_t *)at;
  }
  measure_stop(request->count);
  return RAN;
}

static enum skip walk_sv39(const struct request *request) { return memory_walk(request, SV39_LEVELS); }
static enum skip walk_sv48(const struct request *request) { return memory_walk(request, SV48_LEVELS); }
static enum skip walk_sv57(const struct request *request) { return memory_walk(request, SV57_LEVELS); }

const struct benchmark paging_benchmarks[] = {
    {"pte-update-1", update_1},
    {"pte-update-64", update_64},
    {"pte-update-4096", update_4096},
    {"pte-update-1-single", update_1_single},
    {"pte-update-64-single", update_64_single},
    {"pte-update-4096-single", update_4096_single},
    {"page-fault", page_fault},
    {"tlb-flush-all", flush_all},
    {"tlb-flush-page", flush_page},
    {"memory-walk", walk_sv39},
    {"memory-walk-sv48", walk_sv48},
    {"memory-walk-sv57", walk_sv57},
    {NULL, NULL},
};
