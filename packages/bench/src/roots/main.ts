/**
 * `npm run bench:roots`: boots Debian to its shell with the same root on the initramfs, on virtiofs and on 9p, in turn, and
 * prints medians and the ratios to the first, by instructions and by CPU time; then what a second machine on one image adds
 * to this process.
 */
import { parseArgs } from "node:util";
import { archiveTree, Machine } from "hartvisor";
import { debianDemoImage } from "hartvisor/debian";
import { median } from "../statistics.js";
import { type WayToBoot, waysToBoot } from "./boots.js";
import { measureSharing } from "./sharing.js";

const PROMPT = "# ";

try {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      engine: { type: "string", default: "auto" },
      packages: { type: "string", default: "python3,sqlite3" },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds ${values.rounds}: give a whole number above 0`);
  }
  console.log(`hartvisor --engine ${values.engine}, Node ${process.version}; rounds: ${rounds}`);
  await compareBoots(rounds, values.engine as "auto");
  await measureSharing(values.packages.split(","), values.engine as "auto");
} catch (error) {
  console.error(`bench:roots: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 2;
}

async function compareBoots(rounds: number, engine: "auto"): Promise<void> {
  const image = await debianDemoImage();
  const ways = waysToBoot(image, await archiveTree(image.initrd));
  const samples = new Map(ways.map(({ name }) => [name, [] as Cost[]]));
  // The first round is the warm-up.
  for (let round = 0; round <= rounds; round++) {
    for (const way of ways) {
      const cost = await bootOnce(way, engine);
      if (round > 0) samples.get(way.name)?.push(cost);
    }
  }
  const of = (name: string, figure: (cost: Cost) => number) => median((samples.get(name) ?? []).map(figure));
  const [first] = ways as [WayToBoot];
  console.log(`${"root on".padEnd(26)}million instructions     CPU, s     ratio by both`);
  for (const { name } of ways) {
    const [instructions, cpuMs] = [of(name, (cost) => cost.instructions), of(name, (cost) => cost.cpuMs)];
    const byInstructions = instructions / of(first.name, (cost) => cost.instructions);
    const byCpu = cpuMs / of(first.name, (cost) => cost.cpuMs);
    console.log(
      `${name.padEnd(26)}${(instructions / 1e6).toFixed(0).padStart(20)}${(cpuMs / 1000).toFixed(2).padStart(11)}` +
        `${byInstructions.toFixed(2).padStart(12)}, ${byCpu.toFixed(2)}`,
    );
  }
}

/** What a boot took. */
interface Cost {
  readonly instructions: number;
  readonly cpuMs: number;
}

/** Boots to the first prompt. */
async function bootOnce(way: WayToBoot, engine: "auto"): Promise<Cost> {
  const before = process.cpuUsage();
  await using machine = await Machine.create({ ...way.make(), engine });
  machine.start();
  let said = "";
  const decoder = new TextDecoder();
  for await (const bytes of machine.console.output) {
    said += decoder.decode(bytes, { stream: true });
    if (said.includes(PROMPT)) break;
  }
  if (!said.includes(PROMPT)) throw new Error(`no shell with its root on ${way.name}; the guest said: ${said}`);
  const { instructions } = machine.stats;
  const { user, system } = process.cpuUsage(before);
  return { instructions, cpuMs: (user + system) / 1000 };
}
