// What a kernel needs privilege for. ops-native.c does it by instructions of S-mode, ops-hypercall.c by asking the monitor; the device
// tree says at boot which of them is meant.
#ifndef OPS_H
#define OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hart.h"
#include "paging.h"
#include "trap.h"

// A write of a page-table entry. Addresses are physical and virtual alike in this kernel.
struct table_update {
  uint64_t *entry;
  uint64_t value;
};

#define UPDATES_MAX 4096  // at once

struct privileged_ops {
  // Leaf entries of the kernel carry these, beside what is asked.
  uint64_t kernel_leaf;
  // User code runs on a root of its own, without the kernel's pages: they would be open to it.
  bool has_user_roots;

  // Traps of this hart go to trap_from_user and trap_from_kernel from now on.
  void (*take_traps)(struct hart *hart);
  // Runs a process; returns what leave_user is given.
  uint64_t (*run_user)(struct trap_frame *frame);

  uint64_t (*read_status)(void);  // with the bits of sstatus
  void (*write_status)(uint64_t status);
  void (*enable_sources)(uint64_t sources);  // with the bits of sie
  void (*interrupts_on)(void);  // of these, they may come
  void (*interrupts_off)(void);
  void (*software_taken)(void);
  void (*set_timer)(uint64_t deadline);
  void (*wait)(void);  // until an enabled interrupt is pending, whether it may come or not

  // A page is going to be a page table of a level, 0 to 4; it holds nothing but zeros.
  void (*table_begins)(uint64_t *table, int level);
  void (*table_ends)(uint64_t *table);
  // At most UPDATES_MAX; `flush`: whatever the entries were, this hart's TLB has forgotten.
  void (*update_tables)(const struct table_update *updates, size_t count, bool flush);
  // An entry that was not valid maps a page now; the hart may use it at once.
  void (*fill_entry)(uint64_t *entry, uint64_t value, uint64_t address);
  void (*flush_all)(void);
  void (*flush_page)(uint64_t address);
  void (*set_space)(const struct address_space *space);
};

#define STATUS_SIE 0x2

extern const struct privileged_ops native_ops, hypercall_ops;
extern const struct privileged_ops *ops;

static inline uint64_t time_now(void) {
  uint64_t ticks;
  __asm__ volatile("rdtime %0" : "=r"(ticks));
  return ticks;
}

#endif
