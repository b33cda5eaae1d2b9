// A process: registers, an address space, and code of user.S that it runs.
#ifndef PROCESS_H
#define PROCESS_H

#include "paging.h"
#include "trap.h"

// Where every process finds the page of user.S.
#define USER_CODE UINT64_C(0x1000000000)

enum { CALL_NOTHING = 0, CALL_YIELD = 1, CALL_EXIT = 2 };

struct process {  // in one page, wherever it lies
  struct trap_frame frame;
  struct address_space space;
  struct process *next;                // who runs after a yield; null: itself
  bool (*fault)(struct process *, uint64_t address);  // takes a page fault; null or false: it is a mistake
} __attribute__((aligned(512)));

// Makes an address space with the user's code. Frames and tables go with frames_release.
void process_create(struct process *process);

// Switches to its address space and runs a program of user.S with its arguments until that exits; returns what it exits with.
uint64_t process_run(struct process *process, const char *program, uint64_t first, uint64_t second);

// user.S. Each does so many operations, then exits with 0.
extern const char user_code[];
extern const char user_calls[], user_breakpoints[], user_yields[];
// Stores to the first byte of each page of a range: first page, pages.
extern const char user_touches[];

// process.S: leaves a process for good; ops->run_user returns the result.
__attribute__((noreturn)) void leave_user(struct trap_frame *frame, uint64_t result);

#endif
