// Follows one cycle of pointers through CHASE_BYTES of nodes in random order: a chain of dependent loads. Built twice, with nodes that
// fit the host's first cache and with 32 MiB, where every step is another page.
#include "kernel.h"
#include "random.h"

#define NODES (CHASE_BYTES / sizeof(struct node))

#if CHASE_BYTES > 1 << 20
#define STEPS 3000000
const char kernel_name[] = "chase-large";
const uint64_t kernel_expected = UINT64_C(0x162c31dbf222);
#else
#define STEPS 60000000
const char kernel_name[] = "chase-small";
const uint64_t kernel_expected = UINT64_C(0x37373dd380);
#endif

struct node {
  struct node *next;
  uint64_t value;
} __attribute__((aligned(64)));

static struct node nodes[NODES] __attribute__((aligned(4096)));

// Sattolo's shuffle makes a permutation of one cycle.
static void link_nodes(void) {
  uint64_t state = UINT64_C(0x853c49e6748fea9b);
  for (uint32_t i = 0; i < NODES; i++) {
    nodes[i].next = &nodes[i];
    nodes[i].value = i;
  }
  for (uint32_t i = NODES - 1; i > 0; i--) {
    uint32_t j = (uint32_t)(xorshift64(&state) % i);
    struct node *swapped = nodes[i].next;
    nodes[i].next = nodes[j].next;
    nodes[j].next = swapped;
  }
}

uint64_t kernel(void) {
  if (nodes[0].next == NULL) {
    link_nodes();
  }
  uint64_t sum = 0;
  const struct node *at = nodes;
  for (uint32_t step = 0; step < STEPS; step++) {
    sum += at->value;
    at = at->next;
  }
  return sum * 31 + at->value;
}
