// A stack machine whose operations jump to the next by computed goto: indirect jumps from as many places as there are operations. Its
// program sums the smallest divisors of the numbers below LIMIT.
#include "kernel.h"

#define LIMIT 110000
#define STACK_CELLS 8

const char kernel_name[] = "bytecode";
const uint64_t kernel_expected = UINT64_C(0x2088c293);

enum operation { PUSH, GET, PUT, ADD, MULTIPLY, REMAINDER, LESS, JUMP, JUMP_IF, JUMP_UNLESS, HALT };
enum variable { NUMBER, DIVISOR, SUM, VARIABLES };
// Places in the program that jumps go to.
enum label { NEXT_NUMBER = 4, TRY = 8, IS_PRIME = 34, FOUND = 38 };

static const uint32_t program[] = {
    /*  0: */ PUSH, 2,
    /*  2: */ PUT, NUMBER,
    /*  4: NEXT_NUMBER */ PUSH, 2,
    /*  6: */ PUT, DIVISOR,
    /*  8: TRY, number < divisor * divisor */ GET, NUMBER, GET, DIVISOR, GET, DIVISOR, MULTIPLY, LESS,
    /* 16: */ JUMP_IF, IS_PRIME,
    /* 18: */ GET, NUMBER, GET, DIVISOR, REMAINDER,
    /* 23: */ JUMP_UNLESS, FOUND,
    /* 25: */ GET, DIVISOR, PUSH, 1, ADD, PUT, DIVISOR,
    /* 32: */ JUMP, TRY,
    /* 34: IS_PRIME */ GET, NUMBER, PUT, DIVISOR,
    /* 38: FOUND */ GET, SUM, GET, DIVISOR, ADD, PUT, SUM,
    /* 45: */ GET, NUMBER, PUSH, 1, ADD, PUT, NUMBER,
    /* 52: */ GET, NUMBER, PUSH, LIMIT, LESS,
    /* 57: */ JUMP_IF, NEXT_NUMBER,
    /* 59: */ GET, SUM, HALT,
};

uint64_t kernel(void) {
  static const void *const labels[] = {
      [PUSH] = &&push, [GET] = &&get, [PUT] = &&put, [ADD] = &&add, [MULTIPLY] = &&multiply, [REMAINDER] = &&remainder,
      [LESS] = &&less, [JUMP] = &&jump, [JUMP_IF] = &&jump_if, [JUMP_UNLESS] = &&jump_unless, [HALT] = &&halt,
  };
  uint64_t stack[STACK_CELLS];
  uint64_t variables[VARIABLES] = {0};
  uint64_t *top = stack - 1;
  const uint32_t *pc = program;

#define NEXT goto *labels[*pc++]
  NEXT;
push:
  *++top = *pc++;
  NEXT;
get:
  *++top = variables[*pc++];
  NEXT;
put:
  variables[*pc++] = *top--;
  NEXT;
add:
  top--;
  top[0] += top[1];
  NEXT;
multiply:
  top--;
  top[0] *= top[1];
  NEXT;
remainder:
  top--;
  top[0] %= top[1];
  NEXT;
less:
  top--;
  top[0] = top[0] < top[1];
  NEXT;
jump:
  pc = program + *pc;
  NEXT;
jump_if:
  pc = *top-- != 0 ? program + *pc : pc + 1;
  NEXT;
jump_unless:
  pc = *top-- == 0 ? program + *pc : pc + 1;
  NEXT;
halt:
  return *top;
#undef NEXT
}
