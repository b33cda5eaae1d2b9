/*
 * What the host and the agent say to each other over the port: frames of a header and up to MAX_PAYLOAD bytes, all
 * numbers little-endian. packages/hartvisor/src/exec/protocol.ts is the other side, and says what each frame means.
 */
#ifndef HARTVISOR_PROTOCOL_H
#define HARTVISOR_PROTOCOL_H

#include "syscalls.h"

enum { PROTOCOL_VERSION = 1, MAX_PAYLOAD = 32768, INPUT_WINDOW = 32768 };

enum {
  /* from the host */
  SPAWN = 1,
  INPUT = 2,
  INPUT_END = 3,
  KILL = 4,
  OUTPUT_CREDIT = 5,
  READ_FILE = 6,
  WRITE_FILE = 7,
  SYNC = 8,
  GREET = 9,
  /* from the agent */
  HELLO = 16,
  EXIT = 17,
  OUTPUT = 18,
  OUTPUT_END = 19,
  INPUT_CREDIT = 20,
};

/* How a job ended, in the first word of EXIT; the second is the status, the signal, or the error number. */
enum { EXITED = 0, SIGNALLED = 1, FAILED = 2 };

struct header {
  u8 type;
  u8 stream; /* 1: stdout, 2: stderr */
  u8 reserved[2];
  u32 job;
  u32 length;
};

#endif
