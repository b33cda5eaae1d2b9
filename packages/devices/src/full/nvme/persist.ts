/** The saved state of an NVMe controller, and the check of one that comes back: as strict as with what a guest sets up. */
import type { DeviceState, DmaMemory } from "@hartvisor/core";
import { SavedFields } from "../saved-fields.js";
import type { EventsState } from "./events.js";
import { areFeatureValues } from "./features.js";
import { EVENT_REQUEST_LIMIT } from "./identify.js";
import { ERROR_LOG_ENTRIES } from "./log-pages.js";
import type { NamespaceStatistics } from "./namespace.js";
import { MAX_IO_QUEUES } from "./queue-set.js";
import {
  COMPLETION_SIZE,
  type CompletionQueueState,
  type RingState,
  SUBMISSION_SIZE,
  type SubmissionQueueState,
} from "./queues.js";
import { Configuration, MAX_ADMIN_ENTRIES, MAX_PAGE_EXPONENT, MAX_QUEUE_ENTRIES } from "./registers.js";

/** What a controller saves. Queues stand at their numbers. */
export interface NvmeState extends DeviceState {
  readonly version: 1;
  readonly blocks: number;
  /** PCI configuration space. */
  readonly space: Uint8Array;
  readonly configuration: number;
  readonly status: number;
  readonly interruptMask: number;
  readonly adminAttributes: number;
  readonly adminSubmission: readonly [number, number];
  readonly adminCompletion: readonly [number, number];
  readonly pageSize: number;
  readonly completions: readonly (CompletionQueueState | undefined)[];
  readonly submissions: readonly (SubmissionQueueState | undefined)[];
  readonly features: readonly number[];
  readonly events: EventsState;
  readonly errors: Uint8Array;
  readonly statistics: NamespaceStatistics;
}

const NAMES: readonly (keyof NvmeState)[] = [
  ...(["blocks", "space", "configuration", "status", "interruptMask", "adminAttributes", "adminSubmission"] as const),
  ...(["adminCompletion", "pageSize", "completions", "submissions", "features", "events", "errors"] as const),
  "statistics",
];
const WORD = 0xffff_ffff;

/** Reads a saved state, or throws a HartvisorError (`invalid-argument`) where no controller of such a disk can have saved it. */
export function parseNvmeState(device: string, state: DeviceState, blocks: number, memory: DmaMemory): NvmeState {
  const fields = new SavedFields(device, state, 1, NAMES);
  const { adminSubmission, adminCompletion, completions, submissions, features, events, statistics } =
    state as NvmeState;
  const { pageSize } = state as NvmeState;
  fields.require(
    (state as NvmeState).blocks === blocks,
    `its disk had ${(state as NvmeState).blocks} blocks, not ${blocks}`,
  );
  for (const pair of [adminSubmission, adminCompletion]) {
    fields.require(areNumbers(pair, 0, WORD) && pair.length === 2, "an admin queue's address is no pair of words");
  }
  const pages = Array.from({ length: MAX_PAGE_EXPONENT + 1 }, (_, exponent) => 4096 * 2 ** exponent);
  fields.require(pages.includes(pageSize), `"pageSize" is ${String(pageSize)}`);
  for (const [name, list] of Object.entries({ completions, submissions })) {
    fields.require(Array.isArray(list) && list.length <= MAX_IO_QUEUES + 1, `"${name}" are no queues`);
  }
  for (const [id, ring] of completions.entries()) {
    if (ring === undefined) continue;
    fields.require(isRing(ring, id, COMPLETION_SIZE, memory), `completion queue ${id} is none`);
    const { phase, interrupts } = ring;
    fields.require(typeof phase === "boolean" && typeof interrupts === "boolean", `completion queue ${id} is none`);
  }
  for (const [id, ring] of submissions.entries()) {
    if (ring === undefined) continue;
    const isFine = isRing(ring, id, SUBMISSION_SIZE, memory) && completions[ring.completionQueue] !== undefined;
    fields.require(isFine, `submission queue ${id} is none`);
    fields.require((id === 0) === (ring.completionQueue === 0), `submission queue ${id} answers elsewhere`);
  }
  const isReady = (fields.bits("status", 0xf) & 1) !== 0;
  const hasQueues = completions.length > 0 && completions[0] !== undefined && submissions[0] !== undefined;
  fields.require(
    isReady ? hasQueues : completions.length + submissions.length === 0,
    "its queues do not go with its status",
  );
  fields.require(areFeatureValues(features), `"features" are none`);
  const isFine =
    areNumbers(events?.held, 0, 0xffff) &&
    events.held.length <= EVENT_REQUEST_LIMIT + 1 &&
    areNumbers(events.waiting, -1, 0xffff) &&
    events.waiting.length === 2 &&
    Array.isArray(events.masked) &&
    events.masked.length === 2 &&
    events.masked.every((each) => typeof each === "boolean");
  fields.require(isFine, `"events" are none`);
  const counters = ["readBytes", "writtenBytes", "reads", "writes", "mediaErrors"] as const;
  const counts = counters.map((name) => statistics?.[name]);
  fields.require(areNumbers(counts, 0, Number.MAX_SAFE_INTEGER), `"statistics" are no counts`);
  const errors = fields.bytes("errors", { least: 8, most: 8 + 64 * ERROR_LOG_ENTRIES });
  fields.require(errors.length % 64 === 8, `"errors" holds part of an entry`);
  const [readBytes = 0, writtenBytes = 0, reads = 0, writes = 0, mediaErrors = 0] = counts;
  return {
    version: 1,
    blocks,
    space: fields.bytes("space", { least: 256, most: 256 }),
    configuration: fields.bits("configuration", Configuration.Writable),
    status: fields.bits("status", 0xf),
    interruptMask: fields.bits("interruptMask", WORD),
    adminAttributes: fields.bits("adminAttributes", 0x0fff_0fff),
    adminSubmission,
    adminCompletion,
    pageSize,
    completions,
    submissions,
    features,
    events,
    errors,
    statistics: { readBytes, writtenBytes, reads, writes, mediaErrors },
  };
}

function areNumbers(list: unknown, least: number, most: number): list is readonly number[] {
  return Array.isArray(list) && list.every((each) => Number.isInteger(each) && each >= least && each <= most);
}

function isRing(ring: RingState, id: number, entrySize: number, memory: DmaMemory): boolean {
  const { base, size, head, tail } = ring;
  const most = id === 0 ? MAX_ADMIN_ENTRIES : MAX_QUEUE_ENTRIES;
  if (ring.id !== id || !Number.isInteger(size) || size < 2 || size > most) return false;
  if (!areNumbers([head, tail], 0, size - 1)) return false;
  return Number.isInteger(base) && base % 4096 === 0 && memory.contains(base, entrySize * size);
}
