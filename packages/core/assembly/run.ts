/** Slices: the hart runs, its timers are looked at in between, interrupts are taken. */
import {
  EXIT_BUDGET,
  EXIT_INTERRUPT,
  EXIT_NO_SHADOW,
  EXIT_OVERWORKED,
  EXIT_STUCK,
  EXIT_TRAP,
  EXTENSION_FLOAT,
  EXTENSION_SIGN,
  HART_CLOCK_MODE,
  HART_DEADLINE_MOVED,
  HART_EXECUTED,
  HART_EXIT_EXTENSION,
  HART_EXIT_NEXT_PC,
  HART_EXIT_REGISTER,
  HART_EXIT_VALUE,
  HART_EXIT_WIDTH,
  HART_PARAVIRTUAL,
  HART_PC,
  HART_REWRITES,
  HART_SHADOW_MISSING,
  HART_SINGLE_STEP,
  HART_TRAP_CAUSE,
  HART_TRAP_WAITS,
  HART_VIRTUAL_HART,
  INSTRUCTION_WORK,
  PATIENCE,
  SLOTS_PER_PAGE,
} from "./generated/layout";
import { execute } from "./generated/execute";
import { instructionsToOverflow, settleCounters } from "./privileged/performance-counters";
import { instructionsToDeadline, instructionsToLook, updateTimers } from "./privileged/time";
import { isStuck, nextInterrupt, takeInterrupt, takeWaitingException } from "./privileged/trap";
import { executeSampled, hasHotBlocks, mustLeave } from "./translated/profile";
import { endTrap } from "./virtualization/executor";
import { admitInterrupt, reflectWaiting } from "./virtualization/in-place";
import { areaOf } from "./virtualization/paravirtual";
import { reflectsOwn } from "./virtualization/rewritten";
import { beginWork, isOverworked } from "./work";

/**
 * Straight-line code runs at most this much past its budget: a page, and an instruction that crosses into the next; a
 * translated region as much again.
 */
const SLACK: i32 = 2 * (<i32>SLOTS_PER_PAGE + 2);
/** The most instructions between two looks at what has been done. */
const STRETCH: i32 = PATIENCE / INSTRUCTION_WORK;

/**
 * Runs a hart for `budget` instructions, or a little more unless `exact`.
 * Returns the kind of exit; EXIT_BUDGET when the budget is used up, or earlier when there are blocks to translate or the
 * host should look at its clock.
 */
export function run(hart: usize, budget: i32, exact: bool): u32 {
  const end = load<u64>(hart, HART_EXECUTED) + <u64>budget;
  const longEnough = load<u64>(hart, HART_EXECUTED) + <u64>STRETCH;
  const virtualTime = load<u32>(hart, HART_CLOCK_MODE) != 0;
  const deprivileged = load<u32>(hart, HART_VIRTUAL_HART) != 0;
  const rewrites = load<u32>(hart, HART_REWRITES) != 0;
  const paravirtual = load<u32>(hart, HART_PARAVIRTUAL) != 0;
  beginWork(hart);
  while (true) {
    const remaining = <i32>(end - load<u64>(hart, HART_EXECUTED));
    if (remaining <= 0 || load<u64>(hart, HART_EXECUTED) >= longEnough || isOverworked(hart)) return EXIT_BUDGET;
    store<u32>(hart, 0, HART_DEADLINE_MOVED);
    updateTimers(hart);
    settleCounters(hart, load<u64>(hart, HART_EXECUTED));
    if (!deprivileged) takeInterrupt(hart);
    else if (rewrites || paravirtual) admitInterrupt(hart);
    else if (nextInterrupt(hart) >= 0) return EXIT_INTERRUPT;
    if (rewrites && load<u32>(hart, HART_SHADOW_MISSING) != 0) {
      store<u32>(hart, 0, HART_SHADOW_MISSING);
      return EXIT_NO_SHADOW;
    }
    const limit = instructionsToOverflow(hart, <u64>remaining);
    const chunk = <i32>(virtualTime ? instructionsToDeadline(hart, limit) : instructionsToLook(hart, limit));
    const exactly = virtualTime || exact || limit < <u64>remaining;
    const kind = exactly ? executeExactly(hart, chunk) : executeSampled(hart, chunk, false);
    if (kind == EXIT_OVERWORKED) {
      store<u64>(hart, load<u64>(hart, HART_EXECUTED) - 1, HART_EXECUTED); // what was counted is yet to be executed
      return EXIT_BUDGET;
    }
    if (deprivileged && endTrap(hart)) {
      if (rewrites && reflectsOwn(hart)) continue;
      if (!paravirtual) return EXIT_TRAP;
      if (areaOf(<usize>load<u32>(hart, HART_VIRTUAL_HART)) == 0) return EXIT_STUCK; // the guest has named no place to trap to
      reflectWaiting(hart, load<u64>(hart, HART_TRAP_CAUSE));
      continue;
    }
    if (!deprivileged && takeWaitingException(hart)) {
      if (isStuck(hart)) return EXIT_STUCK;
      continue;
    }
    // An instruction that ended the slice may have let an interrupt in, as one within it may.
    if (kind == EXIT_BUDGET && load<u32>(hart, HART_DEADLINE_MOVED) != 0 && !deprivileged) takeInterrupt(hart);
    if (kind != EXIT_BUDGET || hasHotBlocks(hart)) return kind;
  }
}

/** Leaves off after exactly `budget` instructions: the last of them one at a time. */
function executeExactly(hart: usize, budget: i32): u32 {
  const end = load<u64>(hart, HART_EXECUTED) + <u64>budget;
  if (budget > SLACK) {
    const kind = executeSampled(hart, min<i32>(budget - SLACK, STRETCH), true);
    if (kind != EXIT_BUDGET || mustLeave(hart)) return kind;
  }
  const remaining = <i32>(end - load<u64>(hart, HART_EXECUTED));
  if (remaining <= 0 || remaining > SLACK) return EXIT_BUDGET;
  store<u32>(hart, 1, HART_SINGLE_STEP);
  const kind = execute(hart, remaining);
  store<u32>(hart, 0, HART_SINGLE_STEP);
  return kind;
}

/** Commits the instruction that left with an exit: writes its result if it has one, and goes on behind it. */
export function complete(hart: usize, hasResult: bool): void {
  if (hasResult) {
    const value = load<u64>(hart, HART_EXIT_VALUE);
    const extension = load<u32>(hart, HART_EXIT_EXTENSION);
    const unused = <u64>(64 - (load<u32>(hart, HART_EXIT_WIDTH) << 3));
    let result = (value << unused) >> unused;
    if (extension == EXTENSION_SIGN) result = <u64>(<i64>(value << unused) >> <i64>unused);
    else if (extension == EXTENSION_FLOAT) result |= ~((<u64>-1) >> unused); // boxed
    store<u64>(hart + <usize>load<u32>(hart, HART_EXIT_REGISTER), result);
  }
  store<u64>(hart, load<u64>(hart, HART_EXIT_NEXT_PC), HART_PC);
}
