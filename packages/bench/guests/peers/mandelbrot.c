// Escape times of the Mandelbrot set in double precision: short dependent chains of multiplications and additions, and comparisons.
#include "kernel.h"

#define SIZE 256
#define ITERATIONS_MAX 200

const char kernel_name[] = "mandelbrot";
const uint64_t kernel_expected = UINT64_C(0x3808c4);

static uint32_t escape_time(double cr, double ci) {
  double zr = 0, zi = 0;
  for (uint32_t iteration = 0; iteration < ITERATIONS_MAX; iteration++) {
    double rr = zr * zr;
    double ii = zi * zi;
    if (rr + ii > 4) {
      return iteration;
    }
    zi = 2 * zr * zi + ci;
    zr = rr - ii + cr;
  }
  return ITERATIONS_MAX;
}

uint64_t kernel(void) {
  uint64_t sum = 0;
  for (int y = 0; y < SIZE; y++) {
    for (int x = 0; x < SIZE; x++) {
      sum += escape_time(x * (3.0 / SIZE) - 2, y * (2.0 / SIZE) - 1);
    }
  }
  return sum;
}
