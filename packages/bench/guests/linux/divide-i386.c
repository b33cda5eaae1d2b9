// Division of 64-bit numbers, which gcc calls by these names on a 32-bit machine ("Routines for integer arithmetic", GCC Internals).
#include "runtime.h"

uint64_t __udivmoddi4(uint64_t dividend, uint64_t divisor, uint64_t *remainder);
uint64_t __udivdi3(uint64_t dividend, uint64_t divisor);
uint64_t __umoddi3(uint64_t dividend, uint64_t divisor);

// The quotient; the remainder goes through `remainder`.
uint64_t __udivmoddi4(uint64_t dividend, uint64_t divisor, uint64_t *remainder) {
  uint32_t high = (uint32_t)(dividend >> 32);
  uint32_t small = (uint32_t)divisor;
  if (divisor >> 32 == 0) {
    // Two steps of long division: div takes edx:eax, and its quotient fits because edx is less than the divisor.
    uint32_t quotient_high = high / small;
    uint32_t rest = high % small;
    uint32_t quotient_low = (uint32_t)dividend;
    __asm__("divl %2" : "+a"(quotient_low), "+d"(rest) : "r"(small) : "cc");
    *remainder = rest;
    return (uint64_t)quotient_high << 32 | quotient_low;
  }
  // The quotient has at most 32 bits.
  uint64_t rest = high;
  uint32_t quotient = 0;
  for (int bit = 31; bit >= 0; bit--) {
    rest = rest << 1 | (dividend >> bit & 1);
    quotient <<= 1;
    if (rest >= divisor) {
      rest -= divisor;
      quotient |= 1;
    }
  }
  *remainder = rest;
  return quotient;
}

uint64_t __udivdi3(uint64_t dividend, uint64_t divisor) {
  uint64_t remainder;
  return __udivmoddi4(dividend, divisor, &remainder);
}

uint64_t __umoddi3(uint64_t dividend, uint64_t divisor) {
  uint64_t remainder;
  __udivmoddi4(dividend, divisor, &remainder);
  return remainder;
}
