/**
 * Units that act on CSRs and privilege: accesses by each register's use, returns
 * from traps that never happened, and interrupts that software raises.
 */
import { type Csr, csrNamed, csrNumbered } from "../isa/csrs.js";
import type { Instruction } from "../isa/instruction.js";
import { instructions } from "../isa/table.js";
import { assembled, type Builder, constant, instruction, type Step, toUnit } from "./builder.js";
import { csrUse, isOfRv32, usableCsrs } from "./csr-policy.js";
import { destination, operandsFor, temporary } from "./operands.js";
import { Reserved } from "./slot.js";

const rows = instructions.filter(({ semantics }) => semantics.kind === "csr");
const hasImmediate = ({ encoding }: Instruction) => encoding.fields.has("uimm");
const rs1 = Reserved.scratch;

/** An access with any source. */
function access(builder: Builder, csr: number): Step {
  const { random } = builder;
  const row = random.pick(rows);
  return instruction(row.name, operandsFor(random, row, { csr }));
}

/** An access whose source is a chosen value. */
function chosenAccess({ random }: Builder, csr: number, value: bigint, immediate: boolean): Step[] {
  const row = random.pick(immediate ? rows : rows.filter((candidate) => !hasImmediate(candidate)));
  const rd = destination(random);
  if (hasImmediate(row)) return [instruction(row.name, { rd, csr, uimm: Number(BigInt.asUintN(5, value)) })];
  return [...constant(rs1, value), instruction(row.name, { rd, csr, rs1 })];
}

export function csrUnit(builder: Builder, mode: number): void {
  const { random } = builder;
  if (random.chance(0.03)) {
    const csr = random.below(4096);
    if (csrNumbered(csr) === undefined && !isOfRv32(csr)) builder.unit(access(builder, csr));
    return;
  }
  accessUnit(builder, random.pick(usableCsrs(mode)));
}

function accessUnit(builder: Builder, { name, number: csr }: Csr): void {
  const { random } = builder;
  const use = csrUse(name);
  const rd = destination(random);
  switch (use?.kind) {
    case undefined:
      builder.unit(access(builder, csr));
      break;
    case "chosen":
      builder.unit(...chosenAccess(builder, csr, use.value(random), use.immediate));
      break;
    case "probe":
      builder.unit(
        ...constant(rs1, use.value(random)),
        instruction("csrrw", { rd: rs1, csr, rs1 }),
        instruction("csrrw", { rd, csr, rs1 }),
      );
      break;
    case "write":
      builder.unit(...constant(rs1, use.value(random)), instruction("csrrw", { rd, csr, rs1 }));
      break;
    case "read":
      builder.unit(instruction(random.pick(["csrrs", "csrrc"]), { rd, csr, rs1: 0 }));
      break;
    case "access":
      builder.unit(instruction("csrrs", { rd: 0, csr, rs1: 0 }));
      break;
    case "draw":
      builder.unit(instruction(random.pick(["csrrs", "csrrc"]), { rd: 0, csr, rs1: random.chance(0.8) ? rs1 : 0 }));
      break;
    case "never":
      break;
  }
}

/** The float CSRs; a reserved rounding mode now and then. */
export function floatCsrUnit(builder: Builder): void {
  const csr = csrNamed(builder.random.pick(["fflags", "frm", "fcsr"]));
  if (csr !== undefined) accessUnit(builder, csr);
}

/** Returns to a unit that follows, in a mode at or below the present one. */
export function returnUnit(builder: Builder, mode: number): void {
  const { random } = builder;
  const level = mode === 3 && random.chance(0.7) ? "m" : "s";
  const [field, previous] =
    level === "m" ? [0x1800n, BigInt(random.pick([0, 1, 3, 3])) << 11n] : [0x100n, BigInt(random.below(2)) << 8n];
  const skip = random.below(3);
  builder.mayBeUser = true;
  builder.unit(
    ...constant(rs1, field),
    ...assembled(`csrrc zero, ${level}status, x${rs1}`),
    ...constant(rs1, previous),
    ...assembled(`csrrs zero, ${level}status, x${rs1}`),
    instruction("auipc", { rd: rs1, imm: 0 }),
    toUnit("addi", skip, (distance) => ({ rd: rs1, rs1, imm: distance + 4 })),
    ...assembled(`csrrw zero, ${level}epc, x${rs1}\n${level}ret`),
  );
}

/** Raises a software interrupt, waits if one is pending for sure, and takes it back. */
export function interruptUnit(builder: Builder, mode: number): void {
  const { random } = builder;
  const level = mode === 3 && random.chance(0.7) ? "m" : "s";
  const other = temporary(random);
  const wait = `
    addi x${rs1}, zero, 0
    csrrs x${rs1}, ${level}ie, zero
    csrrs x${other}, ${level}ip, zero
    and x${rs1}, x${rs1}, x${other}
    beq x${rs1}, zero, .+8
    wfi`;
  builder.unit(
    ...assembled(`
      csrrsi x${destination(random)}, ${level}ie, 2
      csrrsi x${destination(random)}, ${level}ip, 2
      ${random.chance(0.6) ? wait : ""}
      csrrci x${destination(random)}, ${level}ip, 2`),
  );
}
