import { beforeAll, expect, it } from "vitest";
import { obtainQemu, type Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { describeOnlineOnAmd64 } from "../../hartvisor/test/describe-where.js";
import { batchSize, compareBatch, programsOf } from "../fuzz/campaign.js";
import { describe as describeDifferences } from "../fuzz/compare.js";
import { profileNames } from "../fuzz/profiles.js";
import { listing } from "../fuzz/program.js";
import { ENGINES } from "../fuzz/subject.js";

/** Every run of the tests runs the same programs; `npm run fuzz:isa` runs others. */
const SEED = 20_250_000;

describeOnlineOnAmd64("random programs end as on QEMU", () => {
  let qemu: Qemu;

  beforeAll(async () => {
    qemu = await obtainQemu();
  });

  for (const engine of ENGINES) {
    it.each(profileNames)(`%s, engine ${engine}`, async (profile) => {
      const verdicts = await compareBatch(qemu, programsOf(profile, SEED, batchSize(engine)), engine);
      const [first] = verdicts;
      const text =
        first && `seed ${first.program.seed}\n${listing(first.program)}\n${describeDifferences(first.found)}`;
      expect(text).toBeUndefined();
    });
  }
});
