/** What a machine adds to the memory of its process: one whose image's layers are there already, and the first. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { linux, Machine, MemoryTree, memoryPool, virtioFs } from "hartvisor";
import { debianDemoImage, debianImage, ROOT_TAG } from "hartvisor/debian";

const MIB = 2 ** 20;
const FRAME_BYTES = 4096;
const WRITTEN_MIB = 4;
/** It reads much of the image, and writes a little. */
const WORK = [
  "sh",
  "-c",
  `python3 -c 'import sqlite3, json, email, asyncio'; dd if=/dev/urandom of=/root/new bs=1M count=${WRITTEN_MIB} 2>/dev/null; sync`,
];

/** Boots two machines into an image of packages, one after the other, both in one pool, and prints what each adds. */
export async function measureSharing(packages: readonly string[], engine: "auto"): Promise<void> {
  const demo = await debianDemoImage();
  const image = await debianImage({ packages });
  const layerBytes = image.layers.reduce((sum, { size }) => sum + size, 0);
  console.log(`image of ${packages.join(", ")}: ${mib(layerBytes)} in ${image.layers.length} layers`);
  const pool = memoryPool({ memory: "1GiB", machines: 2 });
  const machines: Machine[] = [];
  try {
    for (const which of ["first", "second"]) {
      const before = { host: hostBytes(), frames: pool.framesInUse };
      const upper = new MemoryTree();
      const tree = await image.root(upper);
      const machine = await Machine.create({
        ...{ pool, engine, memory: "384MiB" },
        boot: linux({ ...demo, cmdline: "console=ttyS0 quiet" }),
        devices: [virtioFs({ tree, tag: ROOT_TAG, cache: "always" })],
      });
      machines.push(machine);
      void machine.console.output.cancel();
      machine.start();
      const { exitCode, stderr } = await machine.exec(WORK);
      if (exitCode !== 0) throw new Error(`the work ended with ${exitCode}: ${new TextDecoder().decode(stderr)}`);
      await machine.pause();
      const { blocks, freeBlocks, blockSize } = upper.room();
      const wrote = (blocks - freeBlocks) * blockSize;
      const frames = pool.framesInUse - before.frames;
      const after = hostBytes();
      const buffers = mib(after.buffers - before.host.buffers);
      const objects = mib(after.objects - before.host.objects);
      console.log(
        `the ${which} machine wrote ${mib(wrote)}; it adds ${buffers} of buffers and ${objects} of objects, ` +
          `and ${frames} frames of the pool (${mib(frames * FRAME_BYTES)})`,
      );
    }
  } finally {
    for (const machine of machines) await machine.destroy();
  }
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

/** What this process has in use: contents of files are buffers, the pool is neither. */
function hostBytes(): { readonly buffers: number; readonly objects: number } {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { buffers: arrayBuffers, objects: heapUsed };
}
