/** `npm run fuzz:devices -- [--device NAME] [--chains N] [--seed N]`: see campaign.ts. */
import { parseArgs } from "node:util";
import { runCampaign } from "./campaign.js";
import { SUBJECTS } from "./subjects.js";

const { values } = parseArgs({
  options: {
    device: { type: "string" },
    chains: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
  },
});
for (const device of values.device === undefined ? Object.keys(SUBJECTS) : [values.device]) {
  const begin = performance.now();
  const { chains, answered, resets, slowestMs } = await runCampaign({
    device,
    chains: Number(values.chains),
    seed: Number(values.seed),
  });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  const share = Math.round((100 * answered) / chains);
  console.log(
    `${device}: ${chains} chains in ${seconds} s, ${share} % answered, ${resets} resets, slowest doorbell ${slowestMs.toFixed(1)} ms`,
  );
}
process.exit(0);
