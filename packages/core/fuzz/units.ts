import type { Instruction } from "../isa/instruction.js";
import { compressed } from "../isa/table/compressed.js";
import { instructionNamed } from "../isa/table.js";
import { type Builder, instruction, type Step, toUnit } from "./builder.js";
import { compressedOperands, destination, operandsFor, source } from "./operands.js";
import { BLOCK_ALIGNMENT, pagingUnit } from "./paging.js";
import type { UnitKind } from "./profiles.js";
import {
  atomics,
  blocks,
  branches,
  compute,
  fences,
  fencesBelowMachine,
  floatAccesses,
  floats,
  integerAccesses,
  isBlockOperation,
  type Of,
  prefetches,
  systems,
} from "./rows.js";
import { Reserved } from "./slot.js";
import { illegalUnit, selfModifyingUnit, wildUnit } from "./strange-units.js";
import { csrUnit, floatCsrUnit, interruptUnit, returnUnit } from "./system-units.js";

/** QEMU 10 executes them in U-mode, too, where they are illegal (Privileged ISA 1.13, 13: Svinval). */
const IGNORED_IN_USER = ["sfence.w.inval", "sfence.inval.ir"];

/** Those with units of their own: they need a place to return to, or something to wait for. */
const CONTROLLED = ["mret", "sret", "wfi"];

/** Distance from a base register: near it most often, aligned most often. */
function offset({ random }: Builder, width: number): number {
  if (random.chance(0.1)) return random.pick([-2048, 2047, 0, 2040]);
  const distance = random.between(-64, 64) * (random.chance(0.2) ? 16 : 1);
  return random.chance(0.75) ? Math.floor(distance / width) * width : distance;
}

function baseRegister({ random }: Builder, mayReadPool: boolean): number {
  const { stack, edge, window, pool } = Reserved;
  return random.pick(mayReadPool ? [stack, edge, window, pool] : [stack, edge, window]);
}

/** Puts an address in the arena into the scratch register. */
function addressStep(builder: Builder, width: number): Step {
  const imm = offset(builder, width);
  const near = { rd: Reserved.scratch, rs1: baseRegister(builder, false) };
  // The base registers lie apart by less than a page, and not all are aligned.
  return instruction("addi", { ...near, imm: near.rs1 === Reserved.edge ? (imm + 4 > 2047 ? imm : imm + 4) : imm });
}

function accessUnit(builder: Builder, row: Of<"load" | "store">): void {
  const { random } = builder;
  const { kind, width } = row.semantics;
  const rs1 = baseRegister(builder, kind === "load");
  builder.unit(instruction(row.name, operandsFor(random, row, { rs1, imm: offset(builder, width) })));
}

function integerUnit(builder: Builder): void {
  const row = builder.random.pick(compute);
  builder.unit(instruction(row.name, operandsFor(builder.random, row)));
}

/** Load-reserved, a little arithmetic, store-conditional; or a store-conditional that must fail. */
function reservationUnit(builder: Builder): void {
  const { random } = builder;
  const [suffix, width] = random.pick([
    ["w", 4],
    ["d", 8],
  ] as const);
  const rs1 = Reserved.scratch;
  const conditional = instructionNamed(`sc.${suffix}`);
  const reserved = instructionNamed(`lr.${suffix}`);
  const aligned = instruction("addi", { rd: rs1, rs1: Reserved.stack, imm: random.between(-32, 31) * width });
  const last = instruction(conditional.name, operandsFor(random, conditional, { rs1 }));
  if (random.chance(0.15)) {
    builder.unit(aligned, last);
    return;
  }
  const first = instruction(reserved.name, operandsFor(random, reserved, { rs1 }));
  const middle = Array.from({ length: random.below(3) }, () => {
    const row = random.pick(compute);
    return instruction(row.name, operandsFor(random, row));
  });
  builder.unit(aligned, first, ...middle, last);
  // A misaligned load-reserved traps, and so reserves nothing.
  if (random.chance(0.1)) {
    builder.unit(instruction("addi", { rd: rs1, rs1: Reserved.stack, imm: random.between(1, 3) }), first);
  }
}

function jumpUnit(builder: Builder): void {
  const { random } = builder;
  const skip = random.below(4);
  const rd = destination(random);
  if (random.chance(0.5)) {
    builder.unit(toUnit("jal", skip, (imm) => ({ rd, imm })));
    return;
  }
  const rs1 = Reserved.scratch;
  const odd = random.below(2); // the lowest bit of the sum is dropped
  builder.unit(
    instruction("auipc", { rd: rs1, imm: 0 }),
    toUnit("jalr", skip, (distance) => ({ rd, rs1, imm: distance + 4 + odd })),
  );
}

function branchUnit(builder: Builder): void {
  const { random } = builder;
  const row = random.pick(branches);
  const [rs1, rs2] = [source(random), source(random)];
  builder.unit(toUnit(row.name, random.below(5), (imm) => ({ rs1, rs2, imm })));
}

/** A few units, repeated up to eight times. */
function loopUnit(builder: Builder, mode: number): void {
  const { random } = builder;
  const rd = Reserved.loopCount;
  builder.unit(instruction("addi", { rd, rs1: 0, imm: random.between(1, 8) }));
  const first = builder.units;
  for (let n = random.between(1, 5); n > 0; n--) {
    generateUnit(builder, random.pick(["integer", "integer", "memory", "float", "branch", "compressed"]), mode);
  }
  const back = first - builder.units - 1;
  builder.unit(
    instruction("addi", { rd, rs1: rd, imm: -1 }),
    toUnit("blt", back, (imm) => ({ rs1: 0, rs2: rd, imm })),
  );
}

