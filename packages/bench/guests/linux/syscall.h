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

// linux/include/uapi/asm-generic/unistd.h
enum {
  SYS_DUP3 = 24,
  SYS_OPENAT = 56,
  SYS_CLOSE = 57,
  SYS_PIPE2 = 59,
  SYS_READ = 63,
  SYS_WRITE = 64,
  SYS_EXIT_GROUP = 94,
  SYS_CLOCK_GETTIME = 113,
  SYS_GETPPID = 173,
  SYS_MUNMAP = 215,
  SYS_CLONE = 220,
  SYS_EXECVE = 221,
  SYS_MMAP = 222,
  SYS_WAIT4 = 260,
};

// "RISC-V Calling Conventions" of syscall(2): number in a7, arguments in a0 to a5, result in a0, everything else kept.
static inline long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  register long a4 __asm__("a4") = e;
  register long a5 __asm__("a5") = f;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}

#else
#error "no system calls for this architecture"
#endif

static inline long system_call3(long number, long a, long b, long c) { return system_call(number, a, b, c, 0, 0, 0); }

// A copy of this process: 0 in the child, the child's id in the parent.
static inline long fork(void) { return system_call(SYS_CLONE, SIGCHLD, 0, 0, 0, 0, 0); }

static inline struct timespec monotonic_time(void) {
  struct timespec now = {0, 0};
  system_call3(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&now, 0);
  return now;
}

// Ends the program with a message if a system call failed.
long must(const char *what, long result);

#endif
