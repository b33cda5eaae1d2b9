// The guest's side of the benchmark ABI (docs/benchmarks.md): what a kernel in S-mode calls to be told what to run, and to mark the
// stretch that is measured.
#ifndef HVB_H
#define HVB_H

#include <stdint.h>

#define HVB_EXTENSION 0x08485642
enum { HVB_VERSION, HVB_START, HVB_STOP, HVB_NEXT, HVB_SKIP };
enum { HVB_SKIP_UNKNOWN = 1, HVB_SKIP_NO_DEVICE, HVB_SKIP_TECHNIQUE, HVB_SKIP_NO_MEMORY };

struct sbi_result {
  long error;
  long value;
};

// SBI 2.0, chapter 3: extension in a7, function in a6; error in a0, value in a1; everything else is kept.
static inline struct sbi_result sbi_call(long extension, long function, long first, long second) {
  register long a0 __asm__("a0") = first;
  register long a1 __asm__("a1") = second;
  register long a6 __asm__("a6") = function;
  register long a7 __asm__("a7") = extension;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
  return (struct sbi_result){a0, a1};
}

static inline void hvb_start(void) { sbi_call(HVB_EXTENSION, HVB_START, 0, 0); }
static inline void hvb_stop(uint64_t operations) { sbi_call(HVB_EXTENSION, HVB_STOP, (long)operations, 0); }
static inline void hvb_skip(long code) { sbi_call(HVB_EXTENSION, HVB_SKIP, code, 0); }

// The length of what to run next, "name count argument...", which is written to `text` with a NUL behind it; 0 for nothing more. The
// address is a guest-physical one, of 64 to 4,096 bytes in RAM.
static inline long hvb_next(char *text, long room) {
  struct sbi_result next = sbi_call(HVB_EXTENSION, HVB_NEXT, (long)text, room);
  return next.error == 0 ? next.value : 0;
}

#endif
