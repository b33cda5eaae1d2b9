/** Page tables: changing them, faulting for them, flushing what was read from them, walking them. */
import { Balloon } from "hartvisor";
import { atLeast, type Condition, close, compare, exits, expected, none, one, slower } from "./expect.js";
import { kernelBenchmark } from "./kernel.js";

const group = "Page tables";

const plural = (count: number) =>
  count === 1 ? "One page-table entry" : `${count.toLocaleString("en")} page-table entries`;

/** What a monitor does that sees a table written again and again. */
const GIVEN_UP =
  "After sixteen stores that nobody walked, the monitor takes a table for something else and gives its shadows up: the other entries cost no exit when they are written, but one each when they are used, to fill them in.";

/** Changes that many entries, with one flush for all of them. */
const batch = (count: number) =>
  kernelBenchmark({
    name: `pte-update-${count}`,
    group,
    title: `${plural(count)} changed at once`,
    explanation: `The kernel maps ${count.toLocaleString("en")} of the pages that it uses to other frames, flushes the TLB once, and reads each page. Figures are per entry. Shadow paging sees the stores, because the guest's tables are write-protected, until a table is written so often that its shadows are given up; then each page that is used is filled in anew. A paravirtual kernel hands all of them over in one hypercall, and the monitor checks them.`,
    operations: 4096,
    expectation: {
      otherwise: GIVEN_UP,
      ...expected(
        `One exit for each write under shadow paging; at most one for the whole batch, ${count === 1 ? "1" : `1/${count.toLocaleString("en")}`} an entry, under paravirtualization.`,
        (findings, engine) => {
          const exits = findings.of("trap-and-emulate", engine)?.exits;
          return exits && atLeast(1)(exits.byKind["page-table-write"] ?? 0);
        },
        exits("paravirtual", (measured) => measured <= (1 / count) * 1.05),
      ),
    },
  });

/** Changes that many entries, each with a flush of its own. */
const single = (count: number) =>
  kernelBenchmark({
    name: `pte-update-${count}-single`,
    group,
    title: `${plural(count)} changed one by one`,
    explanation: `As above, but each entry is changed, flushed and read before the next: what batching saves, by its absence. Figures are per entry.`,
    operations: 4096,
    expectation: expected(
      "Without batches a paravirtual kernel exits as often as it changes entries, too.",
      exits("trap-and-emulate", atLeast(1)),
      exits("paravirtual", atLeast(1)),
    ),
  });

/** Without exits, what is left is noise. */
const SAME_WALK =
  "There are no exits on either side, and shadow tables have as many levels as the guest's: what differs is what the host's caches held at the time.";

/** A walk over so much memory with so many levels of page tables. */
function walk(mib: number, levels: 39 | 48 | 57, expectation: Parameters<typeof kernelBenchmark>[0]["expectation"]) {
  const kind = levels === 39 ? "memory-walk" : `memory-walk-sv${levels}`;
  const count = { 39: "three", 48: "four", 57: "five" }[levels];
  return kernelBenchmark({
    name: `${kind}-${mib}m`,
    group: "Memory",
    title: `A load from each page of ${mib.toLocaleString("en")} MiB, ${count} levels`,
    explanation: `One load per 4 KiB page, in a random cycle, so that beyond the TLB's reach each load is a miss and a walk of Sv${levels}'s ${count} levels. Shadow tables are filled once; from then on a miss walks them, and costs no exit.`,
    guest: { name: kind, arguments: [mib] },
    operations: 2 ** 15,
    machine: { memory: (mib + 96) * 2 ** 20 },
    ...(expectation !== undefined && { expectation: { ...expectation, otherwise: SAME_WALK } }),
  });
}

/** The time of one technique here, over that of another benchmark's. */
const timeAgainst =
  (
    technique: "direct" | "trap-and-emulate",
    other: string,
    otherTechnique: "direct" | "trap-and-emulate",
    most: number,
  ): Condition =>
  (findings, engine) => {
    const [mine, theirs] = [findings.of(technique, engine)?.ns, findings.other(other).of(otherTechnique, engine)?.ns];
    return mine && theirs && mine.median <= theirs.median * most;
  };

