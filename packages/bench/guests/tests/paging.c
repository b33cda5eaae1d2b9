// Sv39 from M-mode: builds tables, delegates page faults, and runs a list of accesses in S-mode whose scause, stval and sepc it checks
// in an S-mode handler. Exit 0 when all are right, else the number of the first that is wrong (from 1); 100 + cause for a trap that
// reached M-mode and should not have.
#include "runtime.h"

#define PAGE_BYTES 4096
#define ENTRIES 512
#define SATP_SV39 (UINT64_C(8) << 60)
#define MSTATUS_MPP_MASK (UINT64_C(3) << 11)
#define MSTATUS_MPP_S (UINT64_C(1) << 11)
#define SSTATUS_SUM (UINT64_C(1) << 18)
#define SSTATUS_MXR (UINT64_C(1) << 19)
#define PMP_NAPOT_RWX 0x1f

enum { FETCH_FAULT = 12, LOAD_FAULT = 13, STORE_FAULT = 15, ECALL_FROM_S = 9 };
enum { V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128 };

// Where the pages under test lie: in the 1 GiB of virtual addresses from 0x40000000, whose root entry is a table of our own.
#define WINDOW UINT64_C(0x40000000)
#define DATA (WINDOW + 0 * PAGE_BYTES)        // R W
#define READ_ONLY (WINDOW + 1 * PAGE_BYTES)   // R
#define USER (WINDOW + 2 * PAGE_BYTES)        // R W U
#define EXECUTE_ONLY (WINDOW + 3 * PAGE_BYTES)// X
#define CODE (WINDOW + 4 * PAGE_BYTES)        // R X
#define UNMAPPED (WINDOW + 5 * PAGE_BYTES)
#define MISALIGNED (WINDOW + 0x200000)        // a 2 MiB page whose frame number is not a multiple of 512
#define NO_TABLE (WINDOW + 0x400000)
#define NON_CANONICAL UINT64_C(0x0000008000000000)
#define HIGH_ALIAS UINT64_C(0xffffffff80000000)  // the RAM again, as a 1 GiB page at the upper end

