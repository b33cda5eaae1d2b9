/**
 * The `virt` board: QEMU's map of the same name, its devices from
 * `@hartvisor/devices`, and the device tree that tells the guest of them.
 */
import {
  CounterEvent,
  type Device,
  DeviceTreeLabels,
  type DeviceTreeNode,
  encodeDeviceTree,
  HartvisorError,
  Interrupt,
  type Machine,
  PROGRAMMABLE_COUNTERS,
  TIMEBASE_HZ,
} from "@hartvisor/core";
import {
  Aclint,
  GoldfishRtc,
  type GuestTimer,
  PciHost,
  Plic,
  TestFinisher,
  Uart16550,
  VirtioMmio,
  VirtioPci,
} from "@hartvisor/devices";
import { PatientInput } from "../console/patient-input.js";
import type { SerialConsole } from "../console/serial-console.js";
import type { PluggableDevice } from "../devices.js";

/** Eight virtio windows with a source each, as on QEMU's board. */
const VIRTIO_MMIO_BASE = 0x1000_1000;
const VIRTIO_MMIO_SIZE = 0x1000;
const VIRTIO_MMIO_SLOTS = 8;
const FIRST_VIRTIO_MMIO_SOURCE = 1;
const FIRST_PCI_SOURCE = 32;
const PCI_WIRES = 4;
const UART_SOURCE = 10;
const RTC_SOURCE = 11;
/** A guest that listens for a millisecond means it. */
const LISTENING_TICKS = BigInt(TIMEBASE_HZ / 1000);
const RNG_SEED_BYTES = 64;
const NS_PER_TICK = 1_000_000_000n / BigInt(TIMEBASE_HZ);

/** What the boot loader tells the kernel through `/chosen`. */
export interface Chosen {
  readonly bootArguments?: string;
  /** Guest-physical range of the initrd. */
  readonly initrd?: { readonly start: number; readonly end: number };
}

export interface BoardOptions {
  /** Entropy for the guest's `rng-seed`. */
  readonly seed: Uint8Array;
  readonly devices: readonly PluggableDevice[];
  /** What virtio devices are plugged into. */
  readonly transport: "pci" | "mmio";
  /** Hears of a driver that broke a device's rules. */
  readonly onDeviceFailure: (device: string, reason: string) => void;
}

export class VirtBoard {
  readonly #machine: Machine;
  readonly #options: BoardOptions;

  /** Attaches the board's devices to a machine and its serial port to a console. */
  constructor(machine: Machine, console: SerialConsole, options: BoardOptions) {
    this.#machine = machine;
    this.#options = options;
    const hartCount = machine.harts.length;
    const { clock } = machine;

    const plic = new Plic({
      hartCount,
      output: (context) =>
        machine.interruptLine(
          context >> 1,
          context % 2 === 0 ? Interrupt.MachineExternal : Interrupt.SupervisorExternal,
        ),
    });
    const uart: Uart16550 = new Uart16550({
      output: (byte) => console.put(byte),
      interrupt: plic.line(UART_SOURCE),
      interruptSource: UART_SOURCE,
      onReceiveReady: () => input.becameReady(),
    });
    const input: PatientInput = new PatientInput(
      uart,
      (callback) => machine.setAlarm("serial", clock.ticks() + LISTENING_TICKS, callback),
      () => console.pump(),
    );
    console.connect(input);
    const rtc: GoldfishRtc = new GoldfishRtc({
      clock,
      interrupt: plic.line(RTC_SOURCE),
      interruptSource: RTC_SOURCE,
      schedule: (deadlineNs) => {
        const ticks = deadlineNs && clock.ticks() + (deadlineNs - clock.unixTimeNs()) / NS_PER_TICK;
        machine.setAlarm("rtc", ticks, () => rtc.tick());
      },
    });
    const software = machine.harts.map(({ id }) => machine.interruptLine(id, Interrupt.MachineSoftware));
    const aclint = new Aclint({
      hartCount,
      clock,
      harts: {
        setMachineSoftware: (hart, level) => software[hart]?.set(level),
        setMachineTimer: (hart, deadline) => machine.setMachineTimer(hart, deadline),
      },
      setTime: (ticks) => machine.setTime(ticks),
    });
    const finisher = new TestFinisher({ shutdown: (request) => machine.requestShutdown(request) });
    const pci = new PciHost({
      interrupts: Array.from({ length: PCI_WIRES }, (_, n) => plic.line(FIRST_PCI_SOURCE + n)),
      firstInterruptSource: FIRST_PCI_SOURCE,
    });
    for (const device of [plic, uart, rtc, aclint, finisher, pci, pci.memory, pci.io]) machine.attach(device);
    this.#plug(pci, plic);
  }

