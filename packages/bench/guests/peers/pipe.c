// A byte to another process and back, through two pipes: system calls, wake-ups and context switches.
#include "kernel.h"
#include "syscall.h"

#define ROUND_TRIPS 6000

const char kernel_name[] = "pipe";
const uint64_t kernel_expected = ROUND_TRIPS;

struct pipe {
  int read_end, write_end;
};

static struct pipe make_pipe(void) {
  struct pipe made;
  must("pipe2", system_call3(SYS_PIPE2, (long)&made, 0, 0));
  return made;
}

static bool receive(struct pipe from, char *byte) { return system_call3(SYS_READ, from.read_end, (long)byte, 1) == 1; }

static bool send(struct pipe to, char *byte) { return system_call3(SYS_WRITE, to.write_end, (long)byte, 1) == 1; }

static void close(int descriptor) { system_call3(SYS_CLOSE, descriptor, 0, 0); }

// Sends back what it gets until there is no more.
__attribute__((noreturn)) static void echo(struct pipe in, struct pipe out) {
  close(in.write_end);
  close(out.read_end);
  char byte;
  while (receive(in, &byte) && send(out, &byte)) {
  }
  exit(0);
}

uint64_t kernel(void) {
  struct pipe there = make_pipe();
  struct pipe back = make_pipe();
  long child = must("fork", fork());
  if (child == 0) {
    echo(there, back);
  }
  close(there.read_end);
  close(back.write_end);
  uint64_t trips = 0;
  for (int trip = 0; trip < ROUND_TRIPS; trip++) {
    char byte = (char)trip;
    trips += send(there, &byte) && receive(back, &byte) && byte == (char)trip;
  }
  close(there.write_end);
  close(back.read_end);
  must("wait4", system_call3(SYS_WAIT4, child, 0, 0));
  return trips;
}
