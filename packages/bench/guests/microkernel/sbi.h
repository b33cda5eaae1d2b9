// Calls of the SBI (SBI 2.0, chapter 3), which hypercalls of other extensions share.
#ifndef SBI_H
#define SBI_H

#include <stdint.h>

#define SBI_BASE 0x10
#define SBI_BASE_SPEC_VERSION 0
#define SBI_IPI 0x735049
#define SBI_IPI_SEND 0
#define SBI_RFENCE 0x52464e43
#define SBI_RFENCE_SFENCE_VMA 1
#define SBI_HSM 0x48534d
#define SBI_HSM_START 0
#define SBI_HSM_SUSPEND 3
#define SBI_HSM_RETENTIVE 0
#define SBI_SRST 0x53525354
#define SBI_SRST_RESET 0
#define SBI_SRST_SHUTDOWN 0
#define SBI_SRST_FAILURE 1
#define SBI_DBCN 0x4442434e
#define SBI_DBCN_WRITE 0
#define SBI_DBCN_WRITE_BYTE 2

struct sbi_result {
  int64_t error;
  uint64_t value;
};

static inline struct sbi_result sbi_call4(uint64_t extension, uint64_t function, uint64_t first, uint64_t second, uint64_t third,
                                          uint64_t fourth) {
  register uint64_t a0 __asm__("a0") = first;
  register uint64_t a1 __asm__("a1") = second;
  register uint64_t a2 __asm__("a2") = third;
  register uint64_t a3 __asm__("a3") = fourth;
  register uint64_t a6 __asm__("a6") = function;
  register uint64_t a7 __asm__("a7") = extension;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
  return (struct sbi_result){(int64_t)a0, a1};
}

static inline struct sbi_result sbi_call(uint64_t extension, uint64_t function, uint64_t first, uint64_t second, uint64_t third) {
  return sbi_call4(extension, function, first, second, third, 0);
}

#endif
