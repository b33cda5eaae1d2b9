/**
 * Writes the interpreter: one loop around one `switch`, a case per operation.
 * Guarded by `pnpm bench:interpreter`; what was measured stands in
 * docs/architecture.md.
 */
import { body } from "./cases.js";
import { floatConstants } from "./float-cases.js";
import { indent } from "./operands.js";
import { isRare, type Operation, operations } from "./operations.js";

/** Goes on behind the instruction. */
const advance = ({ length }: Operation) => [`slot += ${length / 2} * SLOT_SIZE;`, "continue;"];

function cases(of: readonly Operation[], next: (operation: Operation) => readonly string[], margin: string): string {
  return of
    .map((operation) => {
      const { number, instruction, length, inPage } = operation;
      const label = `case ${number}: { // ${instruction.name}, ${length} bytes${inPage ? ", target in the page" : ""}`;
      return [label, ...indent(body(operation, next(operation))), "}"].map((line) => `${margin}${line}`).join("\n");
    })
    .join("\n");
}

const common = operations.filter(({ instruction }) => !isRare(instruction));
const rare = operations.filter(({ instruction }) => isRare(instruction));

/** Every name that a case may use from the hand-written files, by file. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  "../arithmetic": "mulh mulhu mulhsu div divu rem remu divw divuw remw remuw rev8 orc_b".split(" "),
  "../carryless": ["clmul", "clmulh", "clmulr"],
  "../code/fetch": ["breakpoint", "crossing", "decodeSlot", "locate"],
  "../crypto/aes": "aes64ds aes64dsm aes64es aes64esm aes64im aes64ks1i".split(" "),
  "../crypto/sm4": ["sm4_key", "sm4_round"],
  "../memory/access": ["atomicAddress", "readAddress", "reserve", "storeConditional", "writeAddress"],
  "../permute": ["brev8", "xperm4", "xperm8"],
  "../privileged/fields": ["FETCH_MISALIGNED", "ILLEGAL_INSTRUCTION"],
  "../privileged/float-state": ["floatChanged", "floatEnabled", "roundingMode"],
  "../privileged/system":
    "CSR_CLEAR CSR_SET CSR_WRITE cbo_clean cbo_inval cbo_zero csr ebreak ecall mret sfence_inval_ir sfence_vma sfence_w_inval sret wfi".split(
      " ",
    ),
  "../translated/entry": ["enterRegion"],
  "../privileged/trap": ["deliverException", "isStuck", "raise", "takeInterrupt"],
  "./layout":
    "EXTENSION_FLOAT EXTENSION_SIGN EXTENSION_ZERO EXIT_BREAKPOINT EXIT_BUDGET EXIT_STUCK HART_BANKS HART_DATA_BANK HART_EXECUTED HART_EXIT_KIND HART_EXIT_NEXT_PC HART_FETCH_BANK HART_FFLAGS HART_FLOAT_FAST HART_LEFT HART_MISALIGNED_TARGET HART_MSTATUS HART_PC HART_SINGLE_STEP HART_SLICE_BUDGET HART_SLOT HART_SLOT_DELTA HART_STATUS OP_REGION REGISTERS_SIZE REGISTER_WINDOW SLOT_IMM SLOT_LENGTH SLOT_RD SLOT_RM SLOT_RS1 SLOT_RS2 SLOT_RS3 SLOT_SIZE STATUS_EXIT STATUS_LOCATED STATUS_NONE STATUS_TRAP STATUS_YIELD TLB_BANKS TLB_BANK_SIZE TLB_ENTRIES TLB_FETCH TLB_READ TLB_WRITE".split(
      " ",
    ),
  "./operations": ["OP_BREAKPOINT", "OP_CROSSING", "OP_ILLEGAL", "OP_NEXT_PAGE", "OP_UNDECODED"],
};

function floatImports(): string[] {
  const names = new Set<string>();
  for (const { instruction } of operations) {
    if (instruction.semantics.kind !== "float") continue;
    const { name, fast } = instruction.semantics.operation;
    names.add(name);
    if (fast) names.add(`${name}_rne`);
  }
  return [...names].sort();
}

export function generateInterpreter(): string {
  const imports = Object.entries({ ...IMPORTS, "../float/index": floatImports() });
  return `${imports.map(([from, names]) => `import { ${names.join(", ")} } from "${from}";`).join("\n")}

/** Of an address shifted by eight: the offset of its entry in a table of the TLB. */
const TLB_INDEX: u32 = (TLB_ENTRIES - 1) << 4;

