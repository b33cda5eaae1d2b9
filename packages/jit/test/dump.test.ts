/** The region dump: what it says of small programs, and that what it shows is a module that hosts take. */
import { IsaSet } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { assemble } from "../../core/isa/assemble.js";
import { encode } from "../../core/isa/encode.js";
import { instructions } from "../../core/isa/table.js";
import { type DumpOptions, dumpRegion, type RegionDump } from "../src/index.js";

const ENTRY = 0x80000ff0n;
const ISA = IsaSet.parse("rv64gc_zba_zbb_zbs_zbc_zicond_zfa_zfh_zabha_zacas_zkn_zks");

/** The dump of the region at the beginning of some code, or as far behind it as `from` says. */
function dumpBytes(bytes: Uint8Array, options: Partial<DumpOptions> = {}): RegionDump | undefined {
  const read = (address: bigint) => {
    const at = Number(address - ENTRY);
    const [low, high] = [bytes[at], bytes[at + 1]];
    return low === undefined || high === undefined ? undefined : low | (high << 8);
  };
  return dumpRegion({ address: ENTRY, read, isa: ISA, ...options });
}

function dump(source: string, options?: Partial<DumpOptions>): RegionDump {
  const result = dumpBytes(assemble(source), options);
  if (result === undefined) throw new Error("no region begins there");
  return result;
}

