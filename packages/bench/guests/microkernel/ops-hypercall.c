// Privileged operations by hypercalls (docs/hypercalls.md), for a monitor that runs this kernel in U-mode and says so. A refusal
// would be a mistake of this kernel's.
#include "hypercall.h"
#include "ops.h"
#include "panic.h"
#include "sbi.h"

#define UPDATE_AND_FLUSH 1

extern const char hypercall_trap_entries[];
uint64_t hypercall_run_user(struct trap_frame *frame);

struct vcpu_area vcpu_areas[HARTS_MAX];

static void ask(uint64_t function, uint64_t first, uint64_t second, uint64_t third) {
  struct sbi_result result = sbi_call(HVP, function, first, second, third);
  if (result.error != 0) {
    panic("hypercall %lu refused: error %ld, value %lx", function, result.error, result.value);
  }
}

// The fields change behind the compiler's back.
static volatile struct vcpu_area *area(void) { return this_hart()->area; }

static void take_traps(struct hart *hart) {
  size_t index = hart == &boot_hart ? 0 : 1;
  hart->area = &vcpu_areas[index];
  ask(HVP_SET_VCPU, (uintptr_t)hart->area, (uintptr_t)hypercall_trap_entries + index * TRAP_ENTRY_BYTES, 0);
}

static void consider_pending(void) {
  if ((area()->pending & area()->enabled) != 0 && (area()->status & STATUS_SIE) != 0) {
    ask(HVP_DELIVER, 0, 0, 0);
  }
}

static uint64_t read_status(void) { return area()->status; }

static void write_status(uint64_t status) {
  area()->status = status;
  consider_pending();
}

static void enable_sources(uint64_t sources) {
  area()->enabled = sources;
  consider_pending();
}

static void interrupts_on(void) { write_status(area()->status | STATUS_SIE); }

static void interrupts_off(void) { area()->status &= ~(uint64_t)STATUS_SIE; }

static void software_taken(void) {}  // being taken clears it

static void set_timer(uint64_t deadline) { ask(HVP_SET_TIMER, deadline, 0, 0); }

static void wait(void) { sbi_call(SBI_HSM, SBI_HSM_SUSPEND, SBI_HSM_RETENTIVE, 0, 0); }

static void table_begins(uint64_t *table, int level) { ask(HVP_PIN, (uintptr_t)table / PAGE_BYTES, (uint64_t)level, 0); }

static void table_ends(uint64_t *table) { ask(HVP_UNPIN, (uintptr_t)table / PAGE_BYTES, 0, 0); }

static void update_tables(const struct table_update *updates, size_t count, bool flush) {
  ask(HVP_UPDATE, count, (uintptr_t)updates, flush ? UPDATE_AND_FLUSH : 0);
}

// The monitor's TLB never holds what is not valid.
static void fill_entry(uint64_t *entry, uint64_t value, uint64_t address) {
  (void)address;
  struct table_update update = {entry, value};
  update_tables(&update, 1, false);
}

static void flush_all(void) { ask(HVP_FLUSH, 0, 0, 0); }

static void flush_page(uint64_t address) { ask(HVP_FLUSH, address, PAGE_BYTES, 0); }

static void set_space(const struct address_space *space) {
  ask(HVP_SET_ROOT, space_satp(space, space->root), space->user_root == NULL ? 0 : space_satp(space, space->user_root), 0);
}

const struct privileged_ops hypercall_ops = {
    .kernel_leaf = LEAF_USER,
    .has_user_roots = true,
    .take_traps = take_traps,
    .run_user = hypercall_run_user,
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
