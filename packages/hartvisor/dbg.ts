import { Machine, linux } from "/work/main/packages/hartvisor/src/index.ts";
import { readFileSync } from "node:fs";
const vm = await Machine.create({ boot: linux({ kernel: readFileSync(process.env.HOME + "/.cache/hartvisor/Image"), cmdline: "console=ttyS0 earlycon=sbi" }), limits:{instructions: 3000000} });
vm.start(); console.log(await vm.exited);
const h = vm.harts[0]!;
for (const c of ["satp","stvec","sepc","scause","stval","sstatus","menvcfg","medeleg","mepc","mcause","mtval"]) console.log(c, h.getCsr(c).toString(16));
console.log("pc", h.pc.toString(16), h.privilege);
const satp = h.getCsr("satp"); let t = Number(satp & 0xfffffffffffn)*4096; const va = h.pc; const levels = Number(satp>>60n)-5;
for (let l = levels-1; l>=0; l--) { const i = Number((va >> BigInt(12+9*l)) & 0x1ffn); const b = vm.memory.read(t+i*8,8); if(!b) {console.log("oob"); break;} const pte = new DataView(b.buffer).getBigUint64(0,true); console.log(l, i, t.toString(16), pte.toString(16)); if (!(pte&1n) || (pte & 0xen)) break; t = Number((pte>>10n)&0xfffffffffffn)*4096; }
process.exit(0);
