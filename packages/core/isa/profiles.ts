/**
 * The profiles that this machine meets, as ISA strings: their mandatory
 * extensions, by the names that RVA Profiles 1.0 gives them (RVA20 and RVA22).
 * Privileged architecture 1.11 and 1.12 (Ss1p11, Ss1p12) have none in ISA strings.
 */

const RVA20 = ["rv64imafdc", "ziccamoa", "ziccif", "zicclsm", "ziccrse", "zicntr", "zicsr"];
const RVA20U64 = [...RVA20, "za128rs"];
const RVA22U64 = [
  ...RVA20,
  ...["zic64b", "zicbom", "zicbop", "zicboz", "zihintpause", "zihpm"],
  ...["za64rs", "zfhmin", "zba", "zbb", "zbs", "zkt"],
];
const SUPERVISOR20 = ["zifencei", "ssccptr", "sstvala", "sstvecd", "sv39", "svade", "svbare"];
const SUPERVISOR22 = [...SUPERVISOR20, "sscounterenw", "svinval", "svpbmt"];

/** ISA strings by the names of profiles. */
export const PROFILES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    rva20u64: RVA20U64,
    rva20s64: [...RVA20U64, ...SUPERVISOR20],
    rva22u64: RVA22U64,
    rva22s64: [...RVA22U64, ...SUPERVISOR22],
  }).map(([name, extensions]) => [name, extensions.join("_")]),
);