/** A part of the text by its title. */
function section({ text }: RegionDump, title: string): string {
  const found = text.split(/^# /m).find((part) => part.startsWith(title));
  if (found === undefined) throw new Error(`no section ${title} in\n${text}`);
  return found.slice(found.indexOf("\n")).trim();
}

/** Adds up a list, a word at a time, until a zero. */
const SUM = `
  addi a0, zero, 0
  lw a1, 0(a2)
  beq a1, zero, .+16
  add a0, a0, a1
  addi a2, a2, 4
  j .-16
  ret`;

/** Two blocks that jump to one another, each entered from outside. */
const IRREDUCIBLE = `
  beq a0, zero, .+12
  addi a1, a1, 1
  beq a1, a2, .+12
  addi a1, a1, 2
  bne a1, a3, .-12
  ret`;

const FACTORIAL = `
  beq a0, zero, .+24
  addi sp, sp, -16
  sd ra, 8(sp)
  sd a0, 0(sp)
  addi a0, a0, -1
  jal ra, .-20
  ret`;

const NORM = "fld fa0, 0(a0)\nfld fa1, 8(a0)\nfmul.d fa0, fa0, fa0\nfmadd.d fa0, fa1, fa1, fa0\nfsd fa0, 16(a0)\nret";

const SINGLES = "flw fa0, 0(a0)\nfmv.w.x fa1, a1\nfnmsub.s fa0, fa1, fa1, fa0\nfsw fa0, 4(a0)\nret";

describe("the blocks of a dump", () => {
  it("have their guest code, and say where they go on", () => {
    expect(section(dump(SUM), "Blocks")).toMatch(
      /^B0: entry\n {2}0x80000ff0 {2}addi a0,zero,0\n {2}-> B1\n\nB1: loop header\n {2}0x80000ff4 {2}lw a1,0\(a2\)\n {2}0x80000ff8 {2}beq a1,zero,0x80001008\n {2}-> B3 if taken, else B2\n\n/,
    );
  });

  it("tell ways out of the region", () => {
    const blocks = section(dump("beq a0, zero, .+2048\njal ra, .+8\ncsrrs a0, mhartid, zero\nret"), "Blocks");
    expect(blocks).toContain("-> out to 0x800017f0 if taken, else B1");
    expect(blocks).toContain("-> calls 0x80000ffc, then out to 0x80000ff8");
  });

  it("name the instruction that they leave to the interpreter", () => {
    expect(section(dump("addi a0, a0, 1\nwfi"), "Blocks")).toContain("-> the interpreter at 0x80000ff4: wfi");
  });

  it("are one where only the block is asked for", () => {
    const { text } = dump(SUM.replace("addi a0, zero, 0", ""), { unit: "block" });
    expect(text).toMatch(/^# Region at 0x80000ff0\n\n1 block, 2 instructions, reducible\n/);
  });

  it("go on over an instruction that lies in two pages", () => {
    const source = `c.addi a0, 1\n${"addi a0, a0, 1\n".repeat(5)}ret`;
    const blocks = section(dump(source), "Blocks");
    expect(blocks).toContain("0x80000ffe  addi a0,a0,1\n  0x80001002  addi a0,a0,1");
  });
});

describe("the structure in a dump", () => {
  it("is the dominator tree, with loops and merge points", () => {
    expect(section(dump(SUM), "Structure")).toBe(
      [
        "B0 0x80000ff0: entry -> B1",
        "  B1 0x80000ff4: loop header -> B3 B2",
        "    B2 0x80000ffc -> B1",
        "    B3 0x80001008",
      ].join("\n"),
    );
  });

  it("is said to be dispatched where the graph is irreducible", () => {
    const result = dump(IRREDUCIBLE);
    expect(result.text).toContain("# Structure: dispatched by block number, for the graph is irreducible");
    expect(section(result, "WebAssembly")).toContain("br_table");
  });
});

describe("the WebAssembly of a dump", () => {
  it("has each guest instruction above its code, in locals of the registers' names", () => {
    expect(section(dump("addi a0, zero, 1\nadd a0, a0, a0\nret"), "WebAssembly")).toContain(
      "    ;; 0x80000ff4  add a0,a0,a0\n    local.get $a0 local.get $a0 i64.add local.set $a0\n",
    );
  });

  it("is indented by its blocks, and closes them all", () => {
    const lines = section(dump(SUM), "WebAssembly").split("\n");
    expect(lines[0]).toBe("(func $region_80000ff0 (param $pc i64) (param $stack i32) (result i64)");
    const opened = lines.filter((line) => /(?:^|\s)(?:block|loop|if) \$\S+(?: \(result i32\))?$/.test(line)).length;
    expect(lines.filter((line) => /^\s*end$/.test(line))).toHaveLength(opened);
    expect(lines.at(-1)).toBe(")");
  });

  it("says which branches are hinted to be unlikely", () => {
    expect(section(dump(SUM), "WebAssembly")).toMatch(/i64\.ne \(; unlikely ;\) br_if \$b\d+\n/);
  });

  it("names what it calls", () => {
    expect(section(dump("lr.d a0, (a1)\nret"), "WebAssembly")).toContain("call $reserveSlow");
  });
});

it.each(Object.entries({ SUM, IRREDUCIBLE, FACTORIAL, NORM, SINGLES }))(
  "%s becomes a module that validates",
  (_, source) => {
    expect(WebAssembly.validate(dump(source).module)).toBe(true);
  },
);

it("every row with a lowering becomes a module that validates, and text", () => {
  let count = 0;
  for (const { name, encoding } of instructions) {
    const registers = { rd: 10, rs1: 11, rs2: 12, frd: 10, frs1: 11, frs2: 12, frs3: 13, rm: 0 };
    const operands = Object.fromEntries(
      [...encoding.fields.keys()].map((field) => [field, registers[field as keyof typeof registers] ?? 0]),
    );
    const code = new Uint8Array(
      Uint32Array.of(encode(name, operands), encode("jalr", { rd: 0, rs1: 1, imm: 0 })).buffer,
    );
    const result = dumpBytes(code);
    if (result === undefined) continue;
    expect(WebAssembly.validate(result.module), name).toBe(true);
    count++;
  }
  expect(count).toBeGreaterThan(150);
});

it("no region begins at an instruction of the interpreter's", () => {
  expect(dumpBytes(assemble("csrrs a0, mhartid, zero\nret"))).toBeUndefined();
});
