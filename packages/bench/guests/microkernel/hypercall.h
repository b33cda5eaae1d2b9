// The monitor's paravirtual interface (docs/hypercalls.md): extension HVP, and the area that a hart shares with the monitor.
#ifndef HYPERCALL_H
#define HYPERCALL_H

#define HVP 0x08485650

#define HVP_SET_VCPU 1
#define HVP_RETURN 2
#define HVP_SET_ROOT 3
#define HVP_PIN 4
#define HVP_UNPIN 5
#define HVP_UPDATE 6
#define HVP_FLUSH 7
#define HVP_SET_TIMER 8
#define HVP_DELIVER 9

#define VCPU_AREA_BYTES 128
#define AREA_EPC 0
#define AREA_CAUSE 8
#define AREA_VALUE 16
#define AREA_STATUS 24
#define AREA_SP 48
#define AREA_KERNEL_SP 56
#define AREA_A6 64
#define AREA_A7 72

#define STATUS_SPP 0x100

#define TRAP_ENTRY_BYTES 32  // from one hart's entry to the next's

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct vcpu_area {
  uint64_t epc, cause, value;
  uint64_t status, pending, enabled;  // with the bits of sstatus, sip and sie
  uint64_t sp, kernel_sp, a6, a7;
} __attribute__((aligned(VCPU_AREA_BYTES)));

_Static_assert(sizeof(struct vcpu_area) == VCPU_AREA_BYTES && offsetof(struct vcpu_area, status) == AREA_STATUS &&
                   offsetof(struct vcpu_area, a7) == AREA_A7,
               "the assembly's offsets");
#endif

#endif
