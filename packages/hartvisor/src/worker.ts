/** The script of a worker that runs one machine: it makes the machine, answers its owner's calls, and passes on events. */
import { assemble } from "./assemble.js";
import { bareMetal } from "./boot/bare-metal.js";
import type { Boot, BootRecipe } from "./boot/boot.js";
import { linux } from "./boot/linux.js";
import { supervisor } from "./boot/supervisor.js";
import { ownEndpoint } from "./host/thread.js";
import { type MachineCalls, machineCalls } from "./thread/calls.js";
import { Channels } from "./thread/channel.js";
import { openDevices } from "./thread/open-devices.js";
import {
  type MachineShape,
  type OwnerMessage,
  type PortableOptions,
  toPortableError,
  type WorkerMessage,
} from "./thread/protocol.js";

const owner = ownEndpoint();
let calls: MachineCalls | undefined;
let sendToAgent: (bytes: Uint8Array) => void = () => {};
/** The guest's agent is held back until its bytes have been taken, so that they do not pile up between the threads. */
const agentTaken: (() => void)[] = [];
const channels = new Channels((channel, data) => tell({ kind: "channel", channel, data }));

owner.listen((data) => {
  const message = data as OwnerMessage;
  switch (message.kind) {
    case "create":
      void answer(message.id, () => create(message.options));
      break;
    case "call":
      void answer(message.id, () => call(message.name, message.args));
      break;
    case "agent":
      sendToAgent(message.bytes);
      break;
    case "agentTaken":
      agentTaken.shift()?.();
      break;
    case "channel":
      channels.receive(message.channel, message.data);
      break;
  }
});

function tell(message: WorkerMessage): void {
  owner.post(message);
}

async function answer(id: number, work: () => unknown): Promise<void> {
  try {
    tell({ kind: "result", id, value: await work() });
  } catch (error) {
    tell({ kind: "error", id, error: toPortableError(error) });
  }
}

async function create(options: PortableOptions): Promise<MachineShape> {
  const open = await openDevices(options.devices, (channel) => channels.open(channel));
  const machine = await assemble({ ...options, boot: bootOf(options.boot), devices: open.devices }, (send) => {
    sendToAgent = send;
    return {
      receive: (bytes) => {
        tell({ kind: "agent", bytes: bytes.slice() }); // a view of the guest's memory would be cloned with all of it
        return new Promise<void>((resolve) => agentTaken.push(resolve));
      },
      opened: (isOpen) => tell({ kind: "agentOpened", isOpen }),
    };
  });
  const { core } = machine;
  calls = machineCalls(machine, open.close);
  core.on("breakpoint", (event) => tell({ kind: "event", event: { name: "breakpoint", event } }));
  core.on("exit", (event) => tell({ kind: "event", event: { name: "exit", event } }));
  core.exited.then(
    (reason) => tell({ kind: "exited", reason }),
    (error: unknown) => tell({ kind: "failed", error: toPortableError(error) }),
  );
  return { memoryBase: core.memory.base, memorySize: core.memory.size, harts: core.harts.length };
}

function bootOf(recipe: BootRecipe): Boot {
  switch (recipe.kind) {
    case "linux":
      return linux(recipe.options);
    case "supervisor":
      return supervisor(recipe.options);
    case "bareMetal":
      return bareMetal(recipe.options);
  }
}

function call(name: keyof MachineCalls, args: readonly unknown[]): unknown {
  return (calls?.[name] as ((...args: readonly unknown[]) => unknown) | undefined)?.(...args);
}
