import { describe, expect, it } from "vitest";
import { DEFAULT_ISA, IsaSet } from "./extensions.js";
import { VM_FIELDS } from "./layout.js";

describe("an ISA string", () => {
  it("stands for its extensions and what they imply", () => {
    const isa = IsaSet.parse("rv64imafdc_zba");
    for (const name of [
      "I",
      "M",
      "A",
      "F",
      "D",
      "C",
      "Zba",
      "Zmmul",
      "Zaamo",
      "Zalrsc",
      "Zca",
      "Zcd",
      "Zicsr",
    ] as const) {
      expect(isa.has(name), name).toBe(true);
    }
    expect(isa.has("Zbb")).toBe(false);
    expect(isa.has("Zifencei")).toBe(false);
  });

  it.each([
    ["rv64gc", "rv64imafdc_zicsr_zifencei"],
    ["RV64GC_Zba", "rv64imafdc_zicsr_zifencei_zba"],
    ["rv64imafdczicsr_zifencei", "rv64imafdc_zicsr_zifencei"],
    ["rv64i2p1_m2p0_c2p0_zicsr2p0", "rv64imc_zicsr"],
    ["rv64imacb", "rv64imac_zba_zbb_zbs"],
    ["rv64i_zabha_zcb", "rv64i_zabha_zaamo_zca_zcb"],
  ])("%s means the same as %s", (text, same) => {
    expect(IsaSet.parse(text).toString().replace("b_", "_")).toBe(IsaSet.parse(same).toString());
  });

  it.each([
    ["rv64i_zk", "zbkb_zbkc_zbkx_zk_zkn_zknd_zkne_zknh_zkr_zkt"],
    ["rv64i_zkn", "zbkb_zbkc_zbkx_zkn_zknd_zkne_zknh"],
    ["rv64i_zks", "zbkb_zbkc_zbkx_zks_zksed_zksh"],
    ["rv64i_zkt_zks_zkn", "zbkb_zbkc_zbkx_zkn_zknd_zkne_zknh_zks_zksed_zksh_zkt"],
  ])("%s stands for a group", (text, members) => {
    expect(IsaSet.parse(text).toString()).toBe(`rv64i_zicntr_zicsr_zihpm_${members}`);
  });

  it("has a bit of its own for each extension", () => {
    const isa = IsaSet.parse(DEFAULT_ISA);
    const count = isa.bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
    expect(count).toBe(isa.names.length + 2); // S and U, which are no names
  });

  it("has room for every extension in the VM block", () => {
    const room = VM_FIELDS.find(({ name }) => name === "extensions")?.count ?? 0;
    expect(IsaSet.parse("rv64i").bytes.length).toBeLessThanOrEqual(room * 8);
  });

  it("orders by category, then by the alphabet", () => {
    const shuffled = "rv64gc_zkt_zcmop_zawrs_zihintntl_zimop_zacas_zabha_zcb_svinval_zbkx_zbc_zks_zkn";
    expect(IsaSet.parse(shuffled).toString()).toBe(
      [
        "rv64imafdc_zicntr_zicsr_zifencei_zihintntl_zihpm_zimop_zmmul_zaamo_zabha_zacas_zalrsc_zawrs_zca_zcb_zcd_zcmop",
        "zbc_zbkb_zbkc_zbkx_zkn_zknd_zkne_zknh_zks_zksed_zksh_zkt_svinval",
      ].join("_"),
    );
  });

  it("is written back in canonical order", () => {
    const isa = IsaSet.parse("rv64gc_svinval_zbkx_zbs_zbkb_zbc_zbb_zba");
    expect(isa.toString()).toBe(
      "rv64imafdc_zicntr_zicsr_zifencei_zihpm_zmmul_zaamo_zalrsc_zca_zcd_zba_zbb_zbc_zbkb_zbkx_zbs_svinval",
    );
    expect(IsaSet.parse(isa.toString()).bytes).toEqual(isa.bytes);
  });

  it("reads back its default", () => {
    const isa = IsaSet.parse(DEFAULT_ISA);
    expect(IsaSet.parse(isa.toString()).bytes).toEqual(isa.bytes);
  });

  it.each([
    ["rva20u64", "zicsr zicntr ziccif ziccrse ziccamoa za128rs zicclsm"],
    [
      "rva20s64",
      "zicsr zicntr ziccif ziccrse ziccamoa za128rs zicclsm zifencei svbare sv39 svade ssccptr sstvecd sstvala",
    ],
    [
      "rva22u64",
      "zicsr zicntr zihpm ziccif ziccrse ziccamoa zicclsm za64rs zihintpause zba zbb zbs zic64b zicbom zicbop zicboz zfhmin zkt",
    ],
    [
      "rva22s64",
      "zicsr zicntr zihpm ziccif ziccrse ziccamoa zicclsm za64rs zihintpause zba zbb zbs zic64b zicbom zicbop zicboz zfhmin zkt " +
        "zifencei svbare sv39 svade ssccptr sstvecd sstvala sscounterenw svpbmt svinval",
    ],
  ])("%s is a profile with all its mandatory extensions, and nothing that they do not imply", (profile, mandatory) => {
    const isa = IsaSet.parse(profile);
    const wanted = ["i", "m", "a", "f", "d", "c", ...mandatory.split(" ")];
    expect(isa.names).toEqual(expect.arrayContaining(wanted));
    const implied = ["zihpm", "zmmul", "zaamo", "zalrsc", "zca", "zcd", "za128rs"];
    expect(isa.names.filter((name) => !wanted.includes(name) && !implied.includes(name))).toEqual([]);
  });

  it("may add to a profile", () => {
    const isa = IsaSet.parse("RVA22S64_Zfh_Sstc");
    expect([isa.has("Zfh"), isa.has("Sstc"), isa.has("Svade"), isa.has("Svadu")]).toEqual([true, true, true, false]);
  });

  it.each([
    ["rva23s64", "it does not meet the profile rva23s64; there are rva20u64, rva20s64, rva22u64, rva22s64"],
    ["rv32gc", "it is a 64-bit machine: rv64, not rv32"],
    ["rv64e", "it has 32 registers: rv64i, not rv64e"],
    ["rv64mac", "the base (i or g) is missing behind rv64"],
    ["rv64gcv", "it has no extension v: leave it out"],
    ["rv64gc_zfoo", "it has no extension zfoo: leave it out"],
    ["rv64gc_zicfilp", "it has no extension zicfilp: leave it out"],
    ["rv64", "the base (i or g) is missing behind rv64"],
    ["rv64gc_", "a name is missing behind an underscore"],
    ["rv64gc__zba", "a name is missing behind an underscore"],
    ["rv64gc zba", "names have underscores between them, as in rv64gc_zba"],
    ["rv64gc,zba", "names have underscores between them, as in rv64gc_zba"],
    ["gc", "an ISA string begins with rv64"],
    ["", "an ISA string begins with rv64"],
  ])("%s is refused: %s", (text, reason) => {
    expect(() => IsaSet.parse(text)).toThrow(reason);
  });

  it("shows in misa", () => {
    expect(IsaSet.parse("rv64imac").misa).toBe(0x8000000000141105n);
  });

  it.each([
    ["rv64i_zca", true],
    ["rv64ifd_zca", true],
    ["rv64i_zcb", true],
    ["rv64if_zca", false],
    ["rv64i", false],
  ])("%s has misa.C: %s", (text, has) => {
    expect((IsaSet.parse(text).misa & 4n) !== 0n).toBe(has);
  });
});
