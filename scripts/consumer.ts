// A user's program, compiled against the packed types and run once by scripts/check-packages.mjs.

import { Machine as CoreMachine } from "@hartvisor/core";
import { HartvisorError, Machine } from "hartvisor";

const core: CoreMachine = await CoreMachine.create({ memoryBytes: 2 ** 20 });
core.memory.write(0x80000000, Uint8Array.of(0x13, 0x05, 0xa0, 0x02)); // addi a0, zero, 42
core.enterMachine(0, { address: 0x80000000n, opaque: 0n });
core.step();
const answer: bigint | undefined = core.harts[0]?.getRegister(10);
if (answer !== 42n) throw new Error(`a0 is ${answer}`);
await core.destroy();

const refused = await Machine.create({ boot: { hypercalls: true, load() {} }, memory: 0 }).catch(
  (error: unknown) => error,
);
if (!(refused instanceof HartvisorError) || refused.code !== "invalid-argument")
  throw new Error("memory of 0 was not refused");