/** The upper half of a NaN-boxed single (Unprivileged ISA 21.2). */
const BOX: u64 = 0xffffffff00000000;
const CANONICAL_NAN: u32 = 0x7fc00000;
/** The same of a half. */
const BOX_HALF: u64 = 0xffffffffffff0000;
const CANONICAL_HALF_NAN: u16 = 0x7e00;
/** mstatus.FS. */
const FS: u32 = 0x6000;

@inline
function unbox(value: u64): u32 {
  return value >> 32 == 0xffffffff ? <u32>value : CANONICAL_NAN;
}

function unboxHalf(value: u64): u16 {
  return value >= BOX_HALF ? <u16>value : CANONICAL_HALF_NAN;
}

${(["h", "s", "d"] as const).map(floatConstants).join("\n\n")}

function upperOfPair(pair: usize): i64 {
  return pair == 0 ? 0 : load<i64>(pair, REGISTER_WINDOW + 8);
}

/** While single-stepping, a bank whose fetch table is empty sends every instruction through \`locate\`. */
function fetchBankOf(hart: usize): usize {
  if (load<u32>(hart, HART_SINGLE_STEP) == 0) return <usize>load<u32>(hart, HART_FETCH_BANK);
  return <usize>load<u32>(hart, HART_BANKS) + TLB_BANKS * TLB_BANK_SIZE;
}

/** Gives the registers back to the hart's block and adds up what the slice executed. */
function finish(hart: usize, executed: i32): void {
  memory.copy(hart, REGISTER_WINDOW, REGISTERS_SIZE);
  store<u64>(hart, load<u64>(hart, HART_EXECUTED) + <u64>executed, HART_EXECUTED);
  store<u32>(hart, 0, HART_SLICE_BUDGET);
  store<u32>(hart, 0, HART_LEFT);
}

/**
 * Instructions that are rare; the hart's pc is set. They go on by way of STATUS_LOCATED: a \`continue\` in the loop's
 * default case costs every other case some 10 %.
 */
function executeRare(hart: usize, slot: usize): u32 {
  const delta = load<u64>(hart, HART_PC) - <u64>(slot >> 3);
  const dataBank = <usize>load<u32>(hart, HART_DATA_BANK);
  let attention: u32 = STATUS_NONE;
  const operation = <u32>load<u16>(slot);
  if (operation == OP_REGION) return enterRegion(hart, slot);
  switch (operation) {
${cases(rare, () => ["break;"], "    ")}
  }
  if (attention) return attention;
  store<u32>(hart, <u32>slot + <u32>load<u8>(slot, SLOT_LENGTH) * <u32>(SLOT_SIZE / 2), HART_SLOT);
  store<u64>(hart, delta, HART_SLOT_DELTA);
  return STATUS_LOCATED;
}

/**
 * Runs the hart from its pc for about \`budget\` instructions: the budget is
 * looked at where control leaves straight-line code, at most a page further.
 * Returns an exit kind; all state is in the hart's block then.
 */
