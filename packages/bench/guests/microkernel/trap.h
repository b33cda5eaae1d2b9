// What a trap leaves, and who takes it. A process has its frame in itself, a trap out of the kernel has it on the stack.
#ifndef TRAP_H
#define TRAP_H

#define FRAME_BYTES 304  // a multiple of 16, as the stack pointer is
#define FRAME_PC 256
#define FRAME_CAUSE 264
#define FRAME_VALUE 272
#define FRAME_KERNEL_SP 280
#define FRAME_KERNEL_TP 288

#define CONTEXT_BYTES 112

#define CAUSE_USER_CALL 8

#ifdef __ASSEMBLER__
  .macro save_registers base, first
  .irp n, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  .if \n >= \first
  sd x\n, 8 * \n(\base)
  .endif
  .endr
  sd ra, 8 * 1(\base)
  sd gp, 8 * 3(\base)
  sd tp, 8 * 4(\base)
  .endm

  /* All but sp, a0, a6 and a7; the base is sp or a0. */
  .macro restore_registers base
  ld ra, 8 * 1(\base)
  ld gp, 8 * 3(\base)
  ld tp, 8 * 4(\base)
  .irp n, 5,6,7,8,9,11,12,13,14,15,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  ld x\n, 8 * \n(\base)
  .endr
  .endm

  /* Begins a function that runs the process whose frame is a0: leave_user returns from it. */
  .macro save_kernel_context
  addi sp, sp, -CONTEXT_BYTES
  sd ra, 0(sp)
  sd s0, 8(sp)
  sd s1, 16(sp)
  .irp n, 2,3,4,5,6,7,8,9,10,11
  sd s\n, 8 + 8 * \n(sp)
  .endr
  sd sp, FRAME_KERNEL_SP(a0)
  sd tp, FRAME_KERNEL_TP(a0)
  .endm
#else
#include <stddef.h>
#include <stdint.h>

enum { CAUSE_BREAKPOINT = 3, CAUSE_LOAD_PAGE = 13, CAUSE_STORE_PAGE = 15 };
enum { INTERRUPT_SOFTWARE = 1, INTERRUPT_TIMER = 5 };
#define CAUSE_INTERRUPT (UINT64_C(1) << 63)

enum { REGISTER_A0 = 10, REGISTER_A1 = 11, REGISTER_A7 = 17 };

struct trap_frame {
  uint64_t registers[32];
  uint64_t pc, cause, value;
  uint64_t kernel_sp, kernel_tp;  // of a process: what the kernel goes on with when it traps
  uint64_t reserved;
};

_Static_assert(sizeof(struct trap_frame) == FRAME_BYTES && offsetof(struct trap_frame, pc) == FRAME_PC &&
                   offsetof(struct trap_frame, kernel_sp) == FRAME_KERNEL_SP,
               "the assembly's offsets");

// Takes a trap of user code; returns the frame of the process that goes on.
struct trap_frame *trap_from_user(struct trap_frame *frame);

// Takes an interrupt of the kernel; an exception of its own ends the machine.
void trap_from_kernel(const struct trap_frame *frame);
#endif

#endif
