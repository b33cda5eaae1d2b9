// Every hart adds to two shared counters, one by amoadd and one by lr/sc; hart 0 checks the sums. Exit 0 when both are right, 1 when
// amoadd lost a count, 2 when lr/sc did, 3 when the device tree lists no hart or more than 8. Runs with 1 to 8 harts.
#include "fdt.h"
#include "runtime.h"

#define INCREMENTS 10000
#define HARTS_MAX 8

static uint64_t added_by_amo;
static uint64_t added_by_lr_sc;
static uint32_t finished;

static uint32_t count_harts(const void *tree) {
  struct fdt_walk walk;
  struct fdt_node node;
  uint32_t harts = 0;
  if (fdt_open(&walk, tree)) {
    while (fdt_next(&walk, &node)) {
      harts += fdt_has_string(node.device_type, "cpu");
    }
  }
  return harts;
}

static void increment(void) {
  for (int i = 0; i < INCREMENTS; i++) {
    uint64_t value;
    uint64_t failed;
    __asm__ volatile("amoadd.d zero, %1, %0" : "+A"(added_by_amo) : "r"((uint64_t)1) : "memory");
    __asm__ volatile(
        "1: lr.d %1, %0\n"
        "   addi %1, %1, 1\n"
        "   sc.d %2, %1, %0\n"
        "   bnez %2, 1b"
        : "+A"(added_by_lr_sc), "=&r"(value), "=&r"(failed)
        :
        : "memory");
  }
  __atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
}

void secondary_main(void) {
  increment();
  for (;;) {
    __asm__ volatile("wfi");
  }
}

int main(uint64_t hart, const void *tree) {
  (void)hart;
  uint32_t harts = count_harts(tree);
  if (harts == 0 || harts > HARTS_MAX) {
    return 3;
  }
  __asm__ volatile("fence rw, rw" : : : "memory");
  harts_released = 1;
  increment();
  while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < harts) {
  }
  uint64_t expected = (uint64_t)harts * INCREMENTS;
  printf("smp: %u harts, amoadd %lu, lr/sc %lu of %lu\n", harts, added_by_amo, added_by_lr_sc, expected);
  return added_by_amo != expected ? 1 : added_by_lr_sc != expected ? 2 : 0;
}
