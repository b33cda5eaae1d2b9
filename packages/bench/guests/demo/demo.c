// The guest that `hartvisor demo` runs where Linux cannot be had: a prompt on the serial port of a QEMU `virt` board, in M-mode, with
// commands that show the machine from inside. Runs in QEMU too: qemu-system-riscv64 -M virt -bios demo.elf -nographic
#include "editor.h"
#include "fdt.h"
#include "runtime.h"
#include "trap.h"
#include "uart.h"

#define LINE_BYTES 128
#define LOOP_DEFAULT UINT64_C(20000000)
#define LOOP_CHUNK UINT64_C(1000000)  // between two looks for Ctrl-C
#define LOOP_MAX UINT64_C(1000000000000)
#define MICROSECONDS UINT64_C(1000000)
#define TIMEBASE_DEFAULT 10000000  // of the virt board, if the device tree does not say

enum { CAUSE_FETCH_ACCESS = 1, CAUSE_ILLEGAL = 2, CAUSE_BREAKPOINT = 3, CAUSE_LOAD_ACCESS = 5, CAUSE_STORE_ACCESS = 7 };

static const char *const register_names[32] = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
    "a6",   "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};

static const void *device_tree;

static void print_registers(void) {
  __asm__ volatile("ebreak" : : : "memory");  // the trap handler keeps the registers as they are here
  printf("%-8s %016lx  (at this ebreak)\n", "pc", last_trap.pc);
  for (int i = 0; i < 32; i++) {
    printf("%-8s %016lx%s", register_names[i], last_trap.registers[i], i % 3 == 2 ? "\n" : "  ");
  }
  printf("\n");
  struct {
    const char *name;
    uint64_t value;
  } csrs[] = {
      {"misa", READ_CSR(misa)},         {"mhartid", READ_CSR(mhartid)}, {"mstatus", last_trap.status},
      {"mtvec", READ_CSR(mtvec)},       {"mepc", last_trap.pc},         {"mcause", last_trap.cause},
      {"mtval", last_trap.value},       {"mie", READ_CSR(mie)},         {"mip", READ_CSR(mip)},
      {"medeleg", READ_CSR(medeleg)},   {"mideleg", READ_CSR(mideleg)}, {"satp", READ_CSR(satp)},
      {"minstret", READ_CSR(minstret)}, {"mcycle", READ_CSR(mcycle)},   {"time", READ_CSR(time)},
  };
  for (size_t i = 0; i < sizeof csrs / sizeof csrs[0]; i++) {
    printf("%-8s %016lx%s", csrs[i].name, csrs[i].value, i % 3 == 2 ? "\n" : "  ");
  }
}

// One line for each range of the node's reg; `what` is its model.
static void print_ranges(const struct fdt_node *node, const char *what) {
  uint32_t cells = node->address_cells + node->size_cells;
  uint64_t base;
  uint64_t bytes;
  if (node->size_cells == 0) {
    return;  // an index, such as a processor's number, not an address
  }
  for (uint32_t index = 0; fdt_cells(node->reg, index, node->address_cells, &base) &&
                           fdt_cells(node->reg, index + node->address_cells, node->size_cells, &bytes);
       index += cells) {
    if (bytes == 0) {
      continue;
    }
    printf("%016lx-%016lx  %-24s %s\n", base, base + bytes - 1, node->name, what);
  }
}

static void print_map(void) {
  struct fdt_walk walk;
  struct fdt_node node;
  if (!fdt_open(&walk, device_tree)) {
    printf("no device tree at a1 = %lx\n", (uint64_t)(uintptr_t)device_tree);
    return;
  }
  uint32_t harts = 0;
  while (fdt_next(&walk, &node)) {
    if (fdt_has_string(node.device_type, "cpu")) {
      harts++;
    } else if (fdt_has_string(node.device_type, "memory")) {
      print_ranges(&node, "memory");
    } else if (node.reg.data != NULL && node.compatible.data != NULL && node.compatible.bytes > 0 &&
               node.compatible.data[node.compatible.bytes - 1] == '\0') {
      print_ranges(&node, (const char *)node.compatible.data);
    }
  }
  printf("harts: %u\n", harts);
}

static uint64_t timebase(void) {
  struct fdt_walk walk;
  struct fdt_node node;
  uint64_t frequency;
  if (fdt_open(&walk, device_tree)) {
    while (fdt_next(&walk, &node)) {
      if (fdt_cells(node.timebase_frequency, 0, 1, &frequency) && frequency != 0) {
        return frequency;
      }
    }
  }
  return TIMEBASE_DEFAULT;
}

static bool parse_decimal(const char *text, uint64_t *value) {
  *value = 0;
  if (*text == '\0') {
    return false;
  }
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9' || *value > LOOP_MAX) {
      return false;
    }
    *value = *value * 10 + (uint64_t)(*text - '0');
  }
  return *value > 0 && *value <= LOOP_MAX;
}

