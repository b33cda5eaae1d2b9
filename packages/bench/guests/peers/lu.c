// LU factorisation with partial pivoting and the solution of a system, in double precision: rows updated by multiples of another.
#include "kernel.h"
#include "random.h"

#define SIZE 160
#define SYSTEMS 8

const char kernel_name[] = "lu";
const uint64_t kernel_expected = SYSTEMS * SIZE;

static double matrix[SIZE][SIZE];
static double vector[SIZE];

// Random coefficients in -1 to 1, and right-hand sides for which every unknown is 1.
static void fill(uint64_t *state) {
  for (int row = 0; row < SIZE; row++) {
    double sum = 0;
    for (int column = 0; column < SIZE; column++) {
      double value = (double)(int64_t)xorshift64(state) / 9223372036854775808.0;
      matrix[row][column] = value;
      sum += value;
    }
    vector[row] = sum;
  }
}

static double magnitude(double value) { return value < 0 ? -value : value; }

static void swap_rows(int a, int b) {
  for (int column = 0; column < SIZE; column++) {
    double swapped = matrix[a][column];
    matrix[a][column] = matrix[b][column];
    matrix[b][column] = swapped;
  }
  double swapped = vector[a];
  vector[a] = vector[b];
  vector[b] = swapped;
}

static void eliminate(void) {
  for (int step = 0; step < SIZE; step++) {
    int pivot = step;
    for (int row = step + 1; row < SIZE; row++) {
      if (magnitude(matrix[row][step]) > magnitude(matrix[pivot][step])) {
        pivot = row;
      }
    }
    if (pivot != step) {
      swap_rows(pivot, step);
    }
    for (int row = step + 1; row < SIZE; row++) {
      double factor = matrix[row][step] / matrix[step][step];
      for (int column = step; column < SIZE; column++) {
        matrix[row][column] -= factor * matrix[step][column];
      }
      vector[row] -= factor * vector[step];
    }
  }
}

static void substitute(void) {
  for (int row = SIZE - 1; row >= 0; row--) {
    double sum = vector[row];
    for (int column = row + 1; column < SIZE; column++) {
      sum -= matrix[row][column] * vector[column];
    }
    vector[row] = sum / matrix[row][row];
  }
}

// The number of unknowns that came out as 1, to nine digits.
uint64_t kernel(void) {
  uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
  uint64_t right = 0;
  for (int system = 0; system < SYSTEMS; system++) {
    fill(&state);
    eliminate();
    substitute();
    for (int row = 0; row < SIZE; row++) {
      right += magnitude(vector[row] - 1) < 1e-9;
    }
  }
  return right;
}
