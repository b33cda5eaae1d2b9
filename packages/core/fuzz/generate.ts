/** Puts a whole program together: from a seed and a profile to code, registers, CSRs and memory. */
import { Builder } from "./builder.js";
import { delegationCsrs, environmentCsrs, initialCsrs } from "./csr-policy.js";
import { buildTables, WINDOW } from "./paging.js";
import { PROFILES, type ProfileName } from "./profiles.js";
import type { Program } from "./program.js";
import { Random } from "./random.js";
import { Reserved, Slot } from "./slot.js";
import { generateUnit } from "./units.js";
import { floatValue, integerValue } from "./values.js";

const LEAST = 64;
const MOST = 256;
/** A unit may be followed by one that does not fit any more. */
const CODE_MARGIN = 512;

function poolBytes(random: Random): Uint8Array {
  const values = Array.from({ length: 512 }, (_, n) => (n % 2 === 0 ? integerValue(random) : floatValue(random)));
  return new Uint8Array(BigUint64Array.from(values).buffer);
}

function arenaBytes(random: Random): Uint8Array {
  const words = Uint32Array.from({ length: Slot.arenaBytes / 4 }, () => random.word());
  return new Uint8Array(words.buffer);
}

/** The program of a seed, for the slot at `base`. */
export function generateProgram(seed: number, profileName: ProfileName, base: number): Program {
  const random = new Random(seed);
  const profile = PROFILES[profileName];
  const mode = random.pick<number>(profile.modes);
  const builder = new Builder(random, base);
  const x = Array.from({ length: 32 }, () => integerValue(random));
  const f = Array.from({ length: 32 }, () => floatValue(random));
  const arena = BigInt(base + Slot.arena);
  x[0] = 0n;
  x[Reserved.stack] = arena + 0x2000n;
  x[Reserved.edge] = arena + 0x1000n - 4n;
  x[Reserved.window] = arena + 0x3000n - 3n;
  x[Reserved.pool] = BigInt(base + Slot.pool + 0x800);
  x[Reserved.loopCount] = 0n;
  x[Reserved.recovery] = 0n;
  builder.memory(Slot.arena, arenaBytes(random));
  builder.memory(Slot.pool, poolBytes(random));

  const csrs = initialCsrs(random);
  csrs.mepc = BigInt(base + Slot.code);
  csrs.mstatus |= BigInt(mode) << 11n;
  if (mode < 3) Object.assign(csrs, environmentCsrs(random));
  if (profile.delegates && mode < 3) Object.assign(csrs, delegationCsrs(random));
  if (profile.paged) {
    builder.isPaged = true;
    csrs.satp = buildTables(builder, mode === 0);
    csrs.mstatus |= BigInt(random.below(4)) << 18n; // SUM, MXR
    x[Reserved.window] = BigInt(WINDOW + random.below(8) * 0x1000 + 0x800);
    x[Reserved.edge] = BigInt(WINDOW + random.between(1, 8) * 0x1000 - 4);
  }
  const length = random.between(LEAST, MOST);
  while (builder.count < length && builder.size < Slot.codeBytes - CODE_MARGIN) {
    generateUnit(builder, random.weighted(profile.weights), mode);
  }
  return { seed, profile: profileName, base, units: builder.finish(), x, f, csrs, memory: builder.contents };
}