// xorshift64 as long as asked, so that there is work which no optimiser removes.
static uint64_t spin(uint64_t state, uint64_t rounds) {
  for (; rounds > 0; rounds--) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return state;
}

static void timed_loop(const char *argument) {
  uint64_t rounds = LOOP_DEFAULT;
  if (*argument != '\0' && !parse_decimal(argument, &rounds)) {
    printf("loop: rounds must be a number from 1 to %lu\n", LOOP_MAX);
    return;
  }
  uint64_t state = 1;
  uint64_t left = rounds;
  bool interrupted = false;
  uint64_t time = READ_CSR(time);
  uint64_t instructions = READ_CSR(instret);
  while (left > 0 && !interrupted) {
    uint64_t chunk = left < LOOP_CHUNK ? left : LOOP_CHUNK;
    state = spin(state, chunk);
    left -= chunk;
    interrupted = uart_interrupted();
  }
  instructions = READ_CSR(instret) - instructions;
  time = READ_CSR(time) - time;
  uint64_t frequency = timebase();
  uint64_t microseconds = time / frequency * MICROSECONDS + time % frequency * MICROSECONDS / frequency;
  printf("%s%lu rounds, %lu instructions, %lu.%06lu s", interrupted ? "^C\n" : "", rounds - left, instructions,
         microseconds / MICROSECONDS, microseconds % MICROSECONDS);
  if (microseconds > 0) {
    printf(", %lu MIPS", instructions / microseconds);
  }
  printf(" (state %016lx)\n", state);
}

static const char *cause_name(uint64_t cause) {
  switch (cause) {
    case CAUSE_FETCH_ACCESS:
      return "instruction access fault";
    case CAUSE_ILLEGAL:
      return "illegal instruction";
    case CAUSE_BREAKPOINT:
      return "breakpoint";
    case CAUSE_LOAD_ACCESS:
      return "load access fault";
    case CAUSE_STORE_ACCESS:
      return "store access fault";
    default:
      return "another cause";
  }
}

static void take_trap(void) {
  uint64_t before = last_trap.count;
  __asm__ volatile("unimp" : : : "memory");
  if (last_trap.count == before) {
    printf("no trap came\n");
    return;
  }
  printf("trap: mcause %lu (%s), mepc %016lx, mtval %lx; resumed after it\n", last_trap.cause, cause_name(last_trap.cause),
         last_trap.pc, last_trap.value);
}

static void print_help(void) {
  printf(
      "help        this list\n"
      "regs        integer registers and machine CSRs\n"
      "map         memory and devices, from the device tree\n"
      "loop [n]    a timed loop of n rounds (%lu); Ctrl-C stops it\n"
      "echo TEXT   prints the text\n"
      "trap        takes an illegal instruction and reports it\n"
      "poweroff    switches the machine off; so does Ctrl-D on an empty line\n"
      "reboot      starts it again\n",
      LOOP_DEFAULT);
}

static void run_command(char *line) {
  while (*line == ' ') {
    line++;
  }
  size_t end = strlen(line);
  while (end > 0 && line[end - 1] == ' ') {
    line[--end] = '\0';
  }
  char *argument = line;
  while (*argument != '\0' && *argument != ' ') {
    argument++;
  }
  while (*argument == ' ') {
    *argument++ = '\0';
  }

  if (*line == '\0') {
    return;
  }
  if (strcmp(line, "help") == 0) {
    print_help();
  } else if (strcmp(line, "regs") == 0) {
    print_registers();
  } else if (strcmp(line, "map") == 0) {
    print_map();
  } else if (strcmp(line, "loop") == 0) {
    timed_loop(argument);
  } else if (strcmp(line, "echo") == 0) {
    printf("%s\n", argument);
  } else if (strcmp(line, "trap") == 0) {
    take_trap();
  } else if (strcmp(line, "poweroff") == 0) {
    power_off();
  } else if (strcmp(line, "reboot") == 0) {
    reboot();
  } else {
    printf("%s: no such command; try help\n", line);
  }
}

int main(uint64_t hart, const void *tree) {
  char line[LINE_BYTES];
  device_tree = tree;
  WRITE_CSR(mtvec, (uintptr_t)trap_entry);
  printf("\nhartvisor demo guest: hart %lu, RV64 machine mode. Type help for the commands.\n", hart);
  for (;;) {
    printf("hartvisor> ");
    switch (read_line(line, sizeof line)) {
      case LINE_ENTERED:
        run_command(line);
        break;
      case LINE_CANCELLED:
        break;
      case LINE_END_OF_INPUT:
        power_off();
    }
  }
}
