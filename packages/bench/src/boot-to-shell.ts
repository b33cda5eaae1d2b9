/**
 * Boots the demo's Debian to its first prompt and prints what that took, as
 * JSON: a process of its own, so that its memory is the machine's.
 */
import { linux, Machine } from "hartvisor";
import { debianDemoImage } from "hartvisor/debian";

const PROMPT = "hartvisor:~# ";
const PAGE_SIZE = 4096;

const { kernel, initrd } = await debianDemoImage();
const machine = await Machine.create({ boot: linux({ kernel, initrd, cmdline: "console=ttyS0 quiet" }) });
machine.memory.trackWrites();
const begin = { cpu: process.cpuUsage(), wall: performance.now() };
machine.start();

let text = "";
const decoder = new TextDecoder();
for await (const bytes of machine.console.output) {
  text += decoder.decode(bytes, { stream: true });
  if (text.includes(PROMPT)) break;
}
const { user } = process.cpuUsage(begin.cpu);
const wallMs = performance.now() - begin.wall;
const residentBytes = process.memoryUsage.rss();
await machine.pause();
console.log(
  JSON.stringify({
    userCpuMs: user / 1000,
    wallMs,
    instructions: machine.stats.instructions,
    residentBytes,
    guestBytesTouched: pagesTouched() * PAGE_SIZE,
  }),
);
await machine.destroy();

/** Pages that the guest wrote, and those that the loader filled and the guest left alone. */
function pagesTouched(): number {
  const { memory } = machine;
  const dirty = new Set(memory.dirtyPages());
  let loaded = 0;
  for (let page = 0; page < memory.size / PAGE_SIZE; page++) {
    if (dirty.has(page)) continue;
    if (memory.read(memory.base + page * PAGE_SIZE, PAGE_SIZE)?.some((byte) => byte !== 0)) loaded++;
  }
  return dirty.size + loaded;
}
