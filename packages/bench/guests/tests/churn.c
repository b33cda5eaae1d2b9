// Writes functions of random instructions all over an arena of some pages, without end, and runs each: over others, across pages, and
// again with an instruction exchanged while it is hot. Each result is compared with that of an evaluation in C. Exit 1: one differs.
#include "random.h"
#include "runtime.h"

#define ARENA_PAGES 64
#define ARENA_BYTES (ARENA_PAGES * 4096)
#define BODY_MAX 48
#define ROUNDS_MAX 4000
#define REGISTERS 6  // a0 to a5
#define COUNTER 16   // a6
#define A0 10

#define OP 0x33u
#define OP_32 0x3bu
#define BNE_A6_ZERO 0x00081063u
#define ADDI_A6_MINUS_1 0xfff80813u
#define RET 0x00008067u

typedef uint64_t function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t rounds);

enum { ADD, SUB, XOR, OR, AND, SLL, SRL, SRA, ADDW, SUBW, MUL, KINDS };

struct operation {
  uint8_t kind, rd, rs1, rs2;
};

static const struct {
  uint32_t opcode, funct3, funct7;
} encodings[KINDS] = {
    [ADD] = {OP, 0, 0},       [SUB] = {OP, 0, 0x20},      [XOR] = {OP, 4, 0},  [OR] = {OP, 6, 0},
    [AND] = {OP, 7, 0},       [SLL] = {OP, 1, 0},         [SRL] = {OP, 5, 0},  [SRA] = {OP, 5, 0x20},
    [ADDW] = {OP_32, 0, 0},   [SUBW] = {OP_32, 0, 0x20},  [MUL] = {OP, 0, 1},
};

static uint32_t arena[ARENA_BYTES / 4] __attribute__((aligned(4096)));

static struct operation random_operation(uint64_t *state) {
  uint64_t bits = xorshift64(state);
  return (struct operation){bits % KINDS, (bits >> 8) % REGISTERS, (bits >> 16) % REGISTERS, (bits >> 24) % REGISTERS};
}

static uint32_t encode(struct operation op) {
  uint32_t registers = (A0 + op.rs2) << 20 | (A0 + op.rs1) << 15 | (A0 + op.rd) << 7;
  return encodings[op.kind].funct7 << 25 | registers | encodings[op.kind].funct3 << 12 | encodings[op.kind].opcode;
}

static uint64_t evaluate(struct operation op, uint64_t a, uint64_t b) {
  switch (op.kind) {
    case ADD: return a + b;
    case SUB: return a - b;
    case XOR: return a ^ b;
    case OR: return a | b;
    case AND: return a & b;
    case SLL: return a << (b & 63);
    case SRL: return a >> (b & 63);
    case SRA: return (uint64_t)((int64_t)a >> (b & 63));
    case ADDW: return (uint64_t)(int32_t)(uint32_t)(a + b);
    case SUBW: return (uint64_t)(int32_t)(uint32_t)(a - b);
    default: return a * b;
  }
}

static uint32_t branch_back(uint32_t instructions) {
  uint32_t offset = -(instructions * 4);
  return BNE_A6_ZERO | (offset >> 12 & 1) << 31 | (offset >> 5 & 0x3f) << 25 | (offset >> 1 & 0xf) << 8 | (offset >> 11 & 1) << 7;
}

/** Runs a body so many rounds, in the arena and in C; false if they differ. */
static bool agrees(uint32_t *code, const struct operation *body, uint32_t length, uint64_t rounds, uint64_t seed) {
  uint64_t x[REGISTERS];
  for (int n = 0; n < REGISTERS; n++) x[n] = seed * (2 * n + 1);
  uint64_t result = ((function *)code)(x[0], x[1], x[2], x[3], x[4], x[5], rounds);
  for (; rounds > 0; rounds--) {
    for (uint32_t n = 0; n < length; n++) x[body[n].rd] = evaluate(body[n], x[body[n].rs1], x[body[n].rs2]);
  }
  return result == x[0];
}

int main(void) {
  uint64_t state = 1;
  struct operation body[BODY_MAX];
  for (;;) {
    uint32_t length = 1 + xorshift64(&state) % BODY_MAX;
    uint32_t *code = arena + xorshift64(&state) % (ARENA_BYTES / 4 - BODY_MAX - 3);
    for (uint32_t n = 0; n < length; n++) {
      body[n] = random_operation(&state);
      code[n] = encode(body[n]);
    }
    code[length] = ADDI_A6_MINUS_1;
    code[length + 1] = branch_back(length + 1);
    code[length + 2] = RET;
    for (int writes = 0; writes < 3; writes++) {
      __asm__ volatile("fence.i" : : : "memory");
      uint64_t rounds = 1 + xorshift64(&state) % ROUNDS_MAX;
      if (!agrees(code, body, length, rounds, xorshift64(&state))) return 1;
      uint32_t n = xorshift64(&state) % length;
      body[n] = random_operation(&state);
      code[n] = encode(body[n]);
    }
  }
}
