// Privileged operations by the instructions of S-mode (Privileged ISA 1.13, chapters 10 and 11).
#include "ops.h"
#include "runtime.h"

#define SATP_ASID_SHIFT 44

extern const char native_trap_entry[];
uint64_t native_run_user(struct trap_frame *frame);

static void take_traps(struct hart *hart) {
  (void)hart;
  WRITE_CSR(sie, 0);
  WRITE_CSR(sscratch, 0);
  WRITE_CSR(stvec, (uintptr_t)native_trap_entry);
}

static uint64_t read_status(void) { return READ_CSR(sstatus); }

static void write_status(uint64_t status) { WRITE_CSR(sstatus, status); }

static void enable_sources(uint64_t sources) { WRITE_CSR(sie, sources); }

static void interrupts_on(void) { SET_CSR(sstatus, STATUS_SIE); }

static void interrupts_off(void) { CLEAR_CSR(sstatus, STATUS_SIE); }

static void software_taken(void) { CLEAR_CSR(sip, 1 << INTERRUPT_SOFTWARE); }

static void set_timer(uint64_t deadline) { WRITE_CSR(stimecmp, deadline); }

static void wait(void) { __asm__ volatile("wfi" : : : "memory"); }

static void table_begins(uint64_t *table, int level) {
  (void)table;
  (void)level;
}

static void table_ends(uint64_t *table) { (void)table; }

static void flush_all(void) { __asm__ volatile("sfence.vma" : : : "memory"); }

static void flush_page(uint64_t address) { __asm__ volatile("sfence.vma %0, zero" : : "r"(address) : "memory"); }

static void update_tables(const struct table_update *updates, size_t count, bool flush) {
  for (size_t i = 0; i < count; i++) {
    *(volatile uint64_t *)updates[i].entry = updates[i].value;
  }
  if (flush) {
    flush_all();
  }
}

// Without Svvptc a hart may remember that an entry was not valid (Privileged ISA 1.13, 10.2.1 and 16).
static void fill_entry(uint64_t *entry, uint64_t value, uint64_t address) {
  *(volatile uint64_t *)entry = value;
  flush_page(address);
}

static void set_space(const struct address_space *space) {
  WRITE_CSR(satp, space_satp(space, space->root) | (uint64_t)space->number << SATP_ASID_SHIFT);
}

const struct privileged_ops native_ops = {
    .kernel_leaf = 0,
    .has_user_roots = false,
    .take_traps = take_traps,
    .run_user = native_run_user,
    .read_status = read_status,
    .write_status = write_status,
    .enable_sources = enable_sources,
    .interrupts_on = interrupts_on,
    .interrupts_off = interrupts_off,
    .software_taken = software_taken,
    .set_timer = set_timer,
    .wait = wait,
    .table_begins = table_begins,
    .table_ends = table_ends,
    .update_tables = update_tables,
    .fill_entry = fill_entry,
    .flush_all = flush_all,
    .flush_page = flush_page,
    .set_space = set_space,
};
