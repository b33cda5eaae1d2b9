import { describe, expect, it } from "vitest";
import { disassemble } from "./disassemble.js";

/**
 * As GNU objdump 2.40 prints them with `-d -M no-aliases`: a line for each format of each extension. What it does not
 * know (Zabha, Zacas, Zcb, Zfa, Zihintntl, Zimop, Zcmop) is encoded by hand.
 */
const GOLDEN = `
12345537 lui a0,0x12345
fffff297 auipc t0,0xfffff
ffc280e7 jalr ra,-4(t0)
fff74783 lbu a5,-1(a4)
7fb13fa3 sd s11,2047(sp)
80010113 addi sp,sp,-2048
fff5a513 slti a0,a1,-1
43ff5f93 srai t6,t5,0x3f
41ff5f9b sraiw t6,t5,0x1f
40c5853b subw a0,a1,a2
0f30000f fence iorw,rw
0000100f fence.i
00000073 ecall
9002 c.ebreak
30200073 mret
10200073 sret
10500073 wfi
12050073 sfence.vma a0,zero
16b00073 sinval.vma zero,a1
18000073 sfence.w.inval
18100073 sfence.inval.ir
18051073 csrrw zero,satp,a0
30046573 csrrsi a0,mstatus,8
3bf332f3 csrrc t0,pmpaddr15,t1
02c5a533 mulhsu a0,a1,a2
02f776bb remuw a3,a4,a5
1405b52f lr.d.aq a0,(a1)
1ac5a52f sc.w.rl a0,a2,(a1)
e6c5b52f amomaxu.d.aqrl a0,a2,(a1)
08c5a02f amoswap.w zero,a2,(a1)
ffc12007 flw ft0,-4(sp)
01b53427 fsd fs11,8(a0)
68c5f543 fmadd.s fa0,fa1,fa2,fa3
6ac5b54b fnmsub.d fa0,fa1,fa2,fa3,rup
03eece53 fadd.d ft8,ft9,ft10,rmm
5804a453 fsqrt.s fs0,fs1,rdn
22c5a553 fsgnjx.d fa0,fa1,fa2
28c58553 fmin.s fa0,fa1,fa2
a2c5a553 feq.d a0,fa1,fa2
e0051553 fclass.s a0,fa0
c2051553 fcvt.w.d a0,fa0,rtz
c0357553 fcvt.lu.s a0,fa0
d2050553 fcvt.d.w fa0,a0
42058553 fcvt.d.s fa0,fa1
d0350553 fcvt.s.lu fa0,a0,rne
e0050553 fmv.x.w a0,fa0
f2050553 fmv.d.x fa0,a0
ffe11507 flh fa0,-2(sp)
01b51327 fsh fs11,6(a0)
6cc5f543 fmadd.h fa0,fa1,fa2,fa3
6cc5b54b fnmsub.h fa0,fa1,fa2,fa3,rup
5c04a453 fsqrt.h fs0,fs1,rdn
24c5a553 fsgnjx.h fa0,fa1,fa2
a4c5a553 feq.h a0,fa1,fa2
e4051553 fclass.h a0,fa0
c4351553 fcvt.lu.h a0,fa0,rtz
d4057553 fcvt.h.w fa0,a0
4405f553 fcvt.h.s fa0,fa1
40258553 fcvt.s.h fa0,fa1
42258553 fcvt.d.h fa0,fa1
44159553 fcvt.h.d fa0,fa1,rtz
e4050553 fmv.x.h a0,fa0
f4050553 fmv.h.x fa0,a0
20c5e53b sh3add.uw a0,a1,a2
0a05951b slli.uw a0,a1,0x20
40c5f533 andn a0,a1,a2
6025951b cpopw a0,a1
0805c53b zext.h a0,a1
61f5d51b roriw a0,a1,0x1f
2875d513 orc.b a0,a1
6b85d513 rev8 a0,a1
0ac5f533 maxu a0,a1,a2
4bf5d513 bexti a0,a1,0x3f
48c59533 bclr a0,a1,a2
0ac59533 clmul a0,a1,a2
0ac5b533 clmulh a0,a1,a2
0ac5a533 clmulr a0,a1,a2
08c5c533 pack a0,a1,a2
08c5f533 packh a0,a1,a2
08c5c53b packw a0,a1,a2
6875d513 brev8 a0,a1
28c5a533 xperm4 a0,a1,a2
28c5c533 xperm8 a0,a1,a2
0045200f cbo.zero (a0)
0005a00f cbo.inval (a1)
fe366013 prefetch.w -32(a2)
0100000f pause
1fe8 c.addi4spn a0,sp,1020
3cfc c.fld fa5,248(s1)
5fe0 c.lw s0,124(a5)
e188 c.sd a0,0(a1)
1a01 c.addi s4,-32
257d c.addiw a0,31
52fd c.li t0,-1
617d c.addi16sp sp,496
7505 c.lui a0,0xfffe1
917d c.srli a0,0x3f
98ed c.andi s1,-5
9c1d c.subw s0,a5
1f86 c.slli t6,0x21
2da2 c.fldsp fs11,8(sp)
70fe c.ldsp ra,504(sp)
8082 c.jr ra
9302 c.jalr t1
852e c.mv a0,a1
952e c.add a0,a1
9002 c.ebreak
df82 c.swsp zero,252(sp)
0ef55533 czero.eqz a0,a0,a5
00c5852f amoadd.b a0,a2,(a1)
a6c5952f amomax.h.aqrl a0,a2,(a1)
28c5852f amocas.b a0,a2,(a1)
2cc5952f amocas.h.aq a0,a2,(a1)
28c5a52f amocas.w a0,a2,(a1)
2ac5b52f amocas.d.rl a0,a2,(a1)
28c5c52f amocas.q a0,a2,(a1)
3ac58533 aes64ds a0,a1,a2
3ec58533 aes64dsm a0,a1,a2
32c58533 aes64es a0,a1,a2
36c58533 aes64esm a0,a1,a2
30059513 aes64im a0,a1
31a59513 aes64ks1i a0,a1,0xa
7ec58533 aes64ks2 a0,a1,a2
10259513 sha256sig0 a0,a1
10359513 sha256sig1 a0,a1
10059513 sha256sum0 a0,a1
10159513 sha256sum1 a0,a1
10659513 sha512sig0 a0,a1
10759513 sha512sig1 a0,a1
10459513 sha512sum0 a0,a1
10559513 sha512sum1 a0,a1
10859513 sm3p0 a0,a1
10959513 sm3p1 a0,a1
f0c58533 sm4ed a0,a1,a2,0x3
b4c58533 sm4ks a0,a1,a2,0x2
00200033 ntl.p1
00500033 ntl.all
00d00073 wrs.nto
01d00073 wrs.sto
81e8 c.lbu a0,3(a1)
85e8 c.lh a0,2(a1)
8da0 c.sh s0,2(a1)
9d61 c.zext.b a0
9d75 c.not a0
9d4d c.mul a0,a1
81c5c573 mop.r.0 a0,a1
cdf5c573 mop.r.31 a0,a1
82c5c573 mop.rr.0 a0,a1,a2
c6c5c573 mop.rr.5 a0,a1,a2
6281 c.mop.5
f01000d3 fli.s ft1,-0x1p+0
f01080d3 fli.s ft1,min
f4158553 fli.h fa0,0x1.cp-2
f21f0553 fli.d fa0,inf
28c5a553 fminm.s fa0,fa1,fa2
2ac5b553 fmaxm.d fa0,fa1,fa2
4045f553 fround.s fa0,fa1
4455b553 froundnx.h fa0,fa1,rup
a4c5d553 fltq.h a0,fa1,fa2
a2c5c553 fleq.d a0,fa1,fa2
c2851553 fcvtmod.w.d a0,fa0,rtz
`;