export function execute(hart: usize, budget: i32): u32 {
  let left = budget;
  let attention: u32 = STATUS_NONE;
  let target = load<u64>(hart, HART_PC);
  let slot: usize = 0;
  let delta: u64 = 0;
  let dataBank = <usize>load<u32>(hart, HART_DATA_BANK);
  let fetchBank = fetchBankOf(hart);
  memory.copy(REGISTER_WINDOW, hart, REGISTERS_SIZE);
  store<u32>(hart, budget, HART_SLICE_BUDGET);
  store<u32>(hart, budget, HART_LEFT);

  while (true) {
    // Something out of the ordinary happened at the instruction in \`slot\`.
    if (attention == STATUS_LOCATED) {
      slot = <usize>load<u32>(hart, HART_SLOT);
      delta = load<u64>(hart, HART_SLOT_DELTA);
      dataBank = <usize>load<u32>(hart, HART_DATA_BANK); // regions that went before may have changed them
      fetchBank = fetchBankOf(hart);
    } else {
      if (attention) {
        store<u32>(hart, STATUS_NONE, HART_STATUS);
        if (attention == STATUS_TRAP) {
          store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);
          deliverException(hart);
        } else if (attention == STATUS_EXIT) {
          const pc = delta + <u64>(slot >> 3);
          store<u64>(hart, pc, HART_PC);
          store<u64>(hart, pc + <u64>load<u8>(slot, SLOT_LENGTH), HART_EXIT_NEXT_PC);
          const kind = load<u32>(hart, HART_EXIT_KIND);
          finish(hart, budget - left - (kind == EXIT_BREAKPOINT ? 1 : 0));
          return kind;
        } else if (attention == STATUS_YIELD) {
          finish(hart, budget - left);
          return EXIT_BUDGET;
        } else {
          takeInterrupt(hart);
        }
        dataBank = <usize>load<u32>(hart, HART_DATA_BANK);
        fetchBank = fetchBankOf(hart);
        target = load<u64>(hart, HART_PC);
      }

      // Go to \`target\`.
      if (left <= 0) {
        store<u64>(hart, target, HART_PC);
        finish(hart, budget - left);
        return EXIT_BUDGET;
      }
      const entry = fetchBank + TLB_FETCH + ((<u32>target >> 8) & TLB_INDEX);
      if (load<u64>(entry) == (target & ~0xfff)) {
        const page = <usize>load<u32>(entry, 8);
        slot = page + ((<usize>target & 0xfff) << 3);
        delta = (target & ~0xfff) - <u64>(page >> 3);
      } else {
        store<u64>(hart, target, HART_PC);
        if (!locate(hart)) {
          store<u32>(hart, STATUS_NONE, HART_STATUS);
          left--;
          deliverException(hart);
          if (isStuck(hart)) {
            finish(hart, budget - left);
            return EXIT_STUCK;
          }
          dataBank = <usize>load<u32>(hart, HART_DATA_BANK);
          fetchBank = fetchBankOf(hart);
          target = load<u64>(hart, HART_PC);
          attention = STATUS_NONE;
          continue;
        }
        slot = <usize>load<u32>(hart, HART_SLOT);
        delta = load<u64>(hart, HART_SLOT_DELTA);
      }
    }
    attention = STATUS_NONE;

    while (true) {
      left--;
      switch (<u32>load<u16>(slot)) {
        case OP_UNDECODED: {
          left++;
          decodeSlot(hart, slot, delta + <u64>(slot >> 3));
          continue;
        }
        case OP_NEXT_PAGE: {
          left++;
          target = delta + <u64>(slot >> 3);
          break;
        }
        case OP_CROSSING: {
          store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);
          attention = crossing(hart);
          if (attention == STATUS_LOCATED) left++;
          break;
        }
        case OP_BREAKPOINT: {
          store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);
          attention = breakpoint(hart);
          if (attention == STATUS_LOCATED) left++;
          break;
        }
        case OP_ILLEGAL: {
          raise(hart, ILLEGAL_INSTRUCTION, <u64>load<u32>(slot, SLOT_IMM));
          attention = STATUS_TRAP;
          break;
        }
${cases(common, advance, "        ")}
        default: {
          store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);
          attention = executeRare(hart, slot);
          break;
        }
      }
      break;
    }
  }
}`;
}
