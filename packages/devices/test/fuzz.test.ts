/** Every device under a short campaign of mutated requests; `npm run fuzz:devices` runs long ones. */
import { describe, expect, it } from "vitest";
import { runCampaign } from "../fuzz/campaign.js";
import { runIndexCampaign } from "../fuzz/index-campaign.js";
import { runRegisterCampaign } from "../fuzz/register-campaign.js";
import { REGISTER_SUBJECTS } from "../fuzz/register-subjects.js";
import { SUBJECTS } from "../fuzz/subjects.js";
import { runSwitchCampaign } from "../fuzz/switch-campaign.js";

describe.each(Object.keys(SUBJECTS))("%s", (device) => {
  it.each([1, 2])("survives a hostile driver, seed %i", async (seed) => {
    const { chains, answered } = await runCampaign({ device, chains: 10_000, seed });
    // A third at least must get past the queue, or nothing of the device is tested.
    expect(answered / chains).toBeGreaterThan(1 / 3);
  });
});

describe.each(Object.keys(REGISTER_SUBJECTS))("%s", (device) => {
  it.each([1, 2])("survives a hostile driver of its registers, seed %i", async (seed) => {
    const { share } = await runRegisterCampaign({ device, steps: 10_000, seed });
    expect(share).toBeGreaterThan(1 / 3);
  });
});

it.each([1, 2])("a switch survives hostile stations, and keeps them in their VLANs, seed %i", (seed) => {
  const { share, dropped } = runSwitchCampaign({ frames: 10_000, seed });
  expect([share > 1 / 3, dropped > 1000]).toEqual([true, true]);
});

it.each([1, 2])("an index of a served tree is refused in one line, or leads nowhere else, seed %i", (seed) => {
  const { indices, accepted } = runIndexCampaign({ indices: 10_000, seed });
  expect(accepted / indices).toBeGreaterThan(0.2);
  expect(accepted / indices).toBeLessThan(0.8);
});