/** Address, encoding and text of instructions with a target. */
const TARGETS = `
8 000010ef jal ra,0x1008
10 fe947ce3 bgeu s0,s1,0x8
116 bffd c.j 0x114
118 cd7d c.beqz a0,0x216
11a f381 c.bnez a5,0x1a
`;

describe("disassemble", () => {
  it.each(
    GOLDEN.trim()
      .split("\n")
      .map((line) => /^(\w+) (.*)$/.exec(line)?.slice(1) ?? []),
  )("writes %s as %s", (bits = "", text = "") => {
    expect(disassemble(Number.parseInt(bits, 16))).toEqual({ text, length: bits.length / 2 });
  });

  it.each(
    TARGETS.trim()
      .split("\n")
      .map((line) => /^(\w+) (\w+) (.*)$/.exec(line)?.slice(1) ?? []),
  )("gives the target of what lies at %s, %s, absolutely: %s", (address = "", bits = "", text = "") => {
    expect(disassemble(Number.parseInt(bits, 16), BigInt(`0x${address}`)).text).toBe(text);
  });

  it("gives targets relative to the instruction where its address is not known", () => {
    expect(disassemble(0xfe947ce3).text).toBe("bgeu s0,s1,.-8");
    expect(disassemble(0x000010ef).text).toBe("jal ra,.+4096");
  });

  it("wraps targets around the address space", () => {
    expect(disassemble(0xffdff06f, 0n).text).toBe("jal zero,0xfffffffffffffffc");
  });

  it("ignores what follows a compressed instruction", () => {
    expect(disassemble(0xffff8082)).toEqual({ text: "c.jr ra", length: 2 });
  });

  it("writes the exact conversions' rounding mode only where it is not nearest-even", () => {
    expect(disassemble(0x4205f553).text).toBe("fcvt.d.s fa0,fa1,dyn");
  });

  it("shows registers, fence sets and CSRs that have no name by number", () => {
    expect(disassemble(0x7c051573).text).toBe("csrrw a0,0x7c0,a0");
    expect(disassemble(0x0200000f).text).toBe("fence r,0");
  });

  it("writes reserved encodings as data", () => {
    expect(disassemble(0)).toEqual({ text: ".half 0x0000", length: 2 });
    expect(disassemble(0x02055553)).toEqual({ text: ".word 0x02055553", length: 4 }); // rm = 5
    expect(disassemble(0xc2850553).text).toBe(".word 0xc2850553"); // fcvtmod.w.d with another rounding mode
    expect(disassemble(0x28c5c5af).text).toBe(".word 0x28c5c5af"); // amocas.q with rd = a1
    expect(disassemble(0x31b59513).text).toBe(".word 0x31b59513"); // aes64ks1i of round 11
    expect(disassemble(0xffffffff)).toEqual({ text: ".word 0xffffffff", length: 4 });
  });
});
