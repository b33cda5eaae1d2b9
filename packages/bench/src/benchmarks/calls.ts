/** Ways into the kernel and the monitor, and back. */
import { atLeast, close, exits, expected, none, one, slower } from "./expect.js";
import { kernelBenchmark } from "./kernel.js";

const group = "Calls and traps";

export const CALLS = [
  kernelBenchmark({
    name: "exit",
    group,
    title: "An exit and the way back",
    explanation:
      "An SBI call that does nothing but answer. The guest leaves WebAssembly, the monitor finds who is to answer, and the guest goes on: what every other exit costs at least. A deprivileged guest's call has to be told from its other traps first.",
    operations: 1000,
    expectation: expected(
      "It is one exit under every technique.",
      exits("direct", one),
      exits("trap-and-emulate", one),
      exits("binary-translation", one),
      exits("paravirtual", one),
    ),
  }),
  kernelBenchmark({
    name: "syscall",
    group,
    title: "A system call that does nothing",
    explanation:
      "A process calls its kernel, which saves the registers, finds out what was asked, and returns with sret. On bare hardware that is two changes of privilege. Under trap-and-emulate the call is a trap to the monitor, and so is each privileged instruction on the kernel's way: reading scause and sepc, writing them back, sret.",
    operations: 1000,
    expectation: expected(
      "Far dearer under trap-and-emulate than direct (a few hundred cycles against several thousand); close to direct, without an exit, where privileged instructions are rewritten or were never there.",
      slower("trap-and-emulate", 5),
      close("binary-translation", 3),
      close("paravirtual", 3),
      exits("trap-and-emulate", atLeast(3)),
      exits("binary-translation", none),
      exits("paravirtual", none),
    ),
  }),
  kernelBenchmark({
    name: "exception",
    group,
    title: "An exception of a process",
    explanation:
      "A process meets a breakpoint; the kernel steps over it and returns. The way is that of the system call, by a cause that the monitor must first find not to be its own.",
    operations: 1000,
    expectation: expected(
      "As with the system call: several exits under trap-and-emulate, none where the kernel's privileged instructions are rewritten or absent.",
      slower("trap-and-emulate", 5),
      exits("trap-and-emulate", atLeast(3)),
      exits("binary-translation", none),
      exits("paravirtual", none),
    ),
  }),
  kernelBenchmark({
    name: "context-switch",
    group,
    title: "A switch of processes and address spaces",
    explanation:
      "A process yields, and the kernel goes on with another in an address space of its own: a system call, a write of satp, and another return. Shadow paging changes to the other address space's shadow tables, which exist already; a paravirtual guest asks its monitor to.",
    operations: 1000,
    expectation: expected(
      "Trap-and-emulate adds an exit for satp and one for each fence to those of the system call; a paravirtual kernel needs one hypercall.",
      slower("trap-and-emulate", 4),
      exits("trap-and-emulate", atLeast(4)),
      exits("paravirtual", (count) => count <= 1.01),
    ),
  }),
  kernelBenchmark({
    name: "csr-read",
    group,
    title: "Reading a privileged register",
    explanation:
      "The kernel reads sstatus. It is sensitive, for it shows the privilege to return to and whether interrupts are on; so a deprivileged kernel's read must trap, and on RISC-V it does.",
    operations: 5000,
    expectation: expected(
      "An exit under trap-and-emulate; a few instructions of emulation in place under binary translation; a load from shared memory for a paravirtual kernel.",
      exits("trap-and-emulate", one),
      exits("binary-translation", none),
      exits("paravirtual", none),
    ),
  }),
  kernelBenchmark({
    name: "csr-write",
    group,
    title: "Writing a privileged register",
    explanation:
      "The kernel writes sstatus with the value that it has. Interrupts may become deliverable by it, which has to be looked at each time.",
    operations: 5000,
    expectation: expected(
      "An exit under trap-and-emulate, and none elsewhere.",
      exits("trap-and-emulate", one),
      exits("binary-translation", none),
      exits("paravirtual", none),
    ),
  }),
];
