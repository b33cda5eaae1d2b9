// Fast Fourier transforms of complex numbers in single precision, there and back: radix 2, in place (Cooley and Tukey, 1965).
#include "kernel.h"
#include "random.h"

#define BITS 12
#define SIZE (1 << BITS)
#define ROUNDS 24

const char kernel_name[] = "fft";
const uint64_t kernel_expected = SIZE;

struct complex {
  float re, im;
};

static struct complex roots[SIZE / 2];
static struct complex original[SIZE];
static struct complex data[SIZE];

// Roots of unity by halving angles: those of order 2^n are products of the ones before and the next root.
static void find_roots(void) {
  double cosine = -1, sine = 0;  // of half a turn
  roots[0] = (struct complex){1, 0};
  for (int step = SIZE / 4; step > 0; step /= 2) {
    sine = __builtin_sqrt((1 - cosine) / 2);
    cosine = __builtin_sqrt((1 + cosine) / 2);
    if (step == SIZE / 4) {
      cosine = 0, sine = 1;
    }
    for (int i = 0; i < SIZE / 2; i += 2 * step) {
      roots[i + step].re = (float)(roots[i].re * cosine - roots[i].im * sine);
      roots[i + step].im = (float)(roots[i].re * sine + roots[i].im * cosine);
    }
  }
}

static void reorder(void) {
  for (uint32_t i = 0, j = 0; i < SIZE; i++) {
    if (i < j) {
      struct complex swapped = data[i];
      data[i] = data[j];
      data[j] = swapped;
    }
    uint32_t bit = SIZE / 2;
    for (; (j & bit) != 0; bit /= 2) {
      j ^= bit;
    }
    j ^= bit;
  }
}

static void transform(float direction) {
  reorder();
  for (int half = 1; half < SIZE; half *= 2) {
    int stride = SIZE / 2 / half;
    for (int start = 0; start < SIZE; start += 2 * half) {
      for (int k = 0; k < half; k++) {
        float wr = roots[k * stride].re;
        float wi = roots[k * stride].im * direction;
        struct complex *a = &data[start + k];
        struct complex *b = a + half;
        float re = b->re * wr - b->im * wi;
        float im = b->re * wi + b->im * wr;
        b->re = a->re - re;
        b->im = a->im - im;
        a->re += re;
        a->im += im;
      }
    }
  }
}

static bool near(float left, float right) {
  float difference = left - right;
  return difference < 1e-3f && difference > -1e-3f;
}

// The number of values that come back.
uint64_t kernel(void) {
  find_roots();
  uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
  for (int i = 0; i < SIZE; i++) {
    original[i].re = (float)(int32_t)xorshift64(&state) / 2147483648.0f;
    original[i].im = (float)(int32_t)xorshift64(&state) / 2147483648.0f;
    data[i] = original[i];
  }
  for (int round = 0; round < ROUNDS; round++) {
    transform(1);
    transform(-1);
    for (int i = 0; i < SIZE; i++) {
      data[i].re /= SIZE;
      data[i].im /= SIZE;
    }
  }
  uint64_t same = 0;
  for (int i = 0; i < SIZE; i++) {
    same += near(data[i].re, original[i].re) && near(data[i].im, original[i].im);
  }
  return same;
}
