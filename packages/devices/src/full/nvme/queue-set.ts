/** The queues of a controller, and the admin commands that make and delete them (NVM Express 1.4, 5.3 to 5.6). */
import type { DmaMemory } from "@hartvisor/core";
import type { NvmeCommand } from "./command.js";
import type { NvmeState } from "./persist.js";
import { COMPLETION_SIZE, CompletionQueue, SUBMISSION_SIZE, SubmissionQueue } from "./queues.js";
import { COMPLETION_EXPONENT, entrySizesOf, MAX_QUEUE_ENTRIES, Outcome, SUBMISSION_EXPONENT } from "./registers.js";

/** I/O queues of either kind: one for each of up to sixteen harts. */
export const MAX_IO_QUEUES = 16;

const CONTIGUOUS = 1;
const INTERRUPTS = 2;

/** What the controller configuration says of queues. */
export interface QueueRules {
  readonly pageSize: number;
  readonly configuration: number;
}

export class QueueSet {
  readonly submissions: (SubmissionQueue | undefined)[] = [];
  readonly completions: (CompletionQueue | undefined)[] = [];
  readonly #memory: DmaMemory;

  constructor(memory: DmaMemory) {
    this.#memory = memory;
  }

  /** Whether there are I/O queues. */
  get hasIoQueues(): boolean {
    return this.submissions.length > 1 || this.completions.length > 1;
  }

  /** Whether there is a completion that asks for an interrupt. Hot. */
  get wantInterrupt(): boolean {
    for (const queue of this.completions) if (queue?.interrupts && !queue.isEmpty) return true;
    return false;
  }

  /** Forgets all queues; what is under way answers to nobody. */
  clear(): void {
    for (const queue of this.submissions) if (queue !== undefined) queue.isGone = true;
    this.submissions.length = 0;
    this.completions.length = 0;
  }

  /** Makes the admin queues; says what is wrong with them otherwise. */
  createAdmin(
    submission: { base: number; size: number },
    completion: { base: number; size: number },
  ): string | undefined {
    if (submission.size < 2 || completion.size < 2) return "an admin queue of one entry";
    if (!this.#memory.contains(submission.base, SUBMISSION_SIZE * submission.size)) {
      return "the admin submission queue is not in RAM";
    }
    if (!this.#memory.contains(completion.base, COMPLETION_SIZE * completion.size)) {
      return "the admin completion queue is not in RAM";
    }
    const completions = new CompletionQueue(this.#memory, { id: 0, ...completion, interrupts: true });
    this.completions[0] = completions;
    this.submissions[0] = new SubmissionQueue({ id: 0, ...submission }, completions);
    return undefined;
  }

  /** Completes an admin command that was held; there is room. */
  answerAdmin(command: number, outcome: number, result: number): void {
    const queue = this.submissions[0];
    queue?.completions.post(queue, command, outcome, result);
  }

  createCompletion(command: NvmeCommand, { pageSize, configuration }: QueueRules): number {
    const { id, size } = identityOf(command);
    if (!isIoQueue(id) || this.completions[id] !== undefined) return Outcome.InvalidQueueIdentifier;
    const sizesAreSet = entrySizesOf(configuration).completion === COMPLETION_EXPONENT;
    if (size < 2 || size > MAX_QUEUE_ENTRIES || !sizesAreSet) return Outcome.InvalidQueueSize;
    const flags = command.dword(11);
    // There is one interrupt, and so one vector.
    if (flags >>> 16 !== 0) return Outcome.InvalidInterruptVector;
    const misplaced = this.#misplaced(command, COMPLETION_SIZE * size, pageSize);
    if (misplaced !== Outcome.Success) return misplaced;
    const interrupts = (flags & INTERRUPTS) !== 0;
    this.completions[id] = new CompletionQueue(this.#memory, { id, base: command.prp1, size, interrupts });
    return Outcome.Success;
  }

  createSubmission(command: NvmeCommand, { pageSize, configuration }: QueueRules): number {
    const { id, size } = identityOf(command);
    if (!isIoQueue(id) || this.submissions[id] !== undefined) return Outcome.InvalidQueueIdentifier;
    const sizesAreSet = entrySizesOf(configuration).submission === SUBMISSION_EXPONENT;
    if (size < 2 || size > MAX_QUEUE_ENTRIES || !sizesAreSet) return Outcome.InvalidQueueSize;
    const completionId = command.dword(11) >>> 16;
    if (!isIoQueue(completionId)) return Outcome.InvalidQueueIdentifier;
    const completions = this.completions[completionId];
    if (completions === undefined) return Outcome.InvalidCompletionQueue;
    const misplaced = this.#misplaced(command, SUBMISSION_SIZE * size, pageSize);
    if (misplaced !== Outcome.Success) return misplaced;
    this.submissions[id] = new SubmissionQueue({ id, base: command.prp1, size }, completions);
    return Outcome.Success;
  }

  deleteCompletion(command: NvmeCommand): number {
    const { id } = identityOf(command);
    const queue = this.completions[id];
    if (!isIoQueue(id) || queue === undefined) return Outcome.InvalidQueueIdentifier;
    if (this.submissions.some((submission) => submission?.completions === queue)) return Outcome.InvalidQueueDeletion;
    remove(this.completions, id);
    return Outcome.Success;
  }

  /** Commands under way count as answered hereby (5.6: implicitly completed). */
  deleteSubmission(command: NvmeCommand): number {
    const { id } = identityOf(command);
    const queue = this.submissions[id];
    if (!isIoQueue(id) || queue === undefined) return Outcome.InvalidQueueIdentifier;
    queue.isGone = true;
    remove(this.submissions, id);
    return Outcome.Success;
  }

  /** Takes queues that were checked. */
  restore({ completions, submissions }: Pick<NvmeState, "completions" | "submissions">): void {
    this.clear();
    for (const [id, state] of completions.entries()) {
      if (state === undefined) continue;
      const queue = new CompletionQueue(this.#memory, state);
      queue.restore(state);
      this.completions[id] = queue;
    }
    for (const [id, state] of submissions.entries()) {
      const completion = this.completions[state?.completionQueue ?? 0];
      if (state === undefined || completion === undefined) continue;
      const queue = new SubmissionQueue(state, completion);
      queue.restore(state);
      this.submissions[id] = queue;
    }
  }

  #misplaced(command: NvmeCommand, bytes: number, pageSize: number): number {
    if ((command.dword(11) & CONTIGUOUS) === 0) return Outcome.InvalidField;
    if (command.prp1 % pageSize !== 0) return Outcome.InvalidPrpOffset;
    return this.#memory.contains(command.prp1, bytes) ? Outcome.Success : Outcome.DataTransferError;
  }
}

function identityOf(command: NvmeCommand): { readonly id: number; readonly size: number } {
  const word = command.dword(10);
  return { id: word & 0xffff, size: (word >>> 16) + 1 };
}

function isIoQueue(id: number): boolean {
  return id >= 1 && id <= MAX_IO_QUEUES;
}

/** Takes a queue out; the list ends with its last queue. */
function remove(queues: unknown[], id: number): void {
  queues[id] = undefined;
  while (queues.length > 0 && queues[queues.length - 1] === undefined) queues.length--;
}
