import { Machine, linux, bareMetal } from "/work/main/packages/hartvisor/src/index.ts";
import { readFileSync } from "node:fs";
const [,, mode, file, ...rest] = process.argv;
const boot = mode === "elf" ? bareMetal({ image: readFileSync(file!), name: file! }) :
  linux({ kernel: readFileSync(process.env.HOME + "/.cache/hartvisor/Image"), initrd: readFileSync(process.env.HOME + "/.cache/hartvisor/initrd.cpio"), cmdline: file ?? "console=ttyS0 earlycon=sbi" });
const vm = await Machine.create({ boot, memory: "512MiB", limits: { wallTimeMs: Number(process.env.WALL ?? 60000) }, harts: Number(process.env.HARTS ?? 1), clock: (process.env.CLOCK ?? "real") as "real" });
let out = ""; let sent = false;
const w = vm.console.input.getWriter();
void vm.console.output.pipeTo(new WritableStream({ write(c) { process.stdout.write(c); out += Buffer.from(c).toString(); if (!sent && /# (\x1b\[6n)?$/.test(out)) { sent = true; console.error("SHELL", process.cpuUsage(), vm.stats.instructions); void w.write(new TextEncoder().encode((process.env.CMD ?? "uname -a; poweroff") + "\n")); } } }));
const t = performance.now();
vm.start();
console.error(await vm.exited);
const s = vm.stats; const ms = performance.now() - t;
console.error(JSON.stringify(s), ms, s.instructions / ms / 1000, "MIPS", process.cpuUsage());
process.exit(0);
