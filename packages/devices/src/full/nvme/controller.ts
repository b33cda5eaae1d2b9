/**
 * An NVMe controller with one namespace (NVM Express 1.4) as a PCI function:
 * its registers and doorbells, and the way of a command from its queue to its
 * completion. All of a doorbell's commands that the backend answers at once
 * are done before the doorbell's write returns. The interrupt is pin INTA: the
 * board has no controller for messages.
 */
import {
  type AccessWidth,
  type BlockBackend,
  type DeviceState,
  type DmaMemory,
  HartvisorError,
  type InterruptLine,
} from "@hartvisor/core";
import { ConfigurationSpace } from "../../para/pci/configuration-space.js";
import type { GuestTimer, PciBoard, PciFunction, PciRange } from "../../para/pci/function.js";
import { AdminCommands } from "./admin.js";
import { NvmeCommand } from "./command.js";
import { Event } from "./events.js";
import { PCI_SUBSYSTEM_VENDOR, PCI_VENDOR, uuidOf } from "./identify.js";
import { Namespace } from "./namespace.js";
import { type NvmeState, parseNvmeState } from "./persist.js";
import { QueueSet } from "./queue-set.js";
import type { SubmissionQueue } from "./queues.js";
import {
  CAPABILITIES_HIGH,
  CAPABILITIES_LOW,
  Configuration,
  MAX_PAGE_EXPONENT,
  Outcome,
  pageSizeOf,
  Register,
  Status,
  shutdownOf,
  VERSION,
} from "./registers.js";

/** Registers, and doorbells for all queues. */
const BAR_SIZE = 0x4000;
const PCI_DEVICE = 0x0010;
const PCI_SUBSYSTEM = 0x1100;
/** Mass storage, non-volatile memory, NVM Express. */
const PCI_CLASS = 0x010802;

/** Commands that wait for the host at once, and the bytes that they hold in its buffers: others wait in their queues. */
const MAX_UNDER_WAY = 1024;
const MAX_BUFFERED_BYTES = 64 * 2 ** 20;
/** Bytes moved for one doorbell before the host gets its turn. */
const BYTES_PER_TURN = 64 * 2 ** 20;

/** What a disk on NVMe is made of. */
export interface NvmeOptions {
  readonly backend: BlockBackend;
  /** What the guest reads as the disk's serial number, up to 20 bytes of ASCII. Default: the name. */
  readonly serial?: string;
  /** Unique on its machine. Default: `nvme`. */
  readonly name?: string;
  /** Hears of each failure of the backend, which the guest sees as a media error. Default: nobody. */
  readonly onError?: (error: unknown) => void;
}

/** A disk. */
export class NvmeController implements PciFunction {
  readonly name: string;
  readonly #memory: DmaMemory;
  readonly #line: InterruptLine;
  readonly #onFailure: (device: string, reason: string) => void;
  readonly #space: ConfigurationSpace;
  readonly #namespace: Namespace;
  readonly #queues: QueueSet;
  readonly #admin: AdminCommands;
  readonly #idle: NvmeCommand[] = [];
  readonly #nextTurn: GuestTimer;
  #window: PciRange | undefined;
  #configuration = 0;
  #status = 0;
  #interruptMask = 0;
  #adminAttributes = 0;
  #adminSubmission: [number, number] = [0, 0];
  #adminCompletion: [number, number] = [0, 0];
  /** As the guest chose it when it enabled the controller. */
  #pageSize = 4096;
  #bufferedBytes = 0;
  #underWay = 0;
  #isPaused = false;
  #drained: (() => void)[] = [];

