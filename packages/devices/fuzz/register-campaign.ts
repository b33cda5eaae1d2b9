/**
 * Drives a device of real boards with a driver that is wrong, or evil: valid
 * commands and descriptors, four in ten of them mutated, doorbells of any value,
 * writes to registers. What must hold: nothing throws, nothing outside RAM is
 * touched (the test's RAM throws), no write keeps the host long, what the
 * device saves it takes back, and after a reset it serves as before.
 */
import { Random } from "./random.js";
import { REGISTER_SUBJECTS } from "./register-subjects.js";

/** The host waits at most so long for one step. */
const PATIENCE_MS = 2000;
/** The event loop turns after so many steps. */
const BURST = 256;

export interface RegisterCampaignOptions {
  readonly device: string;
  readonly steps: number;
  readonly seed: number;
}

export interface RegisterCampaignResult {
  readonly steps: number;
  /** Commands that were answered and packets that passed, for each step. */
  readonly share: number;
  readonly resets: number;
  readonly slowestMs: number;
}

/** Runs a campaign; rejects with what went wrong, and the seed and number of the step that did it. */
export async function runRegisterCampaign(options: RegisterCampaignOptions): Promise<RegisterCampaignResult> {
  const { device, steps, seed } = options;
  const make = REGISTER_SUBJECTS[device];
  if (make === undefined) throw new Error(`there is no device "${device}"`);
  const random = new Random(seed);
  const subject = make(random);
  let slowestMs = 0;
  for (let done = 0; done < steps; done++) {
    try {
      const begin = performance.now();
      subject.step();
      slowestMs = Math.max(slowestMs, performance.now() - begin);
      if (slowestMs > PATIENCE_MS) throw new Error(`a step took ${Math.round(slowestMs)} ms`);
      if (done % BURST === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        await subject.checkState();
      }
    } catch (cause) {
      throw new Error(`${device}, seed ${seed}, step ${done}: ${String(cause)}`, { cause });
    }
  }
  subject.restart();
  if (!(await subject.works())) throw new Error(`${device}, seed ${seed}: it does not serve any more after a reset`);
  return { steps, share: subject.served / steps, resets: subject.resets, slowestMs };
}
