/**
 * Writes `docs/isa.md` from the tables: extensions with what they imply and
 * bring, profiles, and CSRs with their fields. `tsx isa/generate/document.ts` writes the file; a
 * test compares it.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type CsrField, csrFields } from "../csr-fields.js";
import { type Csr, type CsrGuard, csrs } from "../csrs.js";
import { DEFAULT_ISA, type Extension, extensionNames, IsaSet, impliedBy } from "../extensions.js";
import { PROFILES } from "../profiles.js";
import { compressed } from "../table/compressed.js";
import { instructions } from "../table.js";

/** Where the document lies. */
export const DOCUMENT = fileURLToPath(new URL("../../../../docs/isa.md", import.meta.url));

const LEVELS = ["U", "S", "", "M"];
const GUARDS: Readonly<Record<CsrGuard, string>> = {
  float: "mstatus.FS is not 0",
  counter: "mcounteren opens it to S-mode, and scounteren then to U-mode",
  satp: "in S-mode, mstatus.TVM is 0",
  stimecmp: "in S-mode, menvcfg.STCE and mcounteren.TM are 1",
  seed: "only by accesses that write, too; mseccfg.SSEED opens it to S-mode, USEED to U-mode",
  senvcfg: "in S-mode, mstateen0.ENVCFG is 1, with Smstateen",
  stateen: "in S-mode, bit 63 of the mstateen register of that number is 1, with Smstateen",
};

const cell = (text: string): string => text.replaceAll("|", "\\|");
const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
const hex = (number: number): string => `0x${number.toString(16).padStart(3, "0")}`;

/** Instructions and registers that an extension brings. */
function brings(name: Extension): string {
  const long = instructions.filter(({ extensions }) => extensions.includes(name));
  const short = compressed.filter(({ extension }) => extension === name);
  const registers = csrs.filter(({ extensions = [] }) => extensions.includes(name));
  return [...long, ...short, ...registers].map((each) => each.name).join(", ");
}

function extensionTable(): string[] {
  const standard = IsaSet.parse(DEFAULT_ISA);
  return [
    row("extension", "by default", "implies", "instructions and CSRs"),
    row("---", "---", "---", "---"),
    ...extensionNames.map((name) =>
      row(name, standard.has(name) ? "on" : "off", impliedBy(name).join(", "), brings(name)),
    ),
  ];
}

/** Each profile with its extensions, and which of these a machine lacks that was not asked for the profile. */
function profileTable(): string[] {
  const standard = IsaSet.parse(DEFAULT_ISA);
  return [
    row("profile", "extensions", "not by default"),
    row("---", "---", "---"),
    ...[...PROFILES.keys()].map((profile) => {
      const has = IsaSet.parse(profile);
      const names = extensionNames.filter((name) => has.has(name));
      return row(profile, names.join(", "), names.filter((name) => !standard.has(name)).join(", "));
    }),
  ];
}

const bitsOf = ({ high, low }: CsrField): string => (high === low ? `${high}` : `${high}:${low}`);

function describeField(field: CsrField): string {
  const note = field.note === "" ? "" : field.access === "ro" ? ` = ${field.note}` : `: ${field.note}`;
  return `${field.name} [${bitsOf(field)}]${note}`;
}

function describeFields({ name, constant }: Csr): string {
  if (constant !== undefined) return `= ${constant}`;
  return csrFields(name)?.map(describeField).join("; ") ?? "any value";
}

function access({ number }: Csr): string {
  return `${LEVELS[(number >> 8) & 3]}${number >> 10 === 3 ? ", read-only" : ""}`;
}

/** Registers that differ in nothing but their number stand in one row. */
function groups(): (readonly [first: Csr, last: Csr])[] {
  const found: [Csr, Csr][] = [];
  const alike = (csr: Csr) =>
    JSON.stringify([csr.name.replace(/\d+$/, ""), access(csr), csr.guard, csr.extensions, describeFields(csr)]);
  for (const csr of [...csrs].sort((one, other) => one.number - other.number)) {
    const last = found.at(-1);
    if (last !== undefined && last[1].number + 1 === csr.number && alike(last[1]) === alike(csr)) last[1] = csr;
    else found.push([csr, csr]);
  }
  return found;
}

function csrTable(): string[] {
  return [
    row("number", "name", "from", "extension", "open where", "fields"),
    row("---", "---", "---", "---", "---", "---"),
    ...groups().map(([first, last]) => {
      const many = first !== last;
      return row(
        many ? `${hex(first.number)}-${hex(last.number)}` : hex(first.number),
        many ? `${first.name}-${/\d+$/.exec(last.name)?.[0]}` : first.name,
        access(first),
        (first.extensions ?? []).join(" or "),
        first.guard === undefined ? "" : GUARDS[first.guard],
        describeFields(first),
      );
    }),
  ];
}

/** The document's text. */
export function isaDocument(): string {
  return `# The ISA

Generated from \`packages/core/isa\` by \`npm run docs:isa\`; a test says when it is out of date.

## Extensions

A machine has those that its ISA string names, and what they imply; what it has not is illegal. S, U, Zicsr, Zicntr and Zihpm are always there.

${extensionTable().join("\n")}

What is not in this table is not there, and a string that names it is refused: the hypervisor extension (H), vectors (V), control-flow integrity
(Zicfilp, Zicfiss), floating point in integer registers (Zfinx), code size reduction beyond Zcb (Zcmp, Zcmt), debug triggers (Sdtrig: its registers say that there are none).

## Profiles

Where a machine is asked for a profile (RVA Profiles 1.0), it has these and no others; more can follow, as in \`rva22s64_zfh\`. Privileged architectures
(Ss1p11, Ss1p12) have no names in ISA strings.

${profileTable().join("\n")}

## CSRs

A field without a note takes any value of its bits. Bits in no field read as zero, and writes to them are dropped. \`=\`: what the field reads as,
whatever is written. A register of an extension that is off is illegal, and so is every number that is not listed.

${csrTable().join("\n")}

## Choices

- Misaligned loads and stores are done in hardware, or trap (\`misaligned: "trap"\`, \`--misaligned trap\`) before any other fault; misaligned atomics always trap, and as early.
- wfi is illegal in U-mode, and in S-mode under mstatus.TW, at once. Otherwise it waits for an interrupt that mie enables, whatever mstatus says.
- mtval and stval hold the address for faults and breakpoints, the instruction for illegal ones, and 0 for environment calls and interrupts.
- Where a page has the accessed or dirty bit clear, the access faults (Svade) unless menvcfg.ADUE lets the hart set it (Svadu).
- Translation ignores the memory types of Svpbmt: memory is coherent, so all are alike.
- Page faults come before the PMP's access faults of the same page; each step of a walk is checked by PMP as a supervisor's read.
- mcycle counts executed instructions, those that trap included; minstret only those that retire.
- TLB fills, as an event, are this engine's own; all other counts are the same under every engine.
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(DOCUMENT, isaDocument());
