/**
 * What the bits of each CSR mean here, and which values they take: the
 * documentation of the CSR table, from which `docs/isa.md` is made. A test
 * holds it against the machine: it finds out which bits can be written.
 */

/** A field of a CSR. */
export interface CsrField {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  /** `rw`: software changes it. `ro`: it reads as `note` says, whatever is written. */
  readonly access: "rw" | "ro";
  /** Legal values, and what becomes of the others. Empty: any value. */
  readonly note: string;
}

/** `NAME high:low note`, read-only where an `=` precedes the note. */
function parse(text: string): CsrField {
  const [, name = "", high = "", low = high, constant, note = ""] =
    /^(\S+) (\d+)(?::(\d+))?(?: (=)?(.*))?$/.exec(text) ?? [];
  if (name === "") throw new Error(`no field: ${text}`);
  return { name, high: Number(high), low: Number(low), access: constant === undefined ? "rw" : "ro", note };
}

const whole = (name: string, note = ""): string[] => [`${name} 63:0 ${note}`.trim()];
const ENVCFG = ["FIOM 0", "CBIE 5:4 with Zicbom; 0, 1 or 3: 2 leaves it", "CBCFE 6 with Zicbom", "CBZE 7 with Zicboz"];
const SSTATUS = [
  ...["SIE 1", "SPIE 5", "SPP 8", "FS 14:13 with F, otherwise 0", "SUM 18", "MXR 19", "UXL 33:32 =2"],
  "SD 63 =1 where FS is 3",
];
const TVEC = ["MODE 1:0 0 or 1: bit 1 of what is written is dropped", "BASE 63:2"];
const EPC = ["epc 63:1 without C bit 1 is 0"];
const COUNTEREN = ["CY 0", "TM 1", "IR 2", "HPM3-10 10:3"];
const FILTERS = ["UINH 60", "SINH 61", "MINH 62"];
const ENTRY = (n: number) => `pmp${n}cfg ${8 * (n & 7) + 7}:${8 * (n & 7)}`;
const PMPCFG =
  "R, W, X, A, L; bits 5 and 6 are 0; kept where locked, where W comes without R, or where Smepmp forbids it";

const NAMED: Readonly<Record<string, readonly string[]>> = {
  fflags: ["fflags 4:0"],
  frm: ["frm 2:0 5 to 7 make instructions with the dynamic rounding mode illegal"],
  fcsr: ["fflags 4:0", "frm 7:5"],
  seed: ["entropy 15:0 =random", "OPST 31:30 =2 (ES16)"],
  sstatus: SSTATUS,
  sie: ["SSIE 1", "STIE 5", "SEIE 9", "LCOFIE 13 these are mie's, where mideleg has them; otherwise 0"],
  stvec: TVEC,
  scounteren: COUNTEREN,
  senvcfg: ENVCFG,
  sscratch: whole("sscratch"),
  sepc: EPC,
  scause: whole("scause", "any value, though only those of causes mean something"),
  stval: whole("stval"),
  sip: [
    ...["SSIP 1 where mideleg has it", "STIP 5 =mip's", "SEIP 9 =mip's"],
    "LCOFIP 13 where mideleg has it; with Sscofpmf",
  ],
  stimecmp: whole("stimecmp"),
  satp: [
    ...["PPN 43:0 0 while MODE is 0", "ASID 59:44 0 while MODE is 0"],
    "MODE 63:60 0, 8 (Sv39), 9 (Sv48) or 10 (Sv57): a write of another leaves all of satp",
  ],
  scountovf: ["OF3-10 10:3 =OF of mhpmevent3 to 10; below M-mode, where mcounteren opens the counter"],
  mstatus: [
    ...["SIE 1", "MIE 3", "SPIE 5", "MPIE 7", "SPP 8", "MPP 12:11 0, 1 or 3: 2 leaves it"],
    ...["FS 14:13 with F, otherwise 0", "MPRV 17", "SUM 18", "MXR 19", "TVM 20", "TW 21", "TSR 22"],
    ...["UXL 33:32 =2", "SXL 35:34 =2", "SD 63 =1 where FS is 3"],
  ],
  misa: ["Extensions 25:0 =letters of the ISA string", "MXL 63:62 =2"],
  medeleg: ["causes 9:0", "pages 13:12 fetch and load page faults", "store 15 store page faults"],
  mideleg: ["SSI 1", "STI 5", "SEI 9", "LCOFI 13 with Sscofpmf"],
  mie: ["SSIE 1", "MSIE 3", "STIE 5", "MTIE 7", "SEIE 9", "MEIE 11", "LCOFIE 13 with Sscofpmf"],
  mtvec: TVEC,
  mcounteren: COUNTEREN,
  menvcfg: [...ENVCFG, "ADUE 61 with Svadu", "PBMTE 62 with Svpbmt", "STCE 63 with Sstc"],
  mseccfg: [
    ...["MML 0 with Smepmp; stays set", "MMWP 1 with Smepmp; stays set"],
    ...["RLB 2 with Smepmp; while it is 0 and an entry is locked it stays 0", "USEED 8 with Zkr", "SSEED 9 with Zkr"],
  ],
  mstateen0: ["ENVCFG 62", "SE0 63"],
  mcountinhibit: ["CY 0", "IR 2", "HPM3-10 10:3"],
  mcyclecfg: FILTERS,
  minstretcfg: FILTERS,
  mscratch: whole("mscratch"),
  mepc: EPC,
  mcause: whole("mcause", "any value, though only those of causes mean something"),
  mtval: whole("mtval"),
  mip: [
    ...[
      "SSIP 1",
      "MSIP 3 =the ACLINT's",
      "STIP 5 while menvcfg.STCE is 0; otherwise stimecmp's",
      "MTIP 7 =the ACLINT's",
    ],
    "SEIP 9 what is written, or the PLIC's",
    ...["MEIP 11 =the PLIC's", "LCOFIP 13 with Sscofpmf"],
  ],
  pmpcfg0: Array.from({ length: 8 }, (_, n) => `${ENTRY(n)} ${n === 0 ? PMPCFG : ""}`.trim()),
  pmpcfg2: Array.from({ length: 8 }, (_, n) => ENTRY(n + 8)),
  time: ["time 63:0 =the clock's, at 10 MHz"],
  cycle: ["cycle 63:0 =mcycle's"],
  instret: ["instret 63:0 =minstret's"],
  mhartid: ["mhartid 63:0 =the hart's number"],
};

/** Those that come in numbers, by the name without it. */
const NUMBERED: Readonly<Record<string, readonly string[]>> = {
  mstateen: ["SE 63"],
  mhpmevent: [
    "event 57:0 0 (none), 1 (cycles), 2 (instructions), 3 (exceptions), 4 (interrupts) or 5 (TLB fills): another becomes 0",
    ...["UINH 60 with Sscofpmf", "SINH 61 with Sscofpmf", "MINH 62 with Sscofpmf", "OF 63 with Sscofpmf"],
  ],
  pmpaddr: ["address 53:0 kept while locked, or the lower end of a locked range"],
  hpmcounter: ["count 63:0 =mhpmcounter's"],
};

/** The fields of a register by its name; none: the whole of it is one value that software writes freely. */
export function csrFields(name: string): readonly CsrField[] | undefined {
  return (NAMED[name] ?? NUMBERED[name.replace(/\d+$/, "")])?.map(parse);
}
