// Fibonacci, Ackermann, n queens and Tak: calls, returns and stack traffic.
#include "kernel.h"

#define FIBONACCI 36
#define ACKERMANN_M 3
#define ACKERMANN_N 9
#define QUEENS 10
#define QUEENS_MASK ((1u << QUEENS) - 1)

const char kernel_name[] = "recursion";
const uint64_t kernel_expected = UINT64_C(0x678fcaecc2);

static uint64_t fibonacci(uint64_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static uint64_t ackermann(uint64_t m, uint64_t n) {
  if (m == 0) {
    return n + 1;
  }
  return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

static uint64_t queens(uint32_t columns, uint32_t left, uint32_t right) {
  if (columns == QUEENS_MASK) {
    return 1;
  }
  uint64_t solutions = 0;
  for (uint32_t free = QUEENS_MASK & ~(columns | left | right); free != 0; free &= free - 1) {
    uint32_t queen = free & -free;
    solutions += queens(columns | queen, (left | queen) << 1, (right | queen) >> 1);
  }
  return solutions;
}

static int tak(int x, int y, int z) { return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y)); }

uint64_t kernel(void) {
  uint64_t result = fibonacci(FIBONACCI);
  result = result * 31 + ackermann(ACKERMANN_M, ACKERMANN_N);
  result = result * 31 + queens(0, 0, 0);
  return result * 31 + (uint64_t)tak(24, 16, 8);
}
