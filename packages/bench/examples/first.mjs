/** Two benchmarks of one's own, on the guest of guests/examples/first.c: `hartvisor bench examples/first.mjs`. */
import { defineBenchmark } from "@hartvisor/bench";

const elf = new URL("../guests/built/examples/first.elf", import.meta.url);

export default [
  defineBenchmark({
    name: "loop",
    group: "Examples",
    title: "A turn of an empty loop",
    explanation: "Two instructions that no technique has any business with: all of them should take the same time.",
    guest: { elf },
    operations: 100_000,
    expectation: {
      text: "No technique adds an exit.",
      holds: (findings, engine) => {
        const exits = findings.of("trap-and-emulate", engine)?.exits;
        return exits && exits.total - (exits.byKind.budget ?? 0) === 0;
      },
    },
  }),
  defineBenchmark({
    name: "sbi-call",
    group: "Examples",
    title: "An SBI call that does nothing",
    explanation: "The monitor is asked for the version of the SBI: an exit, its answer, and the way back.",
    guest: { elf },
    operations: 1000,
    expectation: {
      text: "It is one exit under every technique.",
      holds: (findings, engine) => findings.of("trap-and-emulate", engine)?.exits.byKind.hypercall === 1,
    },
  }),
];