static uint64_t root[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t middle[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t leaf[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t frame_a[PAGE_BYTES / 8] __attribute__((aligned(PAGE_BYTES)));
static uint64_t frame_b[PAGE_BYTES / 8] __attribute__((aligned(PAGE_BYTES)));
static uint32_t frame_code[PAGE_BYTES / 4] __attribute__((aligned(PAGE_BYTES)));

// What the last S-mode trap said; the handler goes on at `resume`.
static volatile uint64_t trap_cause, trap_value, trap_pc, resume;
static int number;

static uint64_t entry(const void *frame, uint64_t flags) { return (uintptr_t)frame / PAGE_BYTES << 10 | flags; }

__attribute__((naked, aligned(4))) static void supervisor_trap(void) {
  __asm__ volatile(
      "csrw sscratch, t0\n"
      "csrr t0, scause\n"
      "sd t0, %0, t1\n"
      "csrr t0, stval\n"
      "sd t0, %1, t1\n"
      "csrr t0, sepc\n"
      "sd t0, %2, t1\n"
      "ld t0, %3\n"
      "csrw sepc, t0\n"
      "csrr t0, sscratch\n"
      "sret" ::"S"(&trap_cause),
      "S"(&trap_value), "S"(&trap_pc), "S"(&resume));
}

// S-mode ends with an ecall: its a0 is the exit code.
__attribute__((naked, aligned(4))) static void machine_trap(void) {
  __asm__ volatile(
      "csrr t0, mcause\n"
      "li t1, %0\n"
      "beq t0, t1, exit\n"
      "andi a0, t0, 63\n"
      "addi a0, a0, 100\n"
      "j exit" ::"i"(ECALL_FROM_S));
}

__attribute__((noreturn)) static void finish(int code) {
  register uint64_t a0 __asm__("a0") = (uint64_t)code;
  __asm__ volatile("ecall" : : "r"(a0));
  __builtin_unreachable();
}

static void check(bool right) {
  number++;
  if (!right) {
    finish(number);
  }
}

// One access at a time; t1 is the trap handler's.
static uint64_t load(uint64_t address) {
  uint64_t value;
  trap_cause = 0;
  __asm__ volatile(
      "lla t0, 1f\n"
      "sd t0, %1, t1\n"
      "li %0, 0\n"
      "ld %0, 0(%2)\n"
      "1:"
      : "=&r"(value)
      : "S"(&resume), "r"(address)
      : "t0", "t1", "memory");
  return value;
}

static void store(uint64_t address, uint64_t value) {
  trap_cause = 0;
  __asm__ volatile(
      "lla t0, 1f\n"
      "sd t0, %0, t1\n"
      "sd %2, 0(%1)\n"
      "1:"
      :
      : "S"(&resume), "r"(address), "r"(value)
      : "t0", "t1", "memory");
}

static uint64_t call(uint64_t address) {
  register uint64_t a0 __asm__("a0") = 0;
  trap_cause = 0;
  __asm__ volatile(
      "lla t0, 1f\n"
      "sd t0, %1, t1\n"
      "jalr %2\n"
      "1:"
      : "+r"(a0)
      : "S"(&resume), "r"(address)
      : "ra", "t0", "t1", "memory");
  return a0;
}

static bool faulted(uint64_t cause, uint64_t value) { return trap_cause == cause && trap_value == value; }

static void supervisor_main(void) {
  check(load(DATA + 8) == 0xa1 && trap_cause == 0);
  store(DATA + 16, 0x1234);
  check(trap_cause == 0 && frame_a[2] == 0x1234);
  load(UNMAPPED + 0x128);
  check(faulted(LOAD_FAULT, UNMAPPED + 0x128));
  store(UNMAPPED + 0xff8, 1);
  check(faulted(STORE_FAULT, UNMAPPED + 0xff8));
  call(UNMAPPED + 0x20);
  check(faulted(FETCH_FAULT, UNMAPPED + 0x20) && trap_pc == UNMAPPED + 0x20);
  load(NO_TABLE + 8);
  check(faulted(LOAD_FAULT, NO_TABLE + 8));
  load(NON_CANONICAL);
  check(faulted(LOAD_FAULT, NON_CANONICAL));
  load(MISALIGNED + 0x40);
  check(faulted(LOAD_FAULT, MISALIGNED + 0x40));

  check(load(READ_ONLY + 8) == 0xa1 && trap_cause == 0);
  store(READ_ONLY + 8, 1);
  check(faulted(STORE_FAULT, READ_ONLY + 8) && frame_a[1] == 0xa1);
  call(DATA);
  check(faulted(FETCH_FAULT, DATA) && trap_pc == DATA);

  load(USER + 8);
  check(faulted(LOAD_FAULT, USER + 8));
  SET_CSR(sstatus, SSTATUS_SUM);
  check(load(USER + 8) == 0xa1 && trap_cause == 0);
  CLEAR_CSR(sstatus, SSTATUS_SUM);
  load(USER + 8);
  check(faulted(LOAD_FAULT, USER + 8));

  load(EXECUTE_ONLY);
  check(faulted(LOAD_FAULT, EXECUTE_ONLY));
  SET_CSR(sstatus, SSTATUS_MXR);
  check((uint32_t)load(EXECUTE_ONLY) == frame_code[0] && trap_cause == 0);
  CLEAR_CSR(sstatus, SSTATUS_MXR);
  check(call(EXECUTE_ONLY) == 7 && trap_cause == 0);
  check(call(CODE) == 7 && trap_cause == 0);

  // A 32-bit instruction whose second half lies in the unmapped page: stval names that half, sepc the instruction.
  call(CODE + PAGE_BYTES - 2);
  check(faulted(FETCH_FAULT, CODE + PAGE_BYTES) && trap_pc == CODE + PAGE_BYTES - 2);

  // Another frame under the same address is seen after sfence.vma, by the address and for all.
  check(load(DATA + 8) == 0xa1 && trap_cause == 0);
  leaf[0] = entry(frame_b, V | R | W | A | D);
  __asm__ volatile("sfence.vma %0, zero" : : "r"(DATA) : "memory");
  check(load(DATA + 8) == 0xb1 && trap_cause == 0);
  leaf[0] = 0;
  __asm__ volatile("sfence.vma" : : : "memory");
  load(DATA + 8);
  check(faulted(LOAD_FAULT, DATA + 8));

  check(load(HIGH_ALIAS + ((uintptr_t)&frame_b[1] - UINT64_C(0x80000000))) == 0xb1 && trap_cause == 0);
  finish(0);
}

int main(void) {
  frame_a[1] = 0xa1;
  frame_b[1] = 0xb1;
  frame_code[0] = 0x00700513;                    // addi a0, zero, 7
  frame_code[1] = 0x00008067;                    // ret
  frame_code[PAGE_BYTES / 4 - 1] = 0x05130001;   // c.nop, then the first half of addi a0, zero, ...

  root[0] = entry((void *)0, V | R | W | A | D);                                // devices (HTIF may lie in RAM, below)
  root[WINDOW >> 30] = entry(middle, V);
  root[2] = entry((void *)0x80000000, V | R | W | X | A | D);                   // RAM at its own address
  root[HIGH_ALIAS >> 30 & (ENTRIES - 1)] = entry((void *)0x80000000, V | R | W | A | D);
  middle[0] = entry(leaf, V);
  middle[1] = entry(frame_a, V | R | W | A | D) | UINT64_C(1) << 10;
  leaf[0] = entry(frame_a, V | R | W | A | D);
  leaf[1] = entry(frame_a, V | R | A);
  leaf[2] = entry(frame_a, V | R | W | U | A | D);
  leaf[3] = entry(frame_code, V | X | A);
  leaf[4] = entry(frame_code, V | R | X | A);

  WRITE_CSR(pmpaddr0, UINT64_MAX);
  WRITE_CSR(pmpcfg0, PMP_NAPOT_RWX);
  WRITE_CSR(medeleg, 1 << FETCH_FAULT | 1 << LOAD_FAULT | 1 << STORE_FAULT);
  WRITE_CSR(mtvec, (uintptr_t)machine_trap);
  WRITE_CSR(stvec, (uintptr_t)supervisor_trap);
  WRITE_CSR(satp, SATP_SV39 | (uintptr_t)root / PAGE_BYTES);
  __asm__ volatile("fence.i\n sfence.vma" : : : "memory");
  CLEAR_CSR(mstatus, MSTATUS_MPP_MASK);
  SET_CSR(mstatus, MSTATUS_MPP_S);
  WRITE_CSR(mepc, (uintptr_t)supervisor_main);
  __asm__ volatile("mret");
  __builtin_unreachable();
}
