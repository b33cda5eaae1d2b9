/** Shapes of control flow and memory that translated code must get right: each program ends as it does when interpreted. */
import { describe, expect, it } from "vitest";
import type { TranslatorOptions } from "../src/index.js";
import { outcome } from "./outcome.js";

const INSTRUCTIONS = 200_000;

/** The only ones that are paced: they have few modules for code that goes on changing. */
const BATCHES = "regions of what was executed, several at once";

const TRANSLATORS: Readonly<Record<string, TranslatorOptions>> = {
  regions: { threshold: 1, sampleInterval: 5, eager: true },
  "regions of what was executed": { threshold: 1, sampleInterval: 50 },
  [BATCHES]: { threshold: 2, sampleInterval: 50, retryMs: 0 },
  blocks: { threshold: 1, sampleInterval: 5, unit: "block" },
};

const REWRITING = "code that writes its next instruction";

/** Programs in assembly language; a0 counts rounds, s0 is the address of data. All go on for ever. */
const PROGRAMS: Readonly<Record<string, string>> = {
  // Two blocks that jump to each other, entered at either.
  "a loop with two entries": `
    addi a0, a0, 1
    andi a1, a0, 1
    beq a1, zero, .+8
    addi a2, a2, 3
    addi a3, a3, 5
    andi a4, a3, 31
    bne a4, zero, .-12
    j .-28`,
  // Targets eight bytes apart, by the low bits of the count.
  "an indirect jump to many places": `
    auipc t0, 0
    addi a0, a0, 1
    andi t1, a0, 3
    slli t1, t1, 3
    add t1, t1, t0
    jalr zero, 24(t1)
    addi a1, a1, 1
    j .-24
    addi a2, a2, 2
    j .-32
    addi a3, a3, 3
    j .-40
    addi a4, a4, 4
    j .-48`,
  // Branches lead to the middle of what the indirect jump goes to, so that loops have several entrances.
  "an indirect jump, and branches past it": `
    auipc t0, 0
    addi a0, a0, 1
    andi t1, a0, 8
    add t1, t1, t0
    andi t2, a0, 4
    beq t2, zero, .+12
    jalr zero, 28(t1)
    addi a1, a1, 1
    addi a2, a2, 2
    addi a3, a3, 3
    andi t2, a0, 3
    bne t2, zero, .-40
    j .-44`,
  // The fields of a register in a fence are reserved: they are neither read nor written.
  "a fence that names a register": `
    lui s1, 5
    .word 0x0ff0048f # fence iorw, iorw with s1 as rd
    add a3, a3, s1
    j .+4
    addi a0, a0, 1
    j .-16`,
  // Steps of seven bytes over three pages, and back.
  "a misaligned walk across pages": `
    addi a1, s0, 0
    lui a2, 3
    add a2, a2, a1
    ld a3, 1(a1)
    add a4, a4, a3
    sd a4, 9(a1)
    addi a1, a1, 7
    bltu a1, a2, .-16
    addi a0, a0, 1
    j .-36`,
  // Calls itself 5,000 deep, deeper than the host's stack is let nest.
  "deep recursion": `
    lui sp, 0x80070
    slli sp, sp, 32
    srli sp, sp, 32
    lui a1, 1
    addi a1, a1, 904
    jal ra, .+12
    addi a0, a0, 1
    j .-28
    addi sp, sp, -16
    sd ra, 8(sp)
    sd a1, 0(sp)
    addi a1, a1, -1
    beq a1, zero, .+8
    jal ra, .-20
    ld a2, 0(sp)
    ld ra, 8(sp)
    add a3, a3, a2
    addi sp, sp, 16
    jalr zero, 0(ra)`,
  // Stores into the instruction behind it: addi a1, a1, (round & 15). Then it rests a while.
  [REWRITING]: `
    addi a0, a0, 1
    andi t1, a0, 15
    slli t1, t1, 20
    lui t2, 0x58
    addi t2, t2, 0x593
    or t1, t1, t2
    auipc t3, 0
    sw t1, 8(t3)
    addi a1, a1, 1
    addi t4, zero, 200
    addi t4, t4, -1
    bne t4, zero, .-4
    j .-48`,
  "system calls of U-mode to M-mode": `
    addi t0, zero, -1
    srli t0, t0, 10
    csrrw zero, pmpaddr0, t0
    csrrwi zero, pmpcfg0, 31
    jal t0, begin
    csrrs t1, mepc, zero # the handler
    addi t1, t1, 4
    csrrw zero, mepc, t1
    addi a1, a1, 1
    mret
    begin: csrrw zero, mtvec, t0
    jal t0, enter
    user: addi a0, a0, 1
    ecall
    j user
    enter: csrrw zero, mepc, t0
    mret`,
  // Its handler uses what kernels do: swaps, status bits, fences, satp, blocks of zeros. The reserved load is misaligned.
  "system calls and exceptions of U-mode to S-mode": `
    addi t0, zero, -1
    srli t0, t0, 10
    csrrw zero, pmpaddr0, t0
    csrrwi zero, pmpcfg0, 31
    addi t0, zero, 0x110
    csrrw zero, medeleg, t0
    addi t0, zero, 0x80
    csrrw zero, menvcfg, t0
    jal t0, begin
    csrrw sp, sscratch, sp # the handler
    csrrs t1, sepc, zero
    addi t1, t1, 4
    csrrw zero, sepc, t1
    csrrs a2, scause, zero
    add a3, a3, a2
    csrrs a4, sstatus, zero
    add a3, a3, a4
    csrrsi zero, sstatus, 2
    csrrci a5, sstatus, 2
    lui t2, 64
    csrrs zero, sstatus, t2
    csrrc a6, sstatus, t2
    sfence.vma zero, zero
    csrrw a7, satp, zero
    sd a0, 64(s0)
    cbo.zero (s0)
    csrrw sp, sscratch, sp
    sret
    begin: csrrw zero, stvec, t0
    addi s1, s0, 1
    jal t0, enter
    user: addi a0, a0, 1
    ecall
    sd a0, 8(s0)
    lr.d t3, (s1)
    j user
    enter: csrrw zero, mepc, t0
    mret`,
};

describe.each(Object.entries(PROGRAMS))("%s", (program, source) => {
  it.each(Object.entries(TRANSLATORS))("ends as interpreted, in %s", async (translation, options) => {
    const translated = await outcome(source, INSTRUCTIONS, options);
    const interpreted = await outcome(source, INSTRUCTIONS);
    expect(translated.end).toEqual(interpreted.end);
    expect(interpreted.end.registers[10]).toBeGreaterThan(1n); // it went round
    const isPaced = program === REWRITING && translation === BATCHES;
    expect(translated.executed).toBeGreaterThan(isPaced ? 0 : INSTRUCTIONS / 100);
  });
});
