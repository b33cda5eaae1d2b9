import { Machine, linux } from "/work/main/packages/hartvisor/src/index.ts";
import { readFileSync } from "node:fs";
const vm = await Machine.create({ boot: linux({ kernel: readFileSync(process.env.HOME + "/.cache/hartvisor/Image"), cmdline: "console=ttyS0 earlycon=sbi" }) });
const h = vm.harts[0]!;
let n=0; while (h.getCsr("satp")===0n && n < 20000000) { vm.step(n < 2000000 && false ? 1 : 1); n++; }
console.log(n, h.pc.toString(16), h.getCsr("satp").toString(16));
const satp = h.getCsr("satp"); let t = Number(satp & 0xfffffffffffn)*4096; 
for (let i=0;i<512;i++){ const b = vm.memory.read(t+i*8,8)!; const pte = new DataView(b.buffer).getBigUint64(0,true); if (pte) console.log(i, pte.toString(16)); }
for (let i=0;i<5;i++){ vm.step(); console.log(h.pc.toString(16), h.getCsr("scause"), h.getCsr("stval").toString(16), h.getCsr("satp").toString(16)); }
process.exit(0);
