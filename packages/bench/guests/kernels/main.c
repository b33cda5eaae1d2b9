// Prints "<name>: ok result=<hex> instructions=<decimal>", exit 0; or "wrong" and what was expected, exit 1. The count is exact, and
// so the same on every machine that counts retired instructions.
#include "kernel.h"

int main(void) {
  uint64_t before = READ_CSR(minstret);
  uint64_t result = kernel();
  uint64_t instructions = READ_CSR(minstret) - before;
  if (result != kernel_expected) {
    printf("%s: wrong result=%016lx expected=%016lx\n", kernel_name, result, kernel_expected);
    return 1;
  }
  printf("%s: ok result=%016lx instructions=%lu\n", kernel_name, result, instructions);
  return 0;
}
