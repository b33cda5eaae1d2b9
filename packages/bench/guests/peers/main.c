// "<program> [warm-up runs] [timed runs]": a kernel in a Linux process. Ends with 1 when a result is wrong.
#include "kernel.h"
#include "timing.h"

static void run(unsigned times) {
  for (; times > 0; times--) {
    uint64_t result = kernel();
    if (result != kernel_expected) {
      printf("%s: wrong result=%016lx expected=%016lx\n", kernel_name, result, kernel_expected);
      exit(1);
    }
  }
}

int main(int argc, char **argv) {
  run(argc > 1 ? parse_number(argv[1]) : 1);
  wait_for_host();
  uint64_t begin = nanoseconds();
  run(argc > 2 ? parse_number(argv[2]) : 1);
  report(nanoseconds() - begin, kernel_expected);
  return 0;
}
