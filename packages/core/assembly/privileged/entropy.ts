/** The entropy source behind the CSR seed (Scalar Cryptography 1.0, ch. 4). */
import { HART_CLOCK_MODE, HART_ENTROPY, HART_VM } from "../generated/layout";
import { charge, WORK_ENTROPY } from "../work";

/** Sixteen random bits of the host's. */
@external("host", "entropy")
declare function hostEntropy(): u32;

/** OPST = ES16: the lower half is entropy. The source never waits, fails or tests itself. */
const ES16: u64 = 2 << 30;

export function readSeed(hart: usize): u64 {
  charge(<usize>load<u32>(hart, HART_VM), WORK_ENTROPY);
  const bits: u64 = load<u32>(hart, HART_CLOCK_MODE) == 0 ? <u64>hostEntropy() & 0xffff : seeded(hart) >> 48;
  return ES16 | bits;
}

/** With the virtual clock runs repeat, so the source is a generator that began with the machine's seed: SplitMix64. */
function seeded(hart: usize): u64 {
  const state = load<u64>(hart, HART_ENTROPY) + 0x9e3779b97f4a7c15;
  store<u64>(hart, state, HART_ENTROPY);
  let mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}
