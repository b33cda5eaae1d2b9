// Entry, console and end of a static Linux program without a C library.
#include "syscall.h"

#define STDOUT 1
#define LINE_BYTES 256
#define ERROR_MAX 4095

int main(int argc, char **argv);

// The stack at entry holds argc, then argv (System V ABI, "Process Initialization").
__attribute__((naked, noreturn)) void _start(void) {
#if defined(__riscv)
  __asm__(
      ".option push\n"
      ".option norelax\n"
      "la gp, __global_pointer$\n"
      ".option pop\n"
      "mv a0, sp\n"
      "andi sp, sp, -16\n"
      "call start\n");
#elif defined(__i386__)
  __asm__(
      "mov %esp, %eax\n"
      "and $-16, %esp\n"
      "sub $12, %esp\n"
      "push %eax\n"
      "call start\n");
#endif
}

__attribute__((noreturn, used)) static void start(long *stack) { exit(main((int)stack[0], (char **)(stack + 1))); }

static char line[LINE_BYTES];
static size_t line_length;

static void flush(void) {
  system_call3(SYS_WRITE, STDOUT, (long)line, (long)line_length);
  line_length = 0;
}

void putchar(char character) {
  line[line_length++] = character;
  if (character == '\n' || line_length == LINE_BYTES) {
    flush();
  }
}

void exit(int code) {
  if (line_length > 0) {
    flush();
  }
  for (;;) {
    system_call3(SYS_EXIT_GROUP, code, 0, 0);
  }
}

long must(const char *what, long result) {
  if (result < 0 && result >= -ERROR_MAX) {
    printf("%s: error %d\n", what, (int)-result);
    exit(1);
  }
  return result;
}
