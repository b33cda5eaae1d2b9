// Linux system calls without a C library: the instruction and the numbers. A result between -4095 and -1 is a negated error number.
#ifndef SYSCALL_H
#define SYSCALL_H

#include "runtime.h"

struct timespec {
  int64_t seconds;
  int64_t nanoseconds;
};

#define CLOCK_MONOTONIC 1
#define AT_FDCWD (-100)
#define O_RDONLY 0
#define O_WRONLY 1
#define O_CREAT 0100
#define O_TRUNC 01000
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 0x20
#define SIGCHLD 17

#if defined(__riscv)
#include "syscall-riscv64.h"
#elif defined(__i386__)
#include "syscall-i386.h"
#else
#error "no system calls for this architecture"
#endif

static inline long system_call3(long number, long a, long b, long c) { return system_call(number, a, b, c, 0, 0); }

// A copy of this process: 0 in the child, the child's id in the parent.
static inline long fork(void) { return system_call(SYS_CLONE, SIGCHLD, 0, 0, 0, 0); }

static inline struct timespec monotonic_time(void) {
  struct timespec now = {0, 0};
  system_call3(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&now, 0);
  return now;
}

// The result of a system call, unless that is an error: then the program ends with a message.
long must(const char *what, long result);

#endif
