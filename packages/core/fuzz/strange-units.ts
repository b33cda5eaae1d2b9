/** Units that go wrong or change themselves: reserved encodings, accesses to nowhere, code that is overwritten. */
import { decodeInstruction, isLong } from "../isa/decode.js";
import { compressed } from "../isa/table/compressed.js";
import { instructions } from "../isa/table.js";
import { assembled, type Builder, constant, instruction, toUnit } from "./builder.js";
import { compressedOperands, destination, operandsFor, temporary } from "./operands.js";
import { GIGAPAGE } from "./paging.js";
import type { Random } from "./random.js";
import { accesses, atomics, compute } from "./rows.js";
import { RAM_BASE, RAM_BYTES, Reserved } from "./slot.js";
import { integerValue } from "./values.js";

/** The bits of a row, compressed or not, with any operands. */
function anyBits(random: Random): number {
  if (random.chance(0.3)) {
    const row = random.pick(compressed);
    return instruction(row.name, compressedOperands(random, row)).bits;
  }
  const row = random.pick(instructions);
  return instruction(row.name, operandsFor(random, row)).bits;
}

/** An encoding that no row claims: random, or one bit from a row's. */
export function illegalUnit(builder: Builder): void {
  const { random } = builder;
  for (;;) {
    const near = anyBits(random);
    const flipped = near ^ (1 << random.below(isLong(near) ? 32 : 16));
    const bits = (random.chance(0.6) ? flipped : random.word()) >>> 0;
    if (decodeInstruction(bits) !== undefined) continue;
    // Longer than 32 bits: how many are skipped would be the handler's guess.
    if ((bits & 0x1f) === 0x1f) continue;
    builder.unit(isLong(bits) ? { bits, length: 4 } : { bits: bits & 0xffff, length: 2 });
    return;
  }
}

/** In or near RAM. */
const isInside = (address: bigint): boolean =>
  address > BigInt(RAM_BASE - 4096) && address < BigInt(RAM_BASE + RAM_BYTES + 4096);
/** Where a gigapage may show RAM again, driver included, and what lies behind RAM. */
const isAliased = (address: bigint): boolean => address >> 30n === BigInt(GIGAPAGE / 2 ** 30);
/** Where an access can wrap around: QEMU reports the part that has. */
const isAtAnEnd = (address: bigint): boolean => BigInt.asUintN(64, address + 4096n) < 8192n;

/** An access or a jump to where nothing is. */
export function wildUnit(builder: Builder): void {
  const { random } = builder;
  let address = integerValue(random);
  while (isInside(address) || (builder.isPaged && isAliased(address))) address = integerValue(random);
  const rs1 = Reserved.scratch;
  const load = constant(rs1, address);
  if (random.chance(0.3)) {
    const rd = Reserved.recovery;
    builder.unit(
      instruction("auipc", { rd, imm: 0 }),
      toUnit("addi", 0, (distance) => ({ rd, rs1: rd, imm: distance + 4 })),
      ...load,
      instruction("jalr", { rd: destination(random), rs1, imm: random.between(-8, 7) }),
    );
    return;
  }
  const row = random.pick([...accesses, ...atomics]);
  const given = isAtAnEnd(address) && row.encoding.fields.has("imm") ? { rs1, imm: 0 } : { rs1 };
  const aligned = isAtAnEnd(address) ? constant(rs1, address & ~15n) : load;
  builder.unit(...aligned, instruction(row.name, operandsFor(random, row, given)));
}

/** Overwrites an instruction that comes soon after. */
export function selfModifyingUnit(builder: Builder): void {
  const { random } = builder;
  const row = random.pick(compute);
  const bits = instruction(row.name, operandsFor(random, row)).bits;
  const rs2 = temporary(random);
  const between = random.below(4);
  const rs1 = Reserved.scratch;
  builder.unit(
    ...constant(rs2, BigInt.asIntN(32, BigInt(bits))),
    instruction("auipc", { rd: rs1, imm: 0 }),
    toUnit("sw", between, (distance) => ({ rs1, rs2, imm: distance + 4 })),
    ...assembled("fence.i"),
  );
  for (let n = 0; n <= between; n++) {
    const filler = random.pick(compute);
    builder.unit(instruction(filler.name, operandsFor(random, filler)));
  }
}
