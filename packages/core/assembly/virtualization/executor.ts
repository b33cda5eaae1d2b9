/**
 * A deprivileged guest has two harts. The *virtual hart* is what the guest
 * believes: its S-mode CSRs, its privilege, its pending interrupts; the rest of
 * the machine (devices, hypercalls, timers, the host's view) knows that one
 * only. The *executor* runs its code, always in U-mode, so that whatever is
 * privileged traps; its satp names shadow tables. Registers and counts go over
 * at each entry, and come back at each exit.
 */
import {
  EXIT_NO_SHADOW,
  HART_ENTROPY,
  HART_EXECUTED,
  HART_EXECUTOR,
  HART_EXIT_NEXT_PC,
  HART_FFLAGS,
  HART_FRM,
  HART_INTERRUPT_LINES,
  HART_MCOUNTEREN,
  HART_MENVCFG,
  HART_MIE,
  HART_MSECCFG,
  HART_MSTATUS,
  HART_PARAVIRTUAL,
  HART_PC,
  HART_PRIVILEGE,
  HART_SATP,
  HART_SCOUNTEREN,
  HART_SENVCFG,
  HART_SHADOW_ROLES,
  HART_SHADOW_ROOTS,
  HART_SHADOW_SATPS,
  HART_SKIP_BREAKPOINT,
  HART_STIMECMP,
  HART_TABLES_OPEN,
  HART_TRAP_CAUSE,
  HART_TRAP_WAITS,
  HART_VIRTUAL_HART,
  HART_VIRTUAL_IDLE,
  REGISTERS_SIZE,
  SHADOW_ROOTS,
} from "../generated/layout";
import { dataRegime, fetchRegime, forgetRegimes, selectBanks } from "../memory/tlb";
import { ACCESS_EXECUTE } from "../memory/translation/outcome";
import { translate } from "../memory/translation/translation";
import { MENVCFG_STCE, MSECCFG_SSEED, MSECCFG_USEED, MSTATUS_FS, STIP } from "../privileged/fields";
import { updateFloatFast } from "../privileged/float-state";
import { takeInterrupt } from "../privileged/trap";
import { run } from "../run";
import { considerInterrupts, rootOf } from "./paravirtual";

/** What of the counts both harts have: from `executed` to the end of the architectural block. */
const COUNTS: usize = HART_ENTROPY + 8 - HART_EXECUTED;
/** The trap that was raised, and the exit record behind it. */
const REPORT: usize = HART_EXIT_NEXT_PC + 8 - HART_TRAP_CAUSE;

/**
 * Runs the code of a virtual hart, as `run` runs a hart's. EXIT_TRAP: something in it trapped, which is in the virtual
 * hart's trap fields, and has had no effect but a step's count. EXIT_NO_SHADOW: nothing ran, for there is no shadow table
 * of its address space yet.
 */
export function runDeprivileged(virtual: usize, budget: i32, exact: bool): u32 {
  const executor = <usize>load<u32>(virtual, HART_EXECUTOR);
  if (load<u32>(virtual, HART_PARAVIRTUAL) != 0) considerInterrupts(virtual, virtual);
  else takeInterrupt(virtual);
  if (!chooseTables(executor, virtual)) return EXIT_NO_SHADOW;
  enter(executor, virtual);
  const kind = run(executor, budget, exact);
  leave(executor, virtual);
  return kind;
}

/** The same for one step, with page tables at these machine addresses (0: none) open to its stores. */
export function stepWithOpenTables(virtual: usize, first: u32, second: u32): u32 {
  const executor = <usize>load<u32>(virtual, HART_EXECUTOR);
  store<u32>(executor, first, HART_TABLES_OPEN);
  store<u32>(executor, second, HART_TABLES_OPEN + 4);
  const kind = runDeprivileged(virtual, 1, true);
  store<u64>(executor, 0, HART_TABLES_OPEN);
  return kind;
}

function enter(executor: usize, virtual: usize): void {
  memory.copy(executor, virtual, REGISTERS_SIZE);
  memory.copy(executor + HART_EXECUTED, virtual + HART_EXECUTED, COUNTS);
  store<u64>(executor, load<u64>(virtual, HART_PC), HART_PC);
  store<u32>(executor, load<u32>(virtual, HART_FFLAGS), HART_FFLAGS);
  store<u32>(executor, load<u32>(virtual, HART_FRM), HART_FRM);
  store<u64>(executor, load<u64>(virtual, HART_VIRTUAL_IDLE), HART_VIRTUAL_IDLE);
  store<u32>(executor, load<u32>(virtual, HART_SKIP_BREAKPOINT), HART_SKIP_BREAKPOINT);
  mirror(executor, virtual);
}

