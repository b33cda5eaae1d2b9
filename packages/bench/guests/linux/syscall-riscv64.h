// System calls of riscv64: linux/include/uapi/asm-generic/unistd.h and syscall(2).
#ifndef SYSCALL_RISCV64_H
#define SYSCALL_RISCV64_H

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

// Number in a7, arguments in a0 to a5, result in a0; everything else is kept. The sixth argument, mmap's offset, is 0.
static inline long system_call(long number, long a, long b, long c, long d, long e) {
  register long a7 __asm__("a7") = number;
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  register long a4 __asm__("a4") = e;
  register long a5 __asm__("a5") = 0;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}

#endif
