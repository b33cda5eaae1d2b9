/** Puts a machine together: core, `virt` board, console, devices and what it boots, on the thread that it will run on. */
import { Machine as CoreMachine, parseByteSize } from "@hartvisor/core";
import { sbiExtensions, VirtioConsole } from "@hartvisor/devices";
import { translator } from "@hartvisor/jit";
import { VirtBoard } from "./board/virt.js";
import { SerialConsole } from "./console/serial-console.js";
import { AGENT_PORT } from "./exec/agent.js";
import type { MachineOptions } from "./options.js";

/** Hears what the guest's agent says on its port. */
export interface AgentListener {
  /** Takes bytes; the guest is held back while a promise is pending. */
  receive(bytes: Uint8Array): void | Promise<void>;
  /** The guest opened or closed the port. */
  opened(isOpen: boolean): void;
}

/** A machine before its first instruction. */
export interface AssembledMachine {
  readonly core: CoreMachine;
  readonly console: SerialConsole;
}

const DEFAULT_MEMORY = "512MiB";

/** Whether a machine of these options has a port for the guest's agent. */
export function hasAgent({ exec, boot }: Pick<MachineOptions, "exec" | "boot">): boolean {
  return exec ?? boot.exec ?? false;
}

/**
 * Makes a machine. `connectAgent` is asked for the host's side of the agent's port, if the machine has one, and given
 * the function that sends to it.
 */
export async function assemble(
  options: MachineOptions,
  connectAgent: (send: (bytes: Uint8Array) => void) => AgentListener,
): Promise<AssembledMachine> {
  const { boot, memory = DEFAULT_MEMORY, engine = "auto" } = options;
  const console = new SerialConsole();
  const virtual = options.clock === "virtual";
  const seed = options.seed ?? (virtual ? new Uint8Array(64) : crypto.getRandomValues(new Uint8Array(64)));
  const core = await CoreMachine.create({
    memoryBytes: typeof memory === "string" ? parseByteSize(memory, "memory") : memory,
    ...(options.pool !== undefined && { pool: options.pool }),
    harts: options.harts ?? 1,
    clock: options.clock ?? "real",
    hypercalls: boot.hypercalls ? (options.hypercalls ?? sbiExtensions) : [],
    ...(options.isa !== undefined && { isa: options.isa }),
    misaligned: options.misaligned ?? "hardware",
    technique: options.technique ?? "direct",
    ...(engine !== "interpreter" && { translator: translator(options.translator) }),
    limits: options.limits ?? {},
    seed,
    debugConsole: console,
  });
  const devices = (options.devices ?? []).map((make) => make());
  if (hasAgent(options)) {
    const port: VirtioConsole = new VirtioConsole({
      name: "exec",
      ports: [
        {
          name: AGENT_PORT,
          receive: (bytes) => agent.receive(bytes),
          onOpen: (isOpen) => agent.opened(isOpen),
        },
      ],
    });
    const agent = connectAgent((bytes) => void port.send(0, bytes));
    devices.push(port);
  }
  const board = new VirtBoard(core, console, {
    seed,
    devices,
    transport: options.transport ?? "pci",
    onDeviceFailure: options.onDeviceFailure ?? (() => {}),
  });
  try {
    boot.load({ machine: core, board, console });
  } catch (error) {
    await core.destroy(); // a shared pool gets its frames back
    throw error;
  }
  void core.exited.then(
    () => console.end(),
    () => console.end(),
  );
  return { core, console };
}
