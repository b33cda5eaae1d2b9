// System calls of i386: linux/arch/x86/entry/syscalls/syscall_32.tbl and syscall(2).
#ifndef SYSCALL_I386_H
#define SYSCALL_I386_H

enum {
  SYS_READ = 3,
  SYS_WRITE = 4,
  SYS_CLOSE = 6,
  SYS_EXECVE = 11,
  SYS_GETPPID = 64,
  SYS_MUNMAP = 91,
  SYS_WAIT4 = 114,
  SYS_CLONE = 120,
  SYS_MMAP = 192,  // mmap2, whose offset counts pages
  SYS_EXIT_GROUP = 252,
  SYS_PIPE2 = 331,
  SYS_CLOCK_GETTIME = 403,  // clock_gettime64
};

// Number in eax, arguments in ebx, ecx, edx, esi, edi and ebp, result in eax. The sixth argument, mmap's offset, is 0.
static inline long system_call(long number, long a, long b, long c, long d, long e) {
  long result;
  __asm__ volatile(
      "push %%ebp\n"
      "xor %%ebp, %%ebp\n"
      "int $0x80\n"
      "pop %%ebp\n"
      : "=a"(result)
      : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
      : "memory");
  return result;
}

#endif
