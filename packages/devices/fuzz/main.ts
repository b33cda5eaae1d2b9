/** `npm run fuzz:devices -- [--device NAME] [--chains N] [--seed N]`: see campaign.ts, register-campaign.ts, switch-campaign.ts and index-campaign.ts. */
import { parseArgs } from "node:util";
import { runCampaign } from "./campaign.js";
import { runIndexCampaign } from "./index-campaign.js";
import { runRegisterCampaign } from "./register-campaign.js";
import { REGISTER_SUBJECTS } from "./register-subjects.js";
import { SUBJECTS } from "./subjects.js";
import { runSwitchCampaign } from "./switch-campaign.js";

const { values } = parseArgs({
  options: {
    device: { type: "string" },
    chains: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
  },
});
const [count, seed] = [Number(values.chains), Number(values.seed)];
const all = [...Object.keys(SUBJECTS), ...Object.keys(REGISTER_SUBJECTS), "switch", "index"];
for (const device of values.device === undefined ? all : [values.device]) {
  const begin = performance.now();
  const report = await campaignOf(device);
  console.log(`${device}: ${report} in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}
process.exit(0);

function campaignOf(device: string): Promise<string> | string {
  if (device === "switch") return byFrames();
  if (device === "index") return byIndices();
  return Object.hasOwn(REGISTER_SUBJECTS, device) ? byRegisters(device) : byChains(device);
}

function byFrames(): string {
  const { frames, share, dropped } = runSwitchCampaign({ frames: count, seed });
  return `${frames} frames, ${share.toFixed(2)} deliveries of each, ${dropped} drops`;
}

function byIndices(): string {
  const { indices, accepted } = runIndexCampaign({ indices: count, seed });
  return `${indices} indices of served trees, ${Math.round((100 * accepted) / indices)} % accepted`;
}

async function byChains(device: string): Promise<string> {
  const { chains, answered, resets, slowestMs } = await runCampaign({ device, chains: count, seed });
  const share = Math.round((100 * answered) / chains);
  return `${chains} chains, ${share} % answered, ${resets} resets, slowest doorbell ${slowestMs.toFixed(1)} ms`;
}

async function byRegisters(device: string): Promise<string> {
  const { steps, share, resets, slowestMs } = await runRegisterCampaign({ device, steps: count, seed });
  return `${steps} steps, ${share.toFixed(2)} served in each, ${resets} resets, slowest ${slowestMs.toFixed(1)} ms`;
}