  /** Throws `invalid-argument` for a disk that no guest could use. */
  constructor(
    { backend, serial, name = "nvme", onError }: NvmeOptions,
    { memory, interrupt, timer, onFailure }: PciBoard,
  ) {
    if (!Number.isSafeInteger(backend.size) || backend.size <= 0 || backend.size % 512 !== 0) {
      throw new HartvisorError("invalid-argument", `a disk of ${backend.size} bytes: give a multiple of 512`);
    }
    const shownSerial = serial ?? name.slice(0, 20);
    if (!/^[\x20-\x7e]{0,20}$/.test(shownSerial)) {
      throw new HartvisorError(
        "invalid-argument",
        `a disk's serial has at most 20 bytes of ASCII, not "${shownSerial}"`,
      );
    }
    this.name = name;
    this.#memory = memory;
    this.#line = interrupt;
    this.#nextTurn = timer(() => {
      this.#serveAll();
      this.#driveInterrupt();
    });
    this.#onFailure = onFailure ?? (() => {});
    this.#namespace = new Namespace(backend, onError ?? (() => {}));
    this.#queues = new QueueSet(memory);
    const identity = { serial: shownSerial, uuid: uuidOf(`${name}\0${shownSerial}`) };
    this.#admin = new AdminCommands(identity, this.#namespace, this.#queues);
    this.#space = new ConfigurationSpace(
      {
        vendor: PCI_VENDOR,
        device: PCI_DEVICE,
        revision: 1,
        classCode: PCI_CLASS,
        subsystemVendor: PCI_SUBSYSTEM_VENDOR,
        subsystem: PCI_SUBSYSTEM,
      },
      { memorySize: BAR_SIZE, isWide: true, hasInterrupt: true },
    );
  }

  readConfiguration(offset: number, width: AccessWidth): number {
    return this.#space.read(offset, width);
  }

  writeConfiguration(offset: number, width: AccessWidth, value: number): void {
    this.#space.write(offset, width, value);
    this.#configurationChanged();
  }

  get memoryWindow(): PciRange | undefined {
    return this.#window;
  }

  readMemory(offset: number, width: AccessWidth): number {
    const word = this.#readRegister(offset & ~3) >>> (8 * (offset & 3));
    return width === 4 ? word : word & (2 ** (8 * width) - 1);
  }

  writeMemory(offset: number, width: AccessWidth, value: number): void {
    // 3.1: accesses have a register's width, or are of 32 bits.
    if (width !== 4 || offset % 4 !== 0) return;
    if (offset >= Register.Doorbells) this.#ring((offset - Register.Doorbells) / 4, value & 0xffff);
    else this.#writeRegister(offset, value);
    this.#driveInterrupt();
  }

  reset(): void {
    this.#resetController();
    this.#configuration = 0;
    this.#adminAttributes = 0;
    this.#adminSubmission = [0, 0];
    this.#adminCompletion = [0, 0];
    this.#space.reset();
    this.#configurationChanged();
  }

  /** Resolves when no command is under way; nothing new is begun until {@link resume}. */
  quiesce(): Promise<void> {
    this.#isPaused = true;
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Ends what {@link quiesce} began. */
  resume(): void {
    this.#isPaused = false;
    this.#serveAll();
    this.#driveInterrupt();
  }

  /** Throws `invalid-state` while commands are under way: quiesce the device first. */
  save(): NvmeState {
    if (this.#underWay > 0) {
      throw new HartvisorError("invalid-state", `${this.name} has requests in flight: await quiesce() first`);
    }
    return {
      version: 1,
      blocks: this.#namespace.blocks,
      space: this.#space.save(),
      configuration: this.#configuration,
      status: this.#status,
      interruptMask: this.#interruptMask,
      adminAttributes: this.#adminAttributes,
      adminSubmission: [...this.#adminSubmission],
      adminCompletion: [...this.#adminCompletion],
      pageSize: this.#pageSize,
      completions: this.#queues.completions.map((queue) => queue?.save()),
      submissions: this.#queues.submissions.map((queue) => queue?.save()),
      features: this.#admin.features.save(),
      events: this.#admin.events.save(),
      errors: this.#admin.errors.save(),
      statistics: { ...this.#namespace.statistics },
    };
  }

  restore(state: DeviceState): void {
    const saved = parseNvmeState(this.name, state, this.#namespace.blocks, this.#memory);
    this.reset();
    this.#space.restore(saved.space);
    this.#configuration = saved.configuration;
    this.#status = saved.status;
    this.#interruptMask = saved.interruptMask;
    this.#adminAttributes = saved.adminAttributes;
    this.#adminSubmission = [...saved.adminSubmission];
    this.#adminCompletion = [...saved.adminCompletion];
    this.#pageSize = saved.pageSize;
    this.#queues.restore(saved);
    this.#admin.restore(saved);
    Object.assign(this.#namespace.statistics, saved.statistics);
    this.#configurationChanged();
    this.#serveAll();
    this.#driveInterrupt();
  }

  #readRegister(offset: number): number {
    switch (offset) {
      case Register.Capabilities:
        return CAPABILITIES_LOW;
      case Register.Capabilities + 4:
        return CAPABILITIES_HIGH;
      case Register.Version:
        return VERSION;
      case Register.InterruptMaskSet:
      case Register.InterruptMaskClear:
        return this.#interruptMask >>> 0;
      case Register.Configuration:
        return this.#configuration;
      case Register.Status:
        return this.#status;
      case Register.AdminQueueAttributes:
        return this.#adminAttributes;
      case Register.AdminSubmissionQueue:
      case Register.AdminSubmissionQueue + 4:
        return this.#adminSubmission[(offset & 4) >> 2] ?? 0;
      case Register.AdminCompletionQueue:
      case Register.AdminCompletionQueue + 4:
        return this.#adminCompletion[(offset & 4) >> 2] ?? 0;
      default:
        return 0;
    }
  }

  #writeRegister(offset: number, value: number): void {
    switch (offset) {
      case Register.InterruptMaskSet:
        this.#interruptMask |= value;
        break;
      case Register.InterruptMaskClear:
        this.#interruptMask &= ~value;
        break;
      case Register.Configuration:
        this.#configure((value & Configuration.Writable) >>> 0);
        break;
      case Register.AdminQueueAttributes:
        this.#adminAttributes = value & 0x0fff_0fff;
        break;
      case Register.AdminSubmissionQueue:
        this.#adminSubmission[0] = (value & ~0xfff) >>> 0;
        break;
      case Register.AdminSubmissionQueue + 4:
        this.#adminSubmission[1] = value;
        break;
      case Register.AdminCompletionQueue:
        this.#adminCompletion[0] = (value & ~0xfff) >>> 0;
        break;
      case Register.AdminCompletionQueue + 4:
        this.#adminCompletion[1] = value;
        break;
    }
  }

  #configure(value: number): void {
    const before = this.#configuration;
    this.#configuration = value;
    const isEnabled = (value & Configuration.Enable) !== 0;
    const wasEnabled = (before & Configuration.Enable) !== 0;
    if (wasEnabled && !isEnabled) this.#resetController();
    else if (isEnabled && !wasEnabled) this.#start();
    if (shutdownOf(value) !== 0 && shutdownOf(before) === 0) this.#shutDown();
    else if (shutdownOf(value) === 0) this.#status &= ~Status.Shutdown;
  }

  #start(): void {
    const problem = this.#setUp();
    if (problem === undefined) {
      this.#status |= Status.Ready;
      return;
    }
    this.#status |= Status.Fatal;
    this.#onFailure(this.name, problem);
  }

  /** Takes the configuration over; says what is wrong with it otherwise. */
  #setUp(): string | undefined {
    const configuration = this.#configuration;
    if (configuration & Configuration.CommandSet) return "a command set that it does not have";
    if (configuration & Configuration.Arbitration) return "an arbitration that it does not have";
    this.#pageSize = pageSizeOf(configuration);
    if (this.#pageSize > 4096 * 2 ** MAX_PAGE_EXPONENT) return `pages of ${this.#pageSize} bytes`;
    const ring = ([low, high]: readonly [number, number], size: number) => ({ base: low + high * 2 ** 32, size });
    const sizes = this.#adminAttributes;
    return this.#queues.createAdmin(
      ring(this.#adminSubmission, (sizes & 0xfff) + 1),
      ring(this.#adminCompletion, ((sizes >>> 16) & 0xfff) + 1),
    );
  }

  /** 7.3.2: everything but the admin queues' registers is as after power-on. */
  #resetController(): void {
    this.#queues.clear();
    this.#nextTurn.set(undefined);
    this.#admin.reset();
    this.#status = 0;
    this.#interruptMask = 0;
  }

  /** 7.6.2: done when what was written is durable. */
  #shutDown(): void {
    this.#status = (this.#status & ~Status.Shutdown) | Status.ShutdownOccurring;
    const complete = () => {
      if ((this.#status & Status.Shutdown) === Status.ShutdownOccurring) {
        this.#status = (this.#status & ~Status.Shutdown) | Status.ShutdownComplete;
      }
    };
    const flushed = this.#namespace.flush();
    if (typeof flushed === "number") complete();
    else void flushed.then(complete);
  }

  #ring(doorbell: number, value: number): void {
    if ((this.#status & Status.Ready) === 0) return;
    const id = doorbell >>> 1;
    const isSubmission = doorbell % 2 === 0;
    const submission = isSubmission ? this.#queues.submissions[id] : undefined;
    const completion = isSubmission ? undefined : this.#queues.completions[id];
    if (submission === undefined && completion === undefined) this.#admin.events.raise(Event.InvalidDoorbellRegister);
    else if (submission?.produce(value) === false || completion?.consume(value) === false) {
      this.#admin.events.raise(Event.InvalidDoorbellValue);
    } else if (submission !== undefined) this.#serve(submission);
    else this.#serveAll();
    this.#tellEvents();
  }

  #serveAll(): void {
    for (const queue of this.#queues.submissions) if (queue !== undefined) this.#serve(queue);
    this.#tellEvents();
  }

  /** Takes commands while their completions have room. Hot. */
  #serve(queue: SubmissionQueue): void {
    let bytes = 0;
    const { completions } = queue;
    while (!queue.isEmpty && !queue.isGone && completions.hasRoom && this.#hasMeans) {
      if (bytes > BYTES_PER_TURN) {
        this.#nextTurn.set(this.#nextTurn.now());
        return;
      }
      const command = this.#idle.pop() ?? new NvmeCommand(this.#memory);
      command.takeFrom(queue);
      completions.reserved++;
      bytes += queue.id === 0 ? 0 : this.#namespace.workBytes(command);
      this.#begin(command);
    }
  }

  get #hasMeans(): boolean {
    return !this.#isPaused && this.#underWay < MAX_UNDER_WAY && this.#bufferedBytes < MAX_BUFFERED_BYTES;
  }

  #begin(command: NvmeCommand): void {
    const outcome = this.#perform(command);
    if (outcome === undefined) {
      command.queue.completions.reserved--;
      this.#idle.push(command);
    } else if (typeof outcome === "number") this.#complete(command, outcome);
    else {
      const buffered = command.queue.id === 0 ? 0 : this.#namespace.bufferedBytes(command);
      this.#underWay++;
      this.#bufferedBytes += buffered;
      void outcome.then((status) => {
        this.#underWay--;
        this.#bufferedBytes -= buffered;
        this.#complete(command, status);
        this.#serveAll();
        this.#driveInterrupt();
        if (this.#underWay === 0) for (const resolve of this.#drained.splice(0)) resolve();
      });
    }
  }

  #perform(command: NvmeCommand): number | Promise<number> | undefined {
    if (command.isUnsupportedKind) return Outcome.InvalidField;
    if (command.queue.id !== 0) return this.#namespace.perform(command, this.#pageSize);
    return this.#admin.perform(command, { pageSize: this.#pageSize, configuration: this.#configuration });
  }

  #complete(command: NvmeCommand, outcome: number): void {
    const { queue } = command;
    queue.completions.reserved--;
    if (outcome !== Outcome.Success) this.#admin.errors.add(command, outcome);
    if (!queue.isGone) queue.completions.post(queue, command.id, outcome, command.result);
    this.#idle.push(command);
  }

  /** Answers event requests with what happened, as far as there is room. */
  #tellEvents(): void {
    const completions = this.#queues.completions[0];
    while (completions?.hasRoom) {
      const told = this.#admin.events.take();
      if (told === undefined) return;
      this.#queues.answerAdmin(told.command, Outcome.Success, told.result);
    }
  }

  #configurationChanged(): void {
    const base = this.#space.memoryBase;
    this.#window = base === undefined ? undefined : { base, size: BAR_SIZE };
    this.#driveInterrupt();
  }

  /** 7.5.1: the pin is high while there is a completion that asks for it, and its vector is not masked. */
  #driveInterrupt(): void {
    const level = this.#queues.wantInterrupt && (this.#interruptMask & 1) === 0;
    this.#space.interruptPending = level;
    this.#line.set(level && !this.#space.interruptDisabled);
  }
}
