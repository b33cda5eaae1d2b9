// A register machine that interprets two loop programs, a sieve of Eratosthenes and Collatz sequences: indirect jumps, as in a
// language's interpreter.
#include "kernel.h"

#define REGISTERS 16
#define SIEVE_SIZE 32768
#define SIEVE_ROUNDS 25
#define COLLATZ_LAST 20000

const char kernel_name[] = "bytecode";
const uint64_t kernel_expected = UINT64_C(0x156f8001bfe8a);

// 32 bits: operation, a, then b and c (8 bits each) or a 16-bit constant. Branch targets are relative to the branch.
enum operation { SET, ADD, ADD_CONSTANT, MULTIPLY_ADD, AND, SHIFT_RIGHT, LOAD, STORE, BRANCH_EQUAL, BRANCH_LESS, JUMP, HALT };

#define ABC(operation, a, b, c) ((uint32_t)(operation) | (uint32_t)(a) << 8 | (uint32_t)(b) << 16 | (uint32_t)(uint8_t)(c) << 24)
#define AK(operation, a, k) ((uint32_t)(operation) | (uint32_t)(a) << 8 | (uint32_t)(uint16_t)(k) << 16)

static uint32_t cells[SIEVE_SIZE];

static uint64_t interpret(const uint32_t *pc) {
  uint64_t registers[REGISTERS] = {0};
  for (;;) {
    uint32_t instruction = *pc;
    uint64_t *a = &registers[instruction >> 8 & (REGISTERS - 1)];
    uint64_t b = registers[instruction >> 16 & (REGISTERS - 1)];
    int32_t c = (int32_t)instruction >> 24;
    int next = 1;
    switch ((enum operation)(instruction & 0xff)) {
      case SET:
        *a = instruction >> 16;
        break;
      case ADD:
        *a = b + registers[c & (REGISTERS - 1)];
        break;
      case ADD_CONSTANT:
        *a = b + (uint64_t)(int64_t)c;
        break;
      case MULTIPLY_ADD:
        *a = *a * b + (uint64_t)(int64_t)c;
        break;
      case AND:
        *a = b & (uint64_t)(int64_t)c;
        break;
      case SHIFT_RIGHT:
        *a = b >> (c & 63);
        break;
      case LOAD:
        *a = cells[b % SIEVE_SIZE];
        break;
      case STORE:
        cells[b % SIEVE_SIZE] = (uint32_t)*a;
        break;
      case BRANCH_EQUAL:
        next = *a == b ? c : 1;
        break;
      case BRANCH_LESS:
        next = *a < b ? c : 1;
        break;
      case JUMP:
        next = (int16_t)(instruction >> 16);
        break;
      case HALT:
        return *a;
    }
    pc += next;
  }
}

// Counts the primes below SIEVE_SIZE, SIEVE_ROUNDS times. r0 zero, r1 one, r2 size, r3 i, r4 j, r5 cell, r6 count, r7 round, r8 rounds
static const uint32_t sieve[] = {
    AK(SET, 1, 1),
    AK(SET, 2, SIEVE_SIZE),
    AK(SET, 8, SIEVE_ROUNDS),
    // round:
    AK(SET, 3, 0),
    // clear:
    ABC(STORE, 0, 3, 0),
    ABC(ADD_CONSTANT, 3, 3, 1),
    ABC(BRANCH_LESS, 3, 2, -2),  // clear
    AK(SET, 3, 2),
    // candidate:
    ABC(LOAD, 5, 3, 0),
    ABC(BRANCH_EQUAL, 5, 1, 7),  // next
    ABC(ADD_CONSTANT, 6, 6, 1),
    ABC(ADD, 4, 3, 3),
    AK(JUMP, 0, 3),  // test
    // mark:
    ABC(STORE, 1, 4, 0),
    ABC(ADD, 4, 4, 3),
    // test:
    ABC(BRANCH_LESS, 4, 2, -2),  // mark
    // next:
    ABC(ADD_CONSTANT, 3, 3, 1),
    ABC(BRANCH_LESS, 3, 2, -9),  // candidate
    ABC(ADD_CONSTANT, 7, 7, 1),
    ABC(BRANCH_LESS, 7, 8, -16),  // round
    ABC(HALT, 6, 0, 0),
};

// Sums the lengths of the Collatz sequences of 1 to COLLATZ_LAST. r1 one, r2 limit, r3 start, r4 value, r5 parity, r6 sum, r7 three
static const uint32_t collatz[] = {
    AK(SET, 1, 1),
    AK(SET, 2, COLLATZ_LAST + 1),
    AK(SET, 3, 1),
    AK(SET, 7, 3),
    // start:
    ABC(ADD_CONSTANT, 4, 3, 0),
    // step:
    ABC(BRANCH_EQUAL, 4, 1, 8),  // next
    ABC(ADD_CONSTANT, 6, 6, 1),
    ABC(AND, 5, 4, 1),
    ABC(BRANCH_EQUAL, 5, 1, 3),  // odd
    ABC(SHIFT_RIGHT, 4, 4, 1),
    AK(JUMP, 0, -5),  // step
    // odd:
    ABC(MULTIPLY_ADD, 4, 7, 1),
    AK(JUMP, 0, -7),  // step
    // next:
    ABC(ADD_CONSTANT, 3, 3, 1),
    ABC(BRANCH_LESS, 3, 2, -10),  // start
    ABC(HALT, 6, 0, 0),
};

uint64_t kernel(void) { return interpret(sieve) << 32 | interpret(collatz); }