/** Refills a register with an edge value. */
function reloadUnit(builder: Builder): void {
  const { random } = builder;
  const from = { rs1: Reserved.pool, imm: random.between(-256, 255) * 8 };
  if (random.chance(0.5)) builder.unit(instruction("fld", { frd: random.below(32), ...from }));
  else builder.unit(instruction("ld", { rd: destination(random), ...from }));
}

function compressedUnit(builder: Builder): void {
  const { random } = builder;
  const row = random.pick(builder.isPaged ? compressed.filter(({ name }) => name !== "c.ebreak") : compressed);
  const { kind } = instructionNamed(row.expandsTo).semantics;
  const operands = compressedOperands(random, row);
  const skip = random.below(3);
  const rs1 = Reserved.scratch;
  switch (kind) {
    case "branch":
      builder.unit(toUnit(row.name, skip, (imm) => ({ ...operands, imm })));
      break;
    case "jump":
      if (row.operands.imm !== 0) builder.unit(toUnit(row.name, skip, (imm) => ({ ...operands, imm })));
      else {
        builder.unit(
          instruction("auipc", { rd: rs1, imm: 0 }),
          toUnit("addi", skip, (distance) => ({ rd: rs1, rs1, imm: distance + 4 })),
          instruction(row.name, { ...operands, rs1 }),
        );
      }
      break;
    case "load":
    case "store": {
      const base = typeof row.operands.rs1 === "number" ? {} : { rs1: kind === "load" ? random.pick([8, 9]) : 8 };
      builder.unit(instruction(row.name, { ...operands, ...base }));
      break;
    }
    default:
      if (row.operands.rd !== Reserved.stack) builder.unit(instruction(row.name, operands));
      else if (operands.imm !== -512) {
        // It moves the stack pointer, so the next one moves it back.
        const back = instruction(row.name, { ...operands, imm: -(operands.imm ?? 0) });
        builder.unit(instruction(row.name, operands), back);
      }
  }
}

function systemUnit(builder: Builder, mode: number): void {
  const { random } = builder;
  const rows = systems.filter(({ name }) => {
    if (builder.isPaged && name === "ebreak") return false;
    if (IGNORED_IN_USER.includes(name) && (mode === 0 || builder.mayBeUser)) return false;
    if (blocks.some((block) => block.name === name)) return false;
    return !CONTROLLED.includes(name) || mode === 0 || (mode === 1 && name === "mret");
  });
  const row = random.pick(rows);
  builder.unit(instruction(row.name, operandsFor(random, row)));
}

/** A row that takes its address from a register, which gets one in the arena first. */
function addressedUnit(builder: Builder, rows: readonly Instruction[]): void {
  const { random } = builder;
  const row = random.pick(rows);
  const width = "width" in row.semantics ? row.semantics.width : 1;
  const align = builder.isPaged && isBlockOperation(row) ? BLOCK_ALIGNMENT : [];
  const access = instruction(row.name, operandsFor(random, row, { rs1: Reserved.scratch }));
  builder.unit(addressStep(builder, width), ...align, access);
}

/** An atomic operation; the one that compares finds what it expects every other time. */
function atomicUnit(builder: Builder): void {
  const { random } = builder;
  const row = random.pick(atomics);
  const { kind, width } = row.semantics;
  const rs1 = Reserved.scratch;
  const operands = operandsFor(random, row, { rs1 });
  const { rd = 0 } = operands;
  const expects = kind === "amo-compare-swap" && rd !== 0 && random.chance(0.6);
  const first = expects ? [instruction("ld", { rd, rs1, imm: 0 })] : [];
  const second = expects && width === 16 ? [instruction("ld", { rd: rd + 1, rs1, imm: 8 })] : [];
  builder.unit(addressStep(builder, width), ...first, ...second, instruction(row.name, operands));
}

/**
 * A floating-point operation. QEMU 10 takes rounding to an integer for free of side effects and drops it, flags and all,
 * where its result is overwritten unread: a store reads it.
 */
function floatUnit(builder: Builder): void {
  const { random } = builder;
  const row = random.pick(floats);
  const operands = operandsFor(random, row);
  const step = instruction(row.name, operands);
  if (!row.name.startsWith("fround")) builder.unit(step);
  else builder.unit(step, instruction("fsd", { rs1: Reserved.stack, frs2: operands.frd ?? 0, imm: 0 }));
}

function rowUnit(builder: Builder, rows: readonly Instruction[]): void {
  const row = builder.random.pick(rows);
  builder.unit(instruction(row.name, operandsFor(builder.random, row)));
}

/** The generator of each kind; `mode` is that in which the program starts. */
const GENERATORS: Readonly<Record<UnitKind, (builder: Builder, mode: number) => void>> = {
  integer: integerUnit,
  float: floatUnit,
  memory: (builder) => accessUnit(builder, builder.random.pick(integerAccesses)),
  "float-memory": (builder) => accessUnit(builder, builder.random.pick(floatAccesses)),
  atomic: atomicUnit,
  reservation: reservationUnit,
  branch: branchUnit,
  jump: jumpUnit,
  loop: loopUnit,
  csr: csrUnit,
  "float-csr": floatCsrUnit,
  cache: (builder) => addressedUnit(builder, [...blocks, ...prefetches]),
  fence: (builder) => rowUnit(builder, builder.mayBeUser ? fencesBelowMachine : fences),
  compressed: compressedUnit,
  reload: reloadUnit,
  system: systemUnit,
  return: returnUnit,
  interrupt: interruptUnit,
  illegal: illegalUnit,
  wild: wildUnit,
  paging: pagingUnit,
  selfmod: selfModifyingUnit,
};

/** Appends a unit of a kind to a program that starts in a mode. */
export function generateUnit(builder: Builder, kind: UnitKind, mode: number): void {
  GENERATORS[kind](builder, mode);
}
