// Products of 32-bit integer matrices: a triple loop of multiply and add, one operand by rows and one by columns.
#include "kernel.h"
#include "random.h"

#define SIZE 192
#define PRODUCTS 8
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

const char kernel_name[] = "matrix";
const uint64_t kernel_expected = UINT64_C(0x9b2c00915bdaeb28);

typedef uint32_t matrix[SIZE][SIZE];

static matrix left, right, product;

static void multiply(void) {
  for (int row = 0; row < SIZE; row++) {
    for (int column = 0; column < SIZE; column++) {
      uint32_t sum = 0;
      for (int k = 0; k < SIZE; k++) {
        sum += left[row][k] * right[k][column];
      }
      product[row][column] = sum;
    }
  }
}

uint64_t kernel(void) {
  uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
  for (int row = 0; row < SIZE; row++) {
    for (int column = 0; column < SIZE; column++) {
      left[row][column] = (uint32_t)xorshift64(&state);
      right[row][column] = (uint32_t)xorshift64(&state);
    }
  }
  for (int round = 0; round < PRODUCTS; round++) {
    multiply();
    memcpy(left, product, sizeof left);
  }
  uint64_t sum = FNV_OFFSET;
  for (int row = 0; row < SIZE; row++) {
    for (int column = 0; column < SIZE; column++) {
      sum = (sum ^ product[row][column]) * FNV_PRIME;
    }
  }
  return sum;
}
