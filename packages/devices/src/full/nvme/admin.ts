/** The admin commands (NVM Express 1.4, 5), each of which ends at once but two: an event request, and what waits for a flush. */
import type { NvmeCommand } from "./command.js";
import { AsynchronousEvents, Event } from "./events.js";
import { Feature, Features } from "./features.js";
import {
  FIRMWARE,
  identifyController,
  identifyNamespace,
  type NvmeIdentity,
  namespaceDescriptors,
  namespaceList,
  WARNING_TEMPERATURE,
} from "./identify.js";
import { ErrorLog, firmwarePage, healthPage, LogPage, TEMPERATURE_KELVINS } from "./log-pages.js";
import { ALL_NAMESPACES, MAX_TRANSFER_BYTES, NAMESPACE_ID, type Namespace } from "./namespace.js";
import type { NvmeState } from "./persist.js";
import type { QueueRules, QueueSet } from "./queue-set.js";
import { AdminOpcode, Outcome } from "./registers.js";

/** What Identify is asked for (figure 244). */
const Structure = { Namespace: 0x00, Controller: 0x01, NamespaceList: 0x02, Descriptors: 0x03 } as const;
/** Whether an event of this kind may be raised again after the log page was read. */
const RETAIN_EVENT = 0x8000;
const TEMPERATURE_EVENTS = 2;

export class AdminCommands {
  readonly events = new AsynchronousEvents();
  readonly errors = new ErrorLog();
  readonly features: Features;
  readonly #identity: NvmeIdentity;
  readonly #namespace: Namespace;
  readonly #queues: QueueSet;

  constructor(identity: NvmeIdentity, namespace: Namespace, queues: QueueSet) {
    this.#identity = identity;
    this.#namespace = namespace;
    this.#queues = queues;
    this.features = new Features(namespace, queues, WARNING_TEMPERATURE);
  }

  /** A controller reset (7.3.2): what it has counted and logged stays. */
  reset(): void {
    this.events.reset();
    this.features.reset();
  }

  restore({ features, events, errors }: Pick<NvmeState, "features" | "events" | "errors">): void {
    this.features.restore(features);
    this.events.restore(events);
    this.errors.restore(errors);
  }

  /** Carries a command out; gives its status, or undefined for a request that is held. */
  perform(command: NvmeCommand, rules: QueueRules): number | Promise<number> | undefined {
    switch (command.opcode) {
      case AdminOpcode.DeleteSubmissionQueue:
        return this.#queues.deleteSubmission(command);
      case AdminOpcode.CreateSubmissionQueue:
        return this.#queues.createSubmission(command, rules);
      case AdminOpcode.GetLogPage:
        return this.#getLogPage(command, rules.pageSize);
      case AdminOpcode.DeleteCompletionQueue:
        return this.#queues.deleteCompletion(command);
      case AdminOpcode.CreateCompletionQueue:
        return this.#queues.createCompletion(command, rules);
      case AdminOpcode.Identify:
        return this.#identify(command, rules.pageSize);
      case AdminOpcode.Abort:
        return this.#abortCommand(command);
      case AdminOpcode.SetFeatures:
        return this.#setFeatures(command);
      case AdminOpcode.GetFeatures:
        return this.features.get(command);
      case AdminOpcode.AsynchronousEvent:
        return this.events.hold(command.id) ? undefined : Outcome.TooManyEventRequests;
      default:
        return Outcome.InvalidOpcode;
    }
  }

  #identify(command: NvmeCommand, pageSize: number): number {
    const { namespace } = command;
    const answer = (bytes: Uint8Array) => give(command, bytes, bytes.length, pageSize);
    switch (command.dword(10) & 0xff) {
      case Structure.Namespace:
        return namespace === NAMESPACE_ID ? answer(identifyNamespace(this.#namespace)) : Outcome.InvalidNamespace;
      case Structure.Controller:
        return answer(identifyController(this.#identity));
      case Structure.NamespaceList:
        return namespace < ALL_NAMESPACES - 1 ? answer(namespaceList(namespace)) : Outcome.InvalidNamespace;
      case Structure.Descriptors:
        return namespace === NAMESPACE_ID ? answer(namespaceDescriptors(this.#identity)) : Outcome.InvalidNamespace;
      default:
        return Outcome.InvalidField;
    }
  }

  #getLogPage(command: NvmeCommand, pageSize: number): number {
    const length = ((command.dword(11) & 0xffff) * 0x1_0000 + (command.dword(10) >>> 16) + 1) * 4;
    const offset = command.dword(12) + command.dword(13) * 2 ** 32;
    const page = command.dword(10) & 0xff;
    const isForAll = command.namespace === 0 || command.namespace === ALL_NAMESPACES;
    const bytes = this.#logPage(page);
    if (bytes === undefined) return Outcome.InvalidLogPage;
    if (!isForAll || length > MAX_TRANSFER_BYTES || offset % 4 !== 0 || offset > bytes.length) {
      return Outcome.InvalidField;
    }
    const outcome = give(command, bytes.subarray(offset), length, pageSize);
    const keeps = (command.dword(10) & RETAIN_EVENT) !== 0;
    if (outcome === Outcome.Success && !keeps && page !== LogPage.Firmware) {
      this.events.clear(page === LogPage.Error ? 0 : 1);
    }
    return outcome;
  }

  #logPage(page: number): Uint8Array | undefined {
    switch (page) {
      case LogPage.Error:
        return this.errors.page();
      case LogPage.Health:
        return healthPage(this.#namespace.statistics, this.errors.count, this.#isBeyondLimits);
      case LogPage.Firmware:
        return firmwarePage(FIRMWARE);
      default:
        return undefined;
    }
  }

  get #isBeyondLimits(): boolean {
    return this.features.isBeyondLimits(TEMPERATURE_KELVINS);
  }

  #setFeatures(command: NvmeCommand): number | Promise<number> {
    const outcome = this.features.set(command);
    const isWanted = (this.features.valueOf(Feature.AsynchronousEvents) & TEMPERATURE_EVENTS) !== 0;
    if (isWanted && this.#isBeyondLimits) this.events.raise(Event.TemperatureThreshold);
    return outcome;
  }

  /** Only event requests can be taken back: whatever else is under way is the host's already (5.1: bit 0 says so). */
  #abortCommand(command: NvmeCommand): number {
    const queue = command.dword(10) & 0xffff;
    const id = command.dword(10) >>> 16;
    // The request's completion needs a place of its own.
    const isHeld = queue === 0 && command.queue.completions.hasRoom && this.events.release(id);
    if (isHeld) this.#queues.answerAdmin(id, Outcome.AbortRequested, 0);
    command.result = isHeld ? 0 : 1;
    return Outcome.Success;
  }
}

/** Hands bytes over, and zeroes behind them. */
function give(command: NvmeCommand, bytes: Uint8Array, length: number, pageSize: number): number {
  const found = command.findData(length, pageSize);
  if (found !== Outcome.Success) return found;
  const filled = new Uint8Array(length);
  filled.set(bytes.subarray(0, length));
  command.pages.write(filled);
  return Outcome.Success;
}
