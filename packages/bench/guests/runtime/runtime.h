// What a bare-metal guest may call: the part of a C library that these programs need, and no more.
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READ_CSR(name)                                             \
  ({                                                               \
    uint64_t value_;                                               \
    __asm__ volatile("csrr %0, " #name : "=r"(value_) : : "memory"); \
    value_;                                                        \
  })
#define WRITE_CSR(name, value) __asm__ volatile("csrw " #name ", %0" : : "r"((uint64_t)(value)) : "memory")
#define SET_CSR(name, bits) __asm__ volatile("csrs " #name ", %0" : : "r"((uint64_t)(bits)) : "memory")
#define CLEAR_CSR(name, bits) __asm__ volatile("csrc " #name ", %0" : : "r"((uint64_t)(bits)) : "memory")

// Where bytes go and how a program ends: htif.c, or the program's own.
void putchar(char character);
__attribute__((noreturn)) void exit(int code);

// print.c: %s %c %d %u %x %%, with l for 64 bits, a width, and 0 or - before it.
#if __SIZEOF_LONG__ == 8
__attribute__((format(printf, 1, 2)))
#endif
void printf(const char *format, ...);

// memory.c
void *memcpy(void *restrict destination, const void *restrict source, size_t bytes);
void *memset(void *destination, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *left, const char *right);

// crt.S: other harts run secondary_main once this is not zero.
extern volatile uint32_t harts_released;

#endif
