// Marsaglia's xorshift64 ("Xorshift RNGs", 2003): the programs' input, the same on every machine.
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

static inline uint64_t xorshift64(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

#endif