  #plug(pci: PciHost, plic: Plic): void {
    const { devices, transport, onDeviceFailure: onFailure } = this.#options;
    const { memory } = this.#machine;
    let windows = 0;
    for (const device of devices) {
      if ("plug" in device) {
        let timers = 0;
        const timer = (callback: () => void) => this.#timer(`${device.name} ${timers++}`, callback);
        pci.plug((interrupt) => device.plug({ memory, interrupt, timer, onFailure }));
        continue;
      }
      if (transport === "pci") {
        pci.plug((interrupt) => new VirtioPci({ device, memory, interrupt, onFailure }));
        continue;
      }
      const n = windows++;
      if (n >= VIRTIO_MMIO_SLOTS) {
        throw new HartvisorError(
          "invalid-argument",
          `the board has ${VIRTIO_MMIO_SLOTS} places for virtio-MMIO devices`,
        );
      }
      const interruptSource = FIRST_VIRTIO_MMIO_SOURCE + n;
      const base = VIRTIO_MMIO_BASE + n * VIRTIO_MMIO_SIZE;
      const interrupt = plic.line(interruptSource);
      this.#machine.attach(new VirtioMmio({ device, memory, interrupt, interruptSource, base, onFailure }));
    }
  }

  #timer(name: string, callback: () => void): GuestTimer {
    const { clock } = this.#machine;
    return {
      now: () => Number(clock.ticks() * NS_PER_TICK),
      set: (deadline) => {
        const ticks = deadline === undefined ? undefined : BigInt(Math.ceil(deadline / Number(NS_PER_TICK)));
        this.#machine.setAlarm(name, ticks, callback);
      },
    };
  }

  /** The flattened device tree of the machine as it is now. */
  deviceTree(chosen: Chosen): Uint8Array {
    const { memory, harts, bus, technique } = this.#machine;
    const labels = new DeviceTreeLabels(harts.length);
    const nodes = bus.devices.flatMap((device: Device) => device.deviceTree(labels));
    const onBus = (node: DeviceTreeNode) => Object.hasOwn(node.properties ?? {}, "reg");
    const serial = nodes.find(({ name }) => name.startsWith("serial@"));

    const root: DeviceTreeNode = {
      name: "",
      properties: {
        "#address-cells": 2,
        "#size-cells": 2,
        compatible: ["hartvisor,virt", "riscv-virtio"],
        model: "hartvisor virt",
      },
      children: [
        {
          name: "chosen",
          properties: {
            ...(serial && { "stdout-path": `/soc/${serial.name}` }),
            ...(chosen.bootArguments && { bootargs: chosen.bootArguments }),
            ...(chosen.initrd && {
              "linux,initrd-start": BigInt(chosen.initrd.start),
              "linux,initrd-end": BigInt(chosen.initrd.end),
            }),
            "rng-seed": this.#options.seed.slice(0, RNG_SEED_BYTES),
          },
        },
        {
          name: `memory@${memory.base.toString(16)}`,
          properties: { device_type: "memory", reg: [BigInt(memory.base), BigInt(memory.size)] },
        },
        this.#cpus(),
        {
          name: "soc",
          properties: { "#address-cells": 2, "#size-cells": 2, compatible: "simple-bus", ranges: true },
          children: nodes.filter(onBus),
        },
        ...(technique === "paravirtual"
          ? [{ name: "hypervisor", properties: { compatible: "hartvisor,paravirtual" } }]
          : []),
        performanceUnit(),
        ...nodes.filter((node) => !onBus(node)),
      ],
    };
    return encodeDeviceTree(root, { labels });
  }

  #cpus(): DeviceTreeNode {
    const { isa, harts } = this.#machine;
    return {
      name: "cpus",
      properties: { "#address-cells": 1, "#size-cells": 0, "timebase-frequency": TIMEBASE_HZ },
      children: harts.map(({ id }) => ({
        name: `cpu@${id}`,
        properties: {
          device_type: "cpu",
          reg: id,
          status: "okay",
          compatible: "riscv",
          "riscv,isa": isa.toString(),
          "riscv,isa-base": "rv64i",
          "riscv,isa-extensions": isa.names,
          "mmu-type": "riscv,sv57",
          "riscv,cbom-block-size": 64,
          "riscv,cbop-block-size": 64,
          "riscv,cboz-block-size": 64,
        },
        children: [
          {
            name: "interrupt-controller",
            label: `cpu${id}-intc`,
            properties: { "#interrupt-cells": 1, "interrupt-controller": true, compatible: "riscv,cpu-intc" },
          },
        ],
      })),
    };
  }
}

/**
 * What firmware needs to know to program the counters (device tree binding `riscv,pmu`): SBI events 1 (cycles) and 2
 * (instructions) by the selectors that stand for them, and which counters count what. Each raw event is its selector.
 */
function performanceUnit(): DeviceTreeNode {
  const programmable = PROGRAMMABLE_COUNTERS.reduce((mask, n) => mask | (1 << n), 0);
  const { Cycles, Instructions, ...others } = CounterEvent;
  const whole = 0xffff_ffff;
  return {
    name: "pmu",
    properties: {
      compatible: "riscv,pmu",
      "riscv,event-to-mhpmevent": [1, 0, Cycles, 2, 0, Instructions],
      "riscv,event-to-mhpmcounters": [1, 1, programmable | 1, 2, 2, programmable | 4],
      "riscv,raw-event-to-mhpmcounters": Object.values(others).flatMap((event) => [
        0,
        event,
        whole,
        whole,
        programmable,
      ]),
    },
  };
}
