#include "panic.h"

#include "sbi.h"

void putchar(char character) { sbi_call(SBI_DBCN, SBI_DBCN_WRITE_BYTE, (uint8_t)character, 0, 0); }

void end_failed(void) {
  putchar('\n');
  sbi_call(SBI_SRST, SBI_SRST_RESET, SBI_SRST_SHUTDOWN, SBI_SRST_FAILURE, 0);
  for (;;) {
  }
}
