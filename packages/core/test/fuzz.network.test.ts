import { beforeAll, describe, expect, it } from "vitest";
import { obtainQemu, type Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { BATCH, compareBatch, programsOf } from "../fuzz/campaign.js";
import { describe as describeDifferences } from "../fuzz/compare.js";
import { profileNames } from "../fuzz/profiles.js";
import { listing } from "../fuzz/program.js";
import { ENGINES } from "../fuzz/subject.js";

const isOffline = process.env.HARTVISOR_OFFLINE === "1";
const canRunQemu = process.platform === "linux" && process.arch === "x64";
const reason = isOffline
  ? " (not run: HARTVISOR_OFFLINE=1)"
  : canRunQemu
    ? ""
    : " (not run: QEMU is for Linux on amd64)";
/** Every run of the tests runs the same programs; `npm run fuzz:isa` runs others. */
const SEED = 20_250_000;

describe.skipIf(isOffline || !canRunQemu)(`random programs end as on QEMU${reason}`, () => {
  let qemu: Qemu;

  beforeAll(async () => {
    qemu = await obtainQemu();
  }, 600_000);

  for (const engine of ENGINES) {
    // A module per block costs a millisecond.
    const count = engine === "translator" || engine === "blocks" ? BATCH / 8 : BATCH;
    it.each(profileNames)(`%s, engine ${engine}`, async (profile) => {
      const verdicts = await compareBatch(qemu, programsOf(profile, SEED, count), engine);
      const [first] = verdicts;
      const text =
        first && `seed ${first.program.seed}\n${listing(first.program)}\n${describeDifferences(first.found)}`;
      expect(text).toBeUndefined();
    });
  }
});
