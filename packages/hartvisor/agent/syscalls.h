/* System calls of Linux on riscv64, without a C library: numbers from the kernel's asm-generic/unistd.h. */
#ifndef HARTVISOR_SYSCALLS_H
#define HARTVISOR_SYSCALLS_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long size;

enum {
  SYS_dup3 = 24,
  SYS_unlinkat = 35,
  SYS_chdir = 49,
  SYS_openat = 56,
  SYS_close = 57,
  SYS_pipe2 = 59,
  SYS_getdents64 = 61,
  SYS_read = 63,
  SYS_write = 64,
  SYS_ppoll = 73,
  SYS_sync = 81,
  SYS_exit_group = 94,
  SYS_nanosleep = 101,
  SYS_kill = 129,
  SYS_rt_sigaction = 134,
  SYS_rt_sigprocmask = 135,
  SYS_setsid = 157,
  SYS_clone = 220,
  SYS_execve = 221,
  SYS_wait4 = 260,
  SYS_pidfd_open = 434,
};

enum { AT_FDCWD = -100 };
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000, O_NONBLOCK = 04000, O_CLOEXEC = 02000000 };
enum { POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16 };
enum { EINTR = 4, EAGAIN = 11, ENOMEM = 12, EINVAL = 22, ENOENT = 2, EACCES = 13, E2BIG = 7 };
enum { SIGKILL = 9, SIGPIPE = 13, SIGCHLD = 17 };
enum { CLONE_VM = 0x100, CLONE_VFORK = 0x4000 };

struct pollfd {
  int fd;
  short events, revents;
};

struct timespec {
  long seconds, nanoseconds;
};

static inline long call6(long number, long a, long b, long c, long d, long e, long f) {
  register long a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c;
  register long a3 asm("a3") = d, a4 asm("a4") = e, a5 asm("a5") = f, a7 asm("a7") = number;
  asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
  return a0;
}

#define CALL(number, ...) CALL_(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, f, ...) call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#endif
