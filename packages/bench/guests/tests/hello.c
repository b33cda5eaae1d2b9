// Prints one line by HTIF and exits 0.
#include "runtime.h"

int main(void) {
  printf("hello\n");
  return 0;
}
