// Quicksort of 64-bit and heapsort of 32-bit pseudo-random numbers: data-dependent branches, loads and stores.
#include "kernel.h"
#include "random.h"

#define COUNT (1u << 20)
#define SMALL 12  // shorter ranges are left to insertion sort
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

const char kernel_name[] = "sort";
const uint64_t kernel_expected = UINT64_C(0x2b1c7052ede4287f);

static uint64_t wide[COUNT];
static uint32_t narrow[COUNT];

static void insertion_sort(uint64_t *values, long count) {
  for (long i = 1; i < count; i++) {
    uint64_t value = values[i];
    long j = i;
    for (; j > 0 && values[j - 1] > value; j--) {
      values[j] = values[j - 1];
    }
    values[j] = value;
  }
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c) {
  if (a < b) {
    return b < c ? b : a < c ? c : a;
  }
  return a < c ? a : b < c ? c : b;
}

static void quick_sort(uint64_t *values, long count) {
  while (count > SMALL) {
    uint64_t pivot = median(values[0], values[count / 2], values[count - 1]);
    long i = 0;
    long j = count - 1;
    while (i <= j) {
      while (values[i] < pivot) {
        i++;
      }
      while (values[j] > pivot) {
        j--;
      }
      if (i <= j) {
        uint64_t swapped = values[i];
        values[i++] = values[j];
        values[j--] = swapped;
      }
    }
    if (j + 1 < count - i) {  // recurse into the shorter part: the stack stays logarithmic
      quick_sort(values, j + 1);
      values += i;
      count -= i;
    } else {
      quick_sort(values + i, count - i);
      count = j + 1;
    }
  }
  insertion_sort(values, count);
}

static void sift_down(uint32_t *heap, uint32_t root, uint32_t count) {
  uint32_t value = heap[root];
  for (;;) {
    uint32_t child = 2 * root + 1;
    if (child >= count) {
      break;
    }
    if (child + 1 < count && heap[child + 1] > heap[child]) {
      child++;
    }
    if (heap[child] <= value) {
      break;
    }
    heap[root] = heap[child];
    root = child;
  }
  heap[root] = value;
}

static void heap_sort(uint32_t *values, uint32_t count) {
  for (uint32_t root = count / 2; root-- > 0;) {
    sift_down(values, root, count);
  }
  for (uint32_t last = count; last-- > 1;) {
    uint32_t largest = values[0];
    values[0] = values[last];
    values[last] = largest;
    sift_down(values, 0, last);
  }
}

// An order-dependent sum, 0 when the numbers are out of order.
static uint64_t checksum(void) {
  uint64_t sum = FNV_OFFSET;
  for (uint32_t i = 0; i < COUNT; i++) {
    if (i > 0 && (wide[i - 1] > wide[i] || narrow[i - 1] > narrow[i])) {
      return 0;
    }
    sum = (sum ^ wide[i]) * FNV_PRIME;
    sum = (sum ^ narrow[i]) * FNV_PRIME;
  }
  return sum;
}

uint64_t kernel(void) {
  uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
  for (uint32_t i = 0; i < COUNT; i++) {
    wide[i] = xorshift64(&state);
    narrow[i] = (uint32_t)(xorshift64(&state) >> 32);
  }
  quick_sort(wide, COUNT);
  heap_sort(narrow, COUNT);
  return checksum();
}