function leave(executor: usize, virtual: usize): void {
  memory.copy(virtual, executor, REGISTERS_SIZE);
  memory.copy(virtual + HART_EXECUTED, executor + HART_EXECUTED, COUNTS);
  memory.copy(virtual + HART_TRAP_CAUSE, executor + HART_TRAP_CAUSE, REPORT);
  store<u64>(virtual, load<u64>(executor, HART_PC), HART_PC);
  store<u32>(virtual, load<u32>(executor, HART_FFLAGS), HART_FFLAGS);
  store<u32>(virtual, load<u32>(executor, HART_FRM), HART_FRM);
  store<u32>(virtual, load<u32>(executor, HART_SKIP_BREAKPOINT), HART_SKIP_BREAKPOINT);
  mirrorFloat(virtual, executor);
}

/** FS, which floating-point instructions change. */
export function mirrorFloat(to: usize, from: usize): void {
  store<u64>(to, (load<u64>(to, HART_MSTATUS) & ~MSTATUS_FS) | (load<u64>(from, HART_MSTATUS) & MSTATUS_FS), HART_MSTATUS);
}

/**
 * What the guest may do in its present mode without its monitor, the executor may do in U-mode: floating point, cache-block
 * operations, reading counters and entropy. And the timer that takes it out of the guest when the guest's is due.
 */
export function mirror(executor: usize, virtual: usize): void {
  const supervisor = load<u32>(virtual, HART_PRIVILEGE) != 0;
  mirrorFloat(executor, virtual);
  updateFloatFast(executor);
  store<u64>(executor, supervisor ? -1 : load<u64>(virtual, HART_SENVCFG), HART_SENVCFG);
  store<u64>(executor, load<u64>(virtual, HART_MENVCFG) | MENVCFG_STCE, HART_MENVCFG);
  store<u64>(executor, supervisor ? -1 : load<u64>(virtual, HART_SCOUNTEREN), HART_SCOUNTEREN);
  store<u64>(executor, load<u64>(virtual, HART_MCOUNTEREN), HART_MCOUNTEREN);
  const seed = load<u64>(virtual, HART_MSECCFG) & (supervisor ? MSECCFG_SSEED : MSECCFG_USEED);
  store<u64>(executor, seed != 0 ? MSECCFG_USEED : 0, HART_MSECCFG);
  // A timer interrupt that is pending in the virtual hart already waits for its guest alone.
  const isDue = (load<u64>(virtual, HART_INTERRUPT_LINES) & STIP) != 0;
  store<u64>(executor, isDue ? -1 : load<u64>(virtual, HART_STIMECMP), HART_STIMECMP);
  store<u64>(executor, STIP, HART_MIE);
}

/** Makes the executor's satp name the tables for the virtual hart's address space and mode; false if there is no shadow table. */
export function chooseTables(executor: usize, virtual: usize): bool {
  let root: u64 = 0;
  if (load<u32>(virtual, HART_PARAVIRTUAL) != 0) {
    root = rootOf(virtual, load<u32>(virtual, HART_PRIVILEGE) == 0);
    store<u64>(virtual, root, HART_SATP); // for who asks from outside
  } else {
    const satp = load<u64>(virtual, HART_SATP);
    if (satp >> 60 != 0) {
      root = shadowOf(executor, satp, dataRegime(virtual));
      if (root == 0) return false;
    }
  }
  if (load<u64>(executor, HART_SATP) != root) {
    store<u64>(executor, root, HART_SATP);
    forgetRegimes(executor);
  }
  selectBanks(executor);
  return true;
}

function shadowOf(executor: usize, satp: u64, role: u32): u64 {
  for (let n: usize = 0; n < SHADOW_ROOTS; n++) {
    if (load<u64>(executor + (n << 3), HART_SHADOW_SATPS) != satp || load<u32>(executor + (n << 2), HART_SHADOW_ROLES) != role) continue;
    const root = load<u64>(executor + (n << 3), HART_SHADOW_ROOTS);
    if (root != 0) return root;
  }
  return 0;
}

/** Between slices: whether an exception ended the last one. */
export function endTrap(executor: usize): bool {
  if (load<u32>(executor, HART_TRAP_WAITS) == 0) return false;
  store<u32>(executor, 0, HART_TRAP_WAITS);
  selectBanks(executor);
  return true;
}

/** Walks the guest's own tables for an access of a virtual hart's, with whatever effect that has on them. */
export function walkGuest(virtual: usize, address: u64, access: u32): u32 {
  return translate(virtual, address, access, access & ACCESS_EXECUTE ? fetchRegime(virtual) : dataRegime(virtual));
}