const walkExpected = expected(
  "Shadow paging makes misses as cheap as without virtualization: one walk of one set of tables, and no exit.",
  close("trap-and-emulate", 1.5),
  exits("trap-and-emulate", none),
);

export const PAGING = [
  ...[1, 64, 4096].map(batch),
  ...[1, 64, 4096].map(single),
  kernelBenchmark({
    name: "page-fault",
    group,
    title: "A page on demand",
    explanation:
      "A process writes a page that is not mapped; the kernel maps one and returns. Under shadow paging the fault goes to the monitor first, which finds it in the guest's own tables and passes it on; the kernel's store to its table is an exit, and after the return the same address faults again, because the shadow entry is still empty.",
    operations: 2048,
    expectation: expected(
      "Shadow paging makes faults dear: several exits each under trap-and-emulate, and at least the store and the fill under binary translation. Direct has none.",
      slower("trap-and-emulate", 5),
      exits("direct", none),
      exits("trap-and-emulate", atLeast(3)),
      exits("binary-translation", atLeast(1)),
    ),
  }),
  kernelBenchmark({
    name: "tlb-flush-all",
    group,
    title: "A flush of the whole TLB",
    explanation:
      "sfence.vma without an address. Shadow tables never say what the guest's do not, so that the monitor has only the TLB to flush; but it has to be asked.",
    operations: 1000,
    expectation: expected(
      "An exit under trap-and-emulate.",
      exits("trap-and-emulate", one),
      exits("binary-translation", none),
    ),
  }),
  kernelBenchmark({
    name: "tlb-flush-page",
    group,
    title: "A flush of one page",
    explanation: "sfence.vma with an address: a single entry goes, and the rest of the TLB stays.",
    operations: 1000,
    expectation: expected(
      "An exit under trap-and-emulate.",
      exits("trap-and-emulate", one),
      exits("binary-translation", none),
    ),
  }),
  kernelBenchmark({
    name: "tlb-flush-remote",
    group,
    title: "A flush of one page on another hart",
    explanation:
      "The kernel asks the SBI to flush a page on its second hart, as every kernel does without hardware for it.",
    operations: 1000,
    machine: { harts: 2 },
    expectation: expected(
      "A hypercall under every technique: the other hart is the monitor's to reach.",
      exits("direct", atLeast(1)),
      exits("trap-and-emulate", atLeast(1)),
    ),
  }),
  walk(1, 39, walkExpected),
  walk(16, 39, walkExpected),
  walk(64, 39, walkExpected),
  walk(1024, 39, walkExpected),
  walk(
    64,
    48,
    expected(
      "A level more makes each miss dearer under direct; walks of shadow tables should be cheaper than that.",
      timeAgainst("trap-and-emulate", "memory-walk-sv48-64m", "direct", 1.05),
    ),
  ),
  walk(
    64,
    57,
    expected(
      "Two levels more make each miss dearer under direct; walks of shadow tables should be cheaper than that.",
      timeAgainst("trap-and-emulate", "memory-walk-sv57-64m", "direct", 1.05),
      (findings, engine) =>
        compare(
          findings.of("direct", engine)?.ns?.median,
          (ns) => ns >= (findings.other("memory-walk-64m").of("direct", engine)?.ns?.median ?? 0),
        ),
    ),
  ),
  kernelBenchmark({
    name: "balloon-inflate",
    group: "Memory",
    title: "A page given to the balloon",
    explanation:
      "The kernel gives pages that it has used back to the host, 256 in a request, as Linux does. Each has to be taken out of every hart's TLB and of the tables that shadow it, and its frame goes back to the pool. Figures are per page.",
    operations: 1024,
    machine: { devices: [() => new Balloon().device()] },
    expectation: expected(
      "Paravirtual by its nature: a few exits a batch, however many pages there are.",
      exits("direct", (count) => count <= 4 / 256),
    ),
  }),
];
