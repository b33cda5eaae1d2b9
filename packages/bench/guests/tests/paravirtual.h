// What the C and the assembly of tests/paravirtual.c agree on.
#ifndef PARAVIRTUAL_H
#define PARAVIRTUAL_H

#define STACK_SHIFT 13
#define STACK_BYTES (1 << STACK_SHIFT)

#define ROUNDS 300
#define LAZY_BASE 0x40000000  // pages from here on are mapped as user code touches them

#define CALL_DOUBLE 1
#define CALL_DONE 2
#define CALL_FAILED 3

#endif
