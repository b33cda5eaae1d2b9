/**
 * The extensions that this machine knows, what each implies, and ISA strings
 * (Unprivileged ISA ch. 36): parsing them, and writing them in canonical order.
 * A machine has a set of them; rows of the ISA table name the extensions that
 * bring them, and are illegal where none of these is on. Some are only names
 * for what every machine does (RVA Profiles 1.0), so that strings and profiles
 * can ask for it and the device tree say it.
 */
import { PROFILES } from "./profiles.js";

/** Every extension by its name, with those that it implies. */
const EXTENSIONS = {
  I: [],
  M: ["Zmmul"],
  A: ["Zaamo", "Zalrsc"],
  F: ["Zicsr"],
  D: ["F"],
  C: ["Zca"],
  B: ["Zba", "Zbb", "Zbs"],
  S: ["U", "Zicsr"],
  U: [],
  Zic64b: [], // a name: cache blocks of 64 bytes
  Zicbom: [],
  Zicbop: [],
  Zicboz: [],
  Ziccamoa: ["Zaamo"], // a name: all AMOs in RAM
  Ziccif: [], // a name: RAM can be fetched from, aligned words as one
  Zicclsm: [], // a name: misaligned loads and stores in RAM
  Ziccrse: ["Zalrsc"], // a name: load-reserved and store-conditional in RAM succeed eventually
  Zicntr: ["Zicsr"],
  Zicond: [],
  Zicsr: [],
  Zifencei: [],
  Zihintntl: [],
  Zihintpause: [],
  Zihpm: ["Zicsr"],
  Zimop: [],
  Zmmul: [],
  Za128rs: ["Zalrsc"], // a name: reservation sets of at most 128 bytes
  Za64rs: ["Za128rs"], // a name: of at most 64
  Zaamo: [],
  Zabha: ["Zaamo"],
  Zacas: ["Zaamo"],
  Zalrsc: [],
  Zawrs: [],
  Zfa: ["F"],
  Zfh: ["Zfhmin"],
  Zfhmin: ["F"],
  Zca: [],
  Zcb: ["Zca"],
  Zcd: ["Zca", "D"],
  Zcmop: ["Zca"],
  Zba: [],
  Zbb: [],
  Zbc: [],
  Zbkb: [],
  Zbkc: [],
  Zbkx: [],
  Zbs: [],
  Zk: ["Zkn", "Zkr", "Zkt"],
  Zkn: ["Zbkb", "Zbkc", "Zbkx", "Zknd", "Zkne", "Zknh"],
  Zknd: [],
  Zkne: [],
  Zknh: [],
  Zkr: ["Zicsr"],
  Zks: ["Zbkb", "Zbkc", "Zbkx", "Zksed", "Zksh"],
  Zksed: [],
  Zksh: [],
  Zkt: [], // no instructions: see DEFAULT_ISA
  Ssccptr: ["S"], // a name: page tables in any RAM
  Sscofpmf: ["S", "Zihpm"],
  Sscounterenw: ["S", "Zihpm"], // a name: scounteren has a bit for each counter that counts
  Ssstateen: ["S"],
  Sstc: ["S"],
  Sstvala: ["S"], // a name: stval has the faulting address, or the illegal instruction
  Sstvecd: ["S"], // a name: stvec holds any aligned address in direct mode
  Ssu64xl: ["S"], // a name: sstatus.UXL can be 64 bits
  Sv39: ["S"], // a name, as the next two: translation of so many bits
  Sv48: ["Sv39"],
  Sv57: ["Sv48"],
  Svade: ["S"],
  Svadu: ["S"],
  Svbare: ["S"], // a name: satp can be off
  Svinval: ["S"],
  Svnapot: ["S"],
  Svpbmt: ["S"],
  Svvptc: ["S"], // a name: page table entries that become valid need no fence, for translations that fail are not cached
  Smcntrpmf: ["Zicntr"],
  Smepmp: [],
  Smstateen: ["Ssstateen"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type Extension = keyof typeof EXTENSIONS;

/** All of them, in canonical order. */
export const extensionNames = Object.keys(EXTENSIONS) as Extension[];
const names = extensionNames;
/** What an extension implies, by itself. */
export const impliedBy = (name: Extension): readonly Extension[] => EXTENSIONS[name];
const byLowerCase = new Map(names.map((name) => [name.toLowerCase(), name]));

/** The number of the bit that stands for an extension in {@link IsaSet.bytes}. */
export const extensionBit = (name: Extension): number => names.indexOf(name);

/** Every machine has these: U- and S-mode, and the counters, which older strings mean by g. */
const MANDATORY: readonly Extension[] = ["I", "S", "U", "Zicsr", "Zicntr", "Zihpm"];

/**
 * What a machine has unless it is told otherwise. Not Zkt: no operation branches
 * or looks up by a secret, but what the host's compiler makes of it is its own.
 */
export const DEFAULT_ISA = [
  "rv64imafdcb_zic64b_zicbom_zicbop_zicboz_ziccamoa_ziccif_zicclsm_ziccrse_zicntr_zicond_zicsr",
  "zifencei_zihintntl_zihintpause_zihpm_zimop",
  "za64rs_zabha_zacas_zawrs",
  "zfa_zfh",
  "zcb_zcmop",
  "zbc",
  "zkn_zkr_zks",
  "ssccptr_sscofpmf_sscounterenw_sstc_sstvala_sstvecd_ssu64xl_sv57_svadu_svbare_svinval_svnapot_svpbmt_svvptc",
  "smcntrpmf_smepmp_smstateen",
].join("_");

/** What the letter g stands for. */
const GENERAL = ["i", "m", "a", "f", "d", "zicsr", "zifencei"];

export class IsaSet {
  readonly #extensions: ReadonlySet<Extension>;

  private constructor(extensions: ReadonlySet<Extension>) {
    this.#extensions = extensions;
  }

  /**
   * Reads an ISA string such as `"rv64gc_zba_svadu"` or a profile's name, in any case, with or without version numbers.
   * What extensions imply is added.
   *
   * @throws RangeError that says which part is unknown, missing or impossible here
   */
  static parse(text: string): IsaSet {
    const extensions = new Set<Extension>();
    const add = (name: Extension): void => {
      if (extensions.has(name)) return;
      extensions.add(name);
      for (const implied of EXTENSIONS[name]) add(implied);
    };
    for (const part of partsOf(text.toLowerCase())) {
      const name = byLowerCase.get(part);
      if (name === undefined) throw new RangeError(`it has no extension ${part}: leave it out`);
      add(name);
    }
    if (extensions.has("Zca") && extensions.has("D")) add("Zcd");
    for (const name of MANDATORY) add(name);
    return new IsaSet(extensions);
  }

  /** The set without an extension, which none of the others implies. */
  without(name: Extension): IsaSet {
    return new IsaSet(new Set([...this.#extensions].filter((each) => each !== name)));
  }

  has(name: Extension): boolean {
    return this.#extensions.has(name);
  }

  /** A bit for each extension, lowest first, as the VM block holds them. */
  get bytes(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(names.length / 8));
    for (const name of this.#extensions) {
      const bit = extensionBit(name);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
    return bytes;
  }

  /** Names in canonical order, lower case, for the device tree's `riscv,isa-extensions`; privilege modes are no extensions there. */
  get names(): string[] {
    return names.filter((name) => this.has(name) && name !== "S" && name !== "U").map((name) => name.toLowerCase());
  }

  /** For example `rv64imafdc_zicbom_..._svinval`. */
  toString(): string {
    const letters = this.names.filter((name) => name.length === 1).join("");
    return [`rv64${letters}`, ...this.names.filter((name) => name.length > 1)].join("_");
  }

  /** misa: MXL = 2 and a bit per single letter (Privileged ISA 3.1.1), C also by its parts (Unprivileged ISA 29.1.4). */
  get misa(): bigint {
    const hasPartsOfC = this.has("Zca") && this.has("F") === this.has("D");
    let misa = (2n << 62n) | (hasPartsOfC ? 4n : 0n);
    for (const name of this.#extensions) {
      if (name.length === 1) misa |= 1n << BigInt(name.charCodeAt(0) - "A".charCodeAt(0));
    }
    return misa;
  }
}

/** The extensions that a string names, lower case. */
function partsOf(text: string): string[] {
  if (/[^a-z0-9_]/.test(text)) throw new RangeError("names have underscores between them, as in rv64gc_zba");
  if (/_(?:_|$)/.test(text)) throw new RangeError("a name is missing behind an underscore");
  const [first = "", ...rest] = text.split("_");
  const profile = PROFILES.get(first);
  if (profile !== undefined) return partsOf([profile, ...rest].join("_"));
  if (/^rv[a-z]\d+/.test(first)) {
    throw new RangeError(`it does not meet the profile ${first}; there are ${[...PROFILES.keys()].join(", ")}`);
  }
  const [, width, letters = ""] = /^rv(\d+)(.*)$/.exec(first) ?? [];
  if (width === undefined) throw new RangeError("an ISA string begins with rv64, or is a profile such as rva20u64");
  if (width !== "64") throw new RangeError(`it is a 64-bit machine: rv64, not rv${width}`);
  if (letters.startsWith("e")) throw new RangeError("it has 32 registers: rv64i, not rv64e");
  if (!/^[ig]/.test(letters)) throw new RangeError("the base (i or g) is missing behind rv64");

  const parts: string[] = [];
  for (let left = letters; left !== ""; ) {
    // A long name begins with z, x or s and a letter, and runs to the end of its part.
    if (/^(?:z|x|s[a-z])/.test(left)) {
      parts.push(left);
      break;
    }
    parts.push(...(left.startsWith("g") ? GENERAL : left.slice(0, 1)));
    left = left.slice(1).replace(/^\d+(?:p\d+)?/, "");
  }
  return [...parts, ...rest].map((part) => part.replace(/(?<=[a-z])\d+p\d+$/, ""));
}
