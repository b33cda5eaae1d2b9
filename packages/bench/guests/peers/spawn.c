// Processes that end at once: fork, exec, exit and wait.
#include "kernel.h"
#include "syscall.h"

#define PROCESSES 150

const char kernel_name[] = "spawn";
const uint64_t kernel_expected = PROCESSES;

uint64_t kernel(void) {
  static char path[] = "/peers/nothing";
  char *argv[] = {path, NULL};
  char *envp[] = {NULL};
  uint64_t well = 0;
  for (int process = 0; process < PROCESSES; process++) {
    long child = must("fork", fork());
    if (child == 0) {
      must(path, system_call3(SYS_EXECVE, (long)path, (long)argv, (long)envp));
    }
    int status = -1;
    must("wait4", system_call3(SYS_WAIT4, child, (long)&status, 0));
    well += status == 0;
  }
  return well;
}
