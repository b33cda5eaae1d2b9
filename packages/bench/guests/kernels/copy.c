// Copies of 4 MB by words, to and fro, with a few words changed between: memory traffic over many pages.
#include "kernel.h"
#include "random.h"

#define COPY_BYTES (4u << 20)
#define WORDS (COPY_BYTES / sizeof(uint64_t))
#define ROUNDS 400
#define CHANGES 64  // words changed before each copy
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

const char kernel_name[] = "copy";
const uint64_t kernel_expected = UINT64_C(0xb3b9ef9cd661ac89);

static uint64_t buffers[2][WORDS] __attribute__((aligned(4096)));

uint64_t kernel(void) {
  uint64_t state = UINT64_C(0x853c49e6748fea9b);
  for (size_t i = 0; i < WORDS; i++) {
    buffers[0][i] = xorshift64(&state);
  }
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t *from = buffers[round & 1];
    for (int change = 0; change < CHANGES; change++) {
      uint64_t random = xorshift64(&state);
      from[random % WORDS] ^= random;
    }
    memcpy(buffers[~round & 1], from, COPY_BYTES);
  }
  uint64_t sum = FNV_OFFSET;
  for (size_t i = 0; i < WORDS; i++) {
    sum = (sum ^ buffers[ROUNDS & 1][i]) * FNV_PRIME;
  }
  return sum;
}
