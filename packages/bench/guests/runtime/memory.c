// memcpy and its kin. build.mjs forbids the compiler to turn these loops back into calls of themselves.
#include "runtime.h"

typedef uint64_t __attribute__((may_alias)) word;

#define UNROLL 8
#define WORD_MASK (sizeof(word) - 1)

void *memcpy(void *restrict destination, const void *restrict source, size_t bytes) {
  uint8_t *to = destination;
  const uint8_t *from = source;
  if ((((uintptr_t)to ^ (uintptr_t)from) & WORD_MASK) == 0) {
    for (; ((uintptr_t)to & WORD_MASK) != 0 && bytes > 0; bytes--) {
      *to++ = *from++;
    }
    word *to_words = (word *)to;
    const word *from_words = (const word *)from;
    for (; bytes >= UNROLL * sizeof(word); bytes -= UNROLL * sizeof(word)) {
      word w0 = from_words[0], w1 = from_words[1], w2 = from_words[2], w3 = from_words[3];
      word w4 = from_words[4], w5 = from_words[5], w6 = from_words[6], w7 = from_words[7];
      to_words[0] = w0, to_words[1] = w1, to_words[2] = w2, to_words[3] = w3;
      to_words[4] = w4, to_words[5] = w5, to_words[6] = w6, to_words[7] = w7;
      to_words += UNROLL;
      from_words += UNROLL;
    }
    for (; bytes >= sizeof(word); bytes -= sizeof(word)) {
      *to_words++ = *from_words++;
    }
    to = (uint8_t *)to_words;
    from = (const uint8_t *)from_words;
  }
  for (; bytes > 0; bytes--) {
    *to++ = *from++;
  }
  return destination;
}

void *memset(void *destination, int value, size_t bytes) {
  uint8_t *to = destination;
  for (; ((uintptr_t)to & WORD_MASK) != 0 && bytes > 0; bytes--) {
    *to++ = (uint8_t)value;
  }
  word *to_words = (word *)to;
  word pattern = (uint8_t)value * UINT64_C(0x0101010101010101);
  for (; bytes >= sizeof(word); bytes -= sizeof(word)) {
    *to_words++ = pattern;
  }
  for (to = (uint8_t *)to_words; bytes > 0; bytes--) {
    *to++ = (uint8_t)value;
  }
  return destination;
}

int memcmp(const void *left, const void *right, size_t bytes) {
  const uint8_t *a = left;
  const uint8_t *b = right;
  for (; bytes > 0; bytes--, a++, b++) {
    if (*a != *b) {
      return *a < *b ? -1 : 1;
    }
  }
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') {
    length++;
  }
  return length;
}

int strcmp(const char *left, const char *right) {
  while (*left != '\0' && *left == *right) {
    left++;
    right++;
  }
  return (uint8_t)*left - (uint8_t)*right;
}
