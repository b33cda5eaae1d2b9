// "measure <program> [arguments]": runs a program of the guest's as the kernels are run, once as warm-up and once under the clock. What
// it prints goes to a file, whose hash is the result.
#include "timing.h"

#define STDOUT 1
#define STDERR 2
#define CHUNK_BYTES 4096
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static const char output[] = "/tmp/output";

static int open_output(int flags) { return (int)must(output, system_call(SYS_OPENAT, AT_FDCWD, (long)output, flags, 0600, 0)); }

__attribute__((noreturn)) static void become(char **argv) {
  static char path[] = "PATH=/usr/bin:/bin", home[] = "HOME=/tmp", language[] = "LC_ALL=C.UTF-8";
  char *environment[] = {path, home, language, NULL};
  int file = open_output(O_WRONLY | O_CREAT | O_TRUNC);
  must("dup3", system_call3(SYS_DUP3, file, STDOUT, 0));
  must("dup3", system_call3(SYS_DUP3, file, STDERR, 0));
  must(argv[0], system_call3(SYS_EXECVE, (long)argv[0], (long)argv, (long)environment));
  exit(1);
}

// Calls a function with each piece of what the program printed.
static void read_output(void (*take)(const uint8_t *bytes, long length)) {
  int file = open_output(O_RDONLY);
  uint8_t chunk[CHUNK_BYTES];
  long length;
  while ((length = must("read", system_call3(SYS_READ, file, (long)chunk, sizeof chunk))) > 0) {
    take(chunk, length);
  }
}

static uint64_t hash = FNV_OFFSET;

static void add_to_hash(const uint8_t *bytes, long length) {
  for (long i = 0; i < length; i++) {
    hash = (hash ^ bytes[i]) * FNV_PRIME;
  }
}

static void print(const uint8_t *bytes, long length) {
  for (long i = 0; i < length; i++) {
    putchar((char)bytes[i]);
  }
}

static void run(char **argv) {
  long child = must("fork", fork());
  if (child == 0) {
    become(argv);
  }
  int status = -1;
  must("wait4", system_call3(SYS_WAIT4, child, (long)&status, 0));
  if (status != 0) {
    printf("%s ended with status %x:\n", argv[0], status);
    read_output(print);
    exit(1);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) {
    printf("usage: measure <program> [arguments]\n");
    return 1;
  }
  run(argv + 1);
  wait_for_host();
  uint64_t begin = nanoseconds();
  run(argv + 1);
  uint64_t elapsed = nanoseconds() - begin;
  read_output(add_to_hash);
  report(elapsed, hash);
  return 0;
}
