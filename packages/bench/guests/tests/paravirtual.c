// A kernel that runs paravirtually only (docs/hypercalls.md). Each hart pins page tables of its own and runs a program in user mode that
// makes system calls and touches pages which are not mapped yet, under a timer. Then it takes its tables apart; hart 0 waits for the
// others' interrupts and powers off. Exit 0, or 1 for a failure: SBI knows no more.
#include "paravirtual.h"

#include <stddef.h>
#include <stdint.h>

#include "../microkernel/hypercall.h"

#define HARTS_MAX 8
#define PAGE_BYTES 4096
#define ENTRIES 512
#define LARGE_PAGE_BYTES (ENTRIES * PAGE_BYTES)
#define RAM_BASE UINT64_C(0x80000000)
#define KERNEL_BYTES (4 * LARGE_PAGE_BYTES)  // of RAM that the kernel maps: more than it takes
#define TICKS 2000                           // of the time base between timer interrupts: 0.2 ms

#define SBI_IPI 0x735049
#define SBI_HSM 0x48534d
#define SBI_SRST 0x53525354
#define HSM_START 0
#define HSM_STOP 1
#define HSM_SUSPEND 3

#define PTE_POINTER 1
#define PTE_LEAF 0xdf  // V, R, W, X, U, A, D
#define SATP_SV39 (UINT64_C(8) << 60)

#define SSIP 2
#define STIP 32
#define SIE 2
#define CAUSE_INTERRUPT (UINT64_C(1) << 63)
#define SOFTWARE_INTERRUPT (CAUSE_INTERRUPT | 1)
#define TIMER_INTERRUPT (CAUSE_INTERRUPT | 5)
#define ECALL_FROM_USER 8
#define STORE_PAGE_FAULT 15

#define A0 10
#define A7 17

typedef uint64_t table[ENTRIES] __attribute__((aligned(PAGE_BYTES)));

struct result {
  int64_t error;
  uint64_t value;
};

// Tables by their level, 0 the lowest.
struct hart {
  table kernel_root, user_root;                    // 2
  table kernel_middle, lazy_middle, code_middle;   // 1
  table lazy_leaves, code_leaves;                  // 0
  uint64_t page[ENTRIES] __attribute__((aligned(PAGE_BYTES)));  // what all lazy pages are
  volatile struct vcpu_area area;
  volatile uint64_t calls, faults, ticks;
};

union stack {
  volatile struct vcpu_area *area;
  char bytes[STACK_BYTES];
};

extern const char _start[], trap_entry[], user_program[];
_Noreturn void call_return(void);

union stack stacks[HARTS_MAX] __attribute__((aligned(STACK_BYTES)));
static struct hart harts[HARTS_MAX];
static volatile uint64_t harts_started = 1, harts_done;

static struct result call(uint64_t extension, uint64_t function, uint64_t first, uint64_t second, uint64_t third) {
  register uint64_t a0 __asm__("a0") = first;
  register uint64_t a1 __asm__("a1") = second;
  register uint64_t a2 __asm__("a2") = third;
  register uint64_t a6 __asm__("a6") = function;
  register uint64_t a7 __asm__("a7") = extension;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
  return (struct result){(int64_t)a0, a1};
}

static _Noreturn void power_off(uint64_t reason) {
  call(SBI_SRST, 0, 0, reason, 0);
  for (;;) {
  }
}

static void check(int holds) {
  if (!holds) {
    power_off(1);
  }
}

// A call of the monitor's that must not be refused.
static uint64_t ask(uint64_t function, uint64_t first, uint64_t second, uint64_t third) {
  struct result result = call(HVP, function, first, second, third);
  check(result.error == 0);
  return result.value;
}

static uint64_t time(void) {
  uint64_t now;
  __asm__ volatile("csrr %0, time" : "=r"(now));
  return now;
}

static uint64_t page_of(const void *address) { return (uintptr_t)address / PAGE_BYTES; }

static uint64_t pointer(const table *to) { return page_of(to) << 10 | PTE_POINTER; }

static uint64_t leaf(uint64_t address) { return address / PAGE_BYTES << 10 | PTE_LEAF; }

static void pin(const table *it, uint64_t level) { ask(HVP_PIN, page_of(it), level, 0); }

