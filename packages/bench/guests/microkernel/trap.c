// Traps, behind the assembly that saved registers: system calls, breakpoints and page faults of processes, interrupts of the kernel.
#include "trap.h"

#include "interrupts.h"
#include "ops.h"
#include "panic.h"
#include "process.h"

#define CALL_BYTES 4  // of an ecall
#define BREAKPOINT_BYTES 4

volatile uint64_t timer_interrupts;

__attribute__((noreturn)) static void unexpected(const struct trap_frame *frame, const char *whose) {
  panic("trap of %s: cause %lx, value %lx, pc %lx", whose, frame->cause, frame->value, frame->pc);
}

static struct trap_frame *yield(struct process *process) {
  struct process *next = process->next;
  next->frame.kernel_sp = process->frame.kernel_sp;
  next->frame.kernel_tp = process->frame.kernel_tp;
  ops->set_space(&next->space);
  return &next->frame;
}

static struct trap_frame *system_call(struct process *process) {
  struct trap_frame *frame = &process->frame;
  frame->pc += CALL_BYTES;
  switch (frame->registers[REGISTER_A7]) {
    case CALL_NOTHING:
      return frame;
    case CALL_YIELD:
      return yield(process);
    case CALL_EXIT:
      leave_user(frame, frame->registers[REGISTER_A0]);
    default:
      panic("system call %lu", frame->registers[REGISTER_A7]);
  }
}

struct trap_frame *trap_from_user(struct trap_frame *frame) {
  struct process *process = (struct process *)frame;  // whose first member it is
  switch (frame->cause) {
    case CAUSE_USER_CALL:
      return system_call(process);
    case CAUSE_BREAKPOINT:
      frame->pc += BREAKPOINT_BYTES;
      return frame;
    case CAUSE_LOAD_PAGE:
    case CAUSE_STORE_PAGE:
      if (process->fault != NULL && process->fault(process, frame->value)) {
        return frame;
      }
      break;
    default:
      break;
  }
  unexpected(frame, "a process");
}

void trap_from_kernel(const struct trap_frame *frame) {
  switch (frame->cause) {
    case CAUSE_INTERRUPT | INTERRUPT_TIMER:
      ops->set_timer(UINT64_MAX);
      timer_interrupts++;
      break;
    case CAUSE_INTERRUPT | INTERRUPT_SOFTWARE:
      ops->software_taken();
      software_interrupt();
      break;
    default:
      unexpected(frame, "the kernel");
  }
}
