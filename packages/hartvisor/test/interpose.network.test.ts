/** Hooks on Debian: the examples of docs/interposition.md. */
import { expect, it } from "vitest";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import { linux, Machine, type MachineOptions, type SyscallEvent } from "../src/index.js";
import { describeOnline } from "./describe-where.js";

/** System calls of Linux on riscv64, by number (include/uapi/asm-generic/unistd.h). */
const WRITE = 64n;
const EXIT_GROUP = 94n;
const EXECVE = 221n;
const UNAME = 160n;
const EPERM = -1n;

async function withDebian(options: Partial<MachineOptions>, use: (vm: Machine) => Promise<void>): Promise<void> {
  const image = await debianDemoImage();
  await using vm = await Machine.create({
    boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
    limits: { wallTimeMs: 500_000 },
    ...options,
  } as MachineOptions);
  void vm.console.output.cancel();
  vm.start();
  await vm.exec(["true"]); // it is up
  await use(vm);
}

describeOnline("on Debian, hooks", () => {
  it.each(["direct", "binary-translation"] as const)("count the system calls of a command, under %s", (technique) =>
    withDebian({ technique }, async (vm) => {
      const calls: Pick<SyscallEvent, "number" | "args" | "addressSpace">[] = [];
      const stop = vm.interpose({
        syscall: ({ number, args, addressSpace }) => void calls.push({ number, args, addressSpace }),
      });
      const { stdoutText } = await vm.exec(["busybox", "echo", "hello"]);
      stop();
      expect(stdoutText).toBe("hello\n");
      const write = calls.filter(({ number, args }) => number === WRITE && args[0] === 1n && args[2] === 6n);
      expect(write.length).toBe(1);
      // The command has an address space of its own, in which it writes, exits, and does not begin another.
      const own = calls.filter(({ addressSpace }) => addressSpace === write[0]?.addressSpace);
      const count = (wanted: bigint) => own.filter(({ number }) => number === wanted).length;
      expect([count(WRITE), count(EXIT_GROUP), count(EXECVE)]).toEqual([1, 1, 0]);
      expect(calls.filter(({ number }) => number === EXECVE).length).toBeGreaterThan(0);
      const heard = calls.length;
      await vm.exec(["true"]);
      expect(calls.length).toBe(heard);
    }),
  );

  it("deny a system call", () =>
    withDebian({}, async (vm) => {
      const stop = vm.interpose({ syscall: ({ number }) => (number === UNAME ? { result: EPERM } : undefined) });
      const denied = await vm.exec(["busybox", "uname", "-m"]);
      stop();
      expect(denied.stdoutText).not.toContain("riscv64");
      expect((await vm.exec(["busybox", "uname", "-m"])).stdoutText).toBe("riscv64\n");
    }));
});