static void make_tables(struct hart *hart) {
  for (uint64_t at = 0; at < KERNEL_BYTES; at += LARGE_PAGE_BYTES) {
    hart->kernel_middle[at / LARGE_PAGE_BYTES] = leaf(RAM_BASE + at);
  }
  pin(&hart->kernel_middle, 1);
  hart->kernel_root[2] = pointer(&hart->kernel_middle);
  pin(&hart->kernel_root, 2);

  uint64_t code = (uintptr_t)user_program;
  hart->code_leaves[code / PAGE_BYTES % ENTRIES] = leaf(code);
  pin(&hart->code_leaves, 0);
  pin(&hart->lazy_leaves, 0);
  hart->code_middle[code / LARGE_PAGE_BYTES % ENTRIES] = pointer(&hart->code_leaves);
  hart->lazy_middle[0] = pointer(&hart->lazy_leaves);
  pin(&hart->code_middle, 1);
  pin(&hart->lazy_middle, 1);
  hart->user_root[1] = pointer(&hart->lazy_middle);
  hart->user_root[2] = pointer(&hart->code_middle);
  pin(&hart->user_root, 2);
  ask(HVP_SET_ROOT, SATP_SV39 | page_of(hart->kernel_root), SATP_SV39 | page_of(hart->user_root), 0);
}

// From the roots down: a table that another leads to stays one.
static void unmake_tables(struct hart *hart) {
  check(call(HVP, HVP_UNPIN, page_of(hart->kernel_root), 0, 0).error != 0);
  ask(HVP_SET_ROOT, 0, 0, 0);
  const table *all[] = {&hart->kernel_root, &hart->user_root,   &hart->kernel_middle, &hart->lazy_middle,
                        &hart->code_middle, &hart->lazy_leaves, &hart->code_leaves};
  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
    ask(HVP_UNPIN, page_of(all[i]), 0, 0);
  }
}

static _Noreturn void finish(struct hart *hart) {
  check(hart->calls == ROUNDS && hart->faults == ROUNDS);
  unmake_tables(hart);
  hart->area.enabled = SSIP;
  __atomic_fetch_add(&harts_done, 1, __ATOMIC_SEQ_CST);
  if (hart != &harts[0]) {
    call(SBI_IPI, 0, 1, 0, 0);
    call(SBI_HSM, HSM_STOP, 0, 0, 0);
    check(0);
  }
  while (harts_done < harts_started) {
    call(SBI_HSM, HSM_SUSPEND, 0, 0, 0); // until an interrupt is pending, which SIE then lets in
    hart->area.status |= SIE;
    ask(HVP_DELIVER, 0, 0, 0);
    hart->area.status &= ~(uint64_t)SIE;
  }
  power_off(0);
}

static void map_page(struct hart *hart, uint64_t address) {
  uint64_t index = (address - LAZY_BASE) / PAGE_BYTES;
  check(index < ENTRIES);
  uint64_t update[2] = {(uintptr_t)&hart->lazy_leaves[index], leaf((uintptr_t)hart->page)};
  check(ask(HVP_UPDATE, 1, (uintptr_t)update, 0) == 1);
  hart->faults++;
}

void trap(uint64_t *registers) {
  union stack *stack = (union stack *)((uintptr_t)registers & -STACK_BYTES);
  struct hart *hart = &harts[stack - stacks];
  volatile struct vcpu_area *area = &hart->area;
  if (area->cause == ECALL_FROM_USER && registers[A7] == CALL_DOUBLE) {
    registers[A0] *= 2;
    area->epc += 4;
    hart->calls++;
  } else if (area->cause == ECALL_FROM_USER && registers[A7] == CALL_DONE) {
    if (hart->ticks > 0) { // otherwise it calls again
      finish(hart);
    }
  } else if (area->cause == STORE_PAGE_FAULT) {
    map_page(hart, area->value);
  } else if (area->cause == TIMER_INTERRUPT) {
    hart->ticks++;
    ask(HVP_SET_TIMER, time() + TICKS, 0, 0);
  } else {
    check(area->cause == SOFTWARE_INTERRUPT && hart == &harts[0]);
  }
}

void hart_main(uint64_t id) {
  struct hart *hart = &harts[id];
  if (id == 0) {
    while (harts_started < HARTS_MAX && call(SBI_HSM, HSM_START, harts_started, (uintptr_t)_start, 0).error == 0) {
      harts_started++;
    }
  }
  stacks[id].area = &hart->area;
  hart->area.kernel_sp = (uintptr_t)&stacks[id + 1];
  hart->area.enabled = STIP;
  hart->area.epc = (uintptr_t)user_program;
  ask(HVP_SET_VCPU, (uintptr_t)&hart->area, (uintptr_t)trap_entry, 0);
  make_tables(hart);
  ask(HVP_SET_TIMER, time() + TICKS, 0, 0);
  call_return();
}
