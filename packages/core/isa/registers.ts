/**
 * What assembly language calls registers, rounding modes and fence sets: by
 * number, in the order of the psABI and of the unprivileged manual. For the
 * assembler and the disassembler.
 */

/** Integer registers by their ABI names (RISC-V psABI 1.0, 1.1). */
export const INTEGER_REGISTERS: readonly string[] =
  "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split(" ");

/** Floating-point registers by their ABI names. */
export const FLOAT_REGISTERS: readonly string[] = (
  "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 " +
  "ft8 ft9 ft10 ft11"
).split(" ");

/** Rounding modes by their encoding in `rm`; 5 and 6 are reserved (Unprivileged ISA 20.2). */
export const ROUNDING_MODES: readonly (string | undefined)[] = [
  "rne",
  "rtz",
  "rdn",
  "rup",
  "rmm",
  undefined,
  undefined,
  "dyn",
];

/** Letters of a fence's predecessor and successor sets, most significant bit first. */
const FENCE_LETTERS = "iorw";

/** A fence set such as `"rw"`; `"0"` if it is empty. */
export function fenceSetName(set: number): string {
  return [...FENCE_LETTERS].filter((_, n) => (set & (8 >> n)) !== 0).join("") || "0";
}

/** The value of a fence set such as `"rw"`, or undefined. */
export function fenceSetNamed(name: string): number | undefined {
  if (name === "0") return 0;
  if (!/^i?o?r?w?$/.test(name) || name === "") return undefined;
  return [...name].reduce((set, letter) => set | (8 >> FENCE_LETTERS.indexOf(letter)), 0);
}

function registerNumbers(names: readonly string[], letter: string): Map<string, number> {
  return new Map(names.flatMap((name, n) => [[name, n] as const, [`${letter}${n}`, n] as const]));
}

/** Integer registers by ABI name or as x0 to x31. */
export const integerRegisterNamed: ReadonlyMap<string, number> = registerNumbers(INTEGER_REGISTERS, "x").set("fp", 8);
/** Floating-point registers by ABI name or as f0 to f31. */
export const floatRegisterNamed: ReadonlyMap<string, number> = registerNumbers(FLOAT_REGISTERS, "f");
