/** Interrupts: the timer's, and those that harts send each other. */
import { atLeast, atMost, exits, expected } from "./expect.js";
import { kernelBenchmark } from "./kernel.js";

const group = "Interrupts";

export const INTERRUPTS = [
  kernelBenchmark({
    name: "timer",
    group,
    title: "A timer, set and taken",
    explanation:
      "The kernel sets its timer to the present and waits for the interrupt. Setting it is a CSR (Sstc) or a call; the interrupt's handler reads scause and returns, as for any trap.",
    operations: 500,
    expectation: expected(
      "Several exits under trap-and-emulate: the write, the interrupt, and every privileged instruction of the handler. Paravirtual, the call alone.",
      exits("trap-and-emulate", atLeast(4)),
      exits("paravirtual", atMost(2)),
    ),
  }),
  kernelBenchmark({
    name: "ipi",
    group,
    title: "An interrupt to another hart, and one back",
    explanation:
      "One hart interrupts another by SBI and waits; the other answers alike. Harts take turns on one thread, so that the time is mostly that of the change of turns.",
    operations: 200,
    machine: { harts: 2 },
    expectation: expected(
      "Each side asks the monitor to send, under every technique; trap-and-emulate adds the handlers' privileged instructions.",
      exits("direct", atLeast(2)),
      exits("trap-and-emulate", atLeast(6)),
    ),
  }),
];
