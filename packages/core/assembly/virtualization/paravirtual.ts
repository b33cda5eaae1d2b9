/**
 * A guest that knows it is deprivileged. Its kernel has no CSRs, but an *area* in its memory, where traps leave what they
 * would leave in CSRs, and calls its monitor (docs/hypercalls.md). The virtual hart keeps what has an effect: the area is
 * read where traps, returns and calls need it, and written where they change it. What a kernel calls for at every system
 * call or context switch is done here; the other calls leave as EXIT_HYPERCALL.
 */
import {
  ASSIST_HYPERCALL,
  GUARD_PINNED,
  HART_CLOCK_MODE,
  HART_DEADLINE_MOVED,
  HART_EXECUTOR,
  HART_EXIT_KIND,
  HART_INTERRUPT_LINES,
  HART_KERNEL_ROOT,
  HART_MIDELEG,
  HART_MIE,
  HART_MIP,
  HART_MISALIGNED_TARGET,
  HART_MSTATUS,
  HART_PARAVIRTUAL,
  HART_PC,
  HART_SCAUSE,
  HART_SEPC,
  HART_SHOWN_INTERRUPTS,
  HART_STATUS,
  HART_STIMECMP,
  HART_STVAL,
  HART_USER_ROOT,
  HART_VCPU_AREA,
  HART_VM,
  EXIT_HYPERCALL,
  NO_FRAME,
  PIN_LEVEL_SHIFT,
  REGISTER_WINDOW,
  STATUS_EXIT,
} from "../generated/layout";
import { frameMetadata, machineAddress, prepareWrite } from "../memory/frames";
import { fenceRange } from "../memory/tlb";
import { countAssist } from "../privileged/counters";
import { MSTATUS_FS, MSTATUS_SIE, MSTATUS_SPIE, MSTATUS_SPP, SSIP } from "../privileged/fields";
import { updateTimers } from "../privileged/time";
import { nextInterrupt, raiseException, returnFromSupervisor, takeInterrupt } from "../privileged/trap";
import { isOverworked } from "../work";
import { attend, follow, goOn } from "./in-place";

/** Number of the extension: "HVP". */
const EXTENSION: u64 = 0x08485650;
// Its functions that need no exit.
const RETURN: u32 = 2;
const SET_ROOT: u32 = 3;
const FLUSH: u32 = 7;
const SET_TIMER: u32 = 8;
const DELIVER: u32 = 9;

// The area, in bytes.
const AREA_SIZE: usize = 128;
const AREA_EPC: usize = 0;
const AREA_CAUSE: usize = 8;
const AREA_VALUE: usize = 16;
const AREA_STATUS: usize = 24;
const AREA_PENDING: usize = 32;
const AREA_ENABLED: usize = 40;
const AREA_SP: usize = 48;
const AREA_KERNEL_SP: usize = 56;
const AREA_A6: usize = 64;
const AREA_A7: usize = 72;

// Where registers lie, in bytes.
const SP: usize = 2 << 3;
const A0: usize = 10 << 3;
const A1: usize = 11 << 3;
const A6: usize = 16 << 3;
const A7: usize = 17 << 3;

const STATUS_BITS: u64 = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS;
const SOFTWARE_INTERRUPT: u64 = (1 << 63) | 1;

/** In place of the interrupts that the guest was last told of: it is to be told anew, and all are considered. */
const ANEW: u64 = -1;

// SBI errors.
const SUCCESS: i32 = 0;
const INVALID_PARAM: i32 = -3;
const DENIED: i32 = -4;
const INVALID_ADDRESS: i32 = -5;

/** Where a hart's area lies in linear memory; 0 if it has none. */
// @ts-ignore: decorator
@inline
export function areaOf(virtual: usize): usize {
  const area = load<u64>(virtual, HART_VCPU_AREA);
  return area == 0 ? 0 : machineAddress(<usize>load<u32>(virtual, HART_VM), area);
}

/** Takes over which interrupts the guest has enabled. */
function readEnables(virtual: usize, area: usize): void {
  const enabled = load<u64>(area, AREA_STATUS) & MSTATUS_SIE;
  store<u64>(virtual, (load<u64>(virtual, HART_MSTATUS) & ~MSTATUS_SIE) | enabled, HART_MSTATUS);
  store<u64>(virtual, load<u64>(area, AREA_ENABLED) & load<u64>(virtual, HART_MIDELEG), HART_MIE);
}

function writeStatus(virtual: usize, area: usize): void {
  store<u64>(area, load<u64>(virtual, HART_MSTATUS) & STATUS_BITS, AREA_STATUS);
}

/** Brings an exception to the guest's kernel; its registers lie at `registers`. */
export function trapTo(virtual: usize, cause: u64, value: u64, registers: usize): void {
  const area = areaOf(virtual);
  if (area != 0) readEnables(virtual, area);
  raiseException(virtual, cause, value);
  if (area != 0) showTrap(virtual, area, registers);
}

/** For the host: an exception at a hart's pc, such as a device access that nothing answers. */
export function raiseFromHost(hart: usize, cause: u64, value: u64): void {
  if (load<u32>(hart, HART_PARAVIRTUAL) != 0) trapTo(hart, cause, value, hart);
  else raiseException(hart, cause, value);
}

/** Tells the guest of the trap that the virtual hart has entered. */
function showTrap(virtual: usize, area: usize, registers: usize): void {
  prepareWrite(<usize>load<u32>(virtual, HART_VM), area, AREA_SIZE);
  store<u64>(area, load<u64>(virtual, HART_SEPC), AREA_EPC);
  store<u64>(area, load<u64>(virtual, HART_SCAUSE), AREA_CAUSE);
  store<u64>(area, load<u64>(virtual, HART_STVAL), AREA_VALUE);
  writeStatus(virtual, area);
  store<u64>(area, load<u64>(registers, SP), AREA_SP);
  if ((load<u64>(virtual, HART_MSTATUS) & MSTATUS_SPP) == 0) store<u64>(registers, load<u64>(area, AREA_KERNEL_SP), SP);
}

function pendingOf(virtual: usize): u64 {
  return (load<u64>(virtual, HART_MIP) | load<u64>(virtual, HART_INTERRUPT_LINES)) & load<u64>(virtual, HART_MIDELEG);
}

/** Whether interrupts have become pending, or ceased to be, since the guest was last told. */
export function hasNewInterrupt(virtual: usize): bool {
  return pendingOf(virtual) != load<u64>(virtual, HART_SHOWN_INTERRUPTS);
}

/**
 * Tells the guest what is pending, and takes an interrupt if one has become so and is enabled. That an interrupt is enabled
 * by a store to the area is not looked at between slices: where those end depends on the engine.
 */
export function considerInterrupts(virtual: usize, registers: usize): bool {
  const pending = pendingOf(virtual);
  const shown = load<u64>(virtual, HART_SHOWN_INTERRUPTS);
  store<u64>(virtual, pending, HART_SHOWN_INTERRUPTS);
  const area = areaOf(virtual);
  if (area == 0 || pending == shown) return false;
  prepareWrite(<usize>load<u32>(virtual, HART_VM), area, AREA_SIZE);
  store<u64>(area, pending, AREA_PENDING);
  if (shown != ANEW && (pending & ~shown) == 0) return false;
  readEnables(virtual, area);
  if (!takeInterrupt(virtual)) return false;
  if (load<u64>(virtual, HART_SCAUSE) == SOFTWARE_INTERRUPT) {
    // There is no sip to clear it in.
    store<u64>(virtual, load<u64>(virtual, HART_MIP) & ~SSIP, HART_MIP);
    store<u64>(virtual, pendingOf(virtual), HART_SHOWN_INTERRUPTS);
    store<u64>(area, pendingOf(virtual), AREA_PENDING);
  }
  showTrap(virtual, area, registers);
  return true;
}

/** An ecall of the guest's kernel: done here, or left to the monitor. */
export function call(executor: usize, virtual: usize): u32 {
  attend(executor, virtual);
  const area = areaOf(virtual);
  if (area != 0) readEnables(virtual, area);
  if (load<u64>(REGISTER_WINDOW, A7) == EXTENSION && assist(virtual, area, <u32>load<u64>(REGISTER_WINDOW, A6))) {
    countAssist(executor, ASSIST_HYPERCALL);
    follow(executor, virtual);
    if (nextInterrupt(virtual) >= 0 || hasNewInterrupt(virtual)) {
      store<u64>(virtual, ANEW, HART_SHOWN_INTERRUPTS);
      store<u32>(executor, 1, HART_DEADLINE_MOVED);
    }
    if (isOverworked(executor)) store<u32>(executor, 1, HART_DEADLINE_MOVED);
    return goOn(executor, virtual);
  }
  store<u64>(virtual, ANEW, HART_SHOWN_INTERRUPTS); // behind the call, interrupts are considered
  store<u32>(executor, EXIT_HYPERCALL, HART_EXIT_KIND);
  store<u32>(executor, STATUS_EXIT, HART_STATUS);
  return STATUS_EXIT;
}

/** Answers a call; false if that is the monitor's: all that are refused are. */
function assist(virtual: usize, area: usize, number: u32): bool {
  const a0 = load<u64>(REGISTER_WINDOW, A0);
  const a1 = load<u64>(REGISTER_WINDOW, A1);
  if (number == RETURN) {
    if (area == 0) return false;
    returnTo(virtual, area);
    return true;
  }
  if (number == SET_ROOT) {
    if (setRoots(virtual, a0, a1) != SUCCESS) return false;
  } else if (number == FLUSH) {
    fenceRange(virtual, a0, a1, false, 0);
  } else if (number == SET_TIMER) {
    store<u64>(virtual, a0, HART_STIMECMP);
    updateTimers(virtual);
    if (load<u32>(virtual, HART_CLOCK_MODE) != 0) store<u32>(<usize>load<u32>(virtual, HART_EXECUTOR), 1, HART_DEADLINE_MOVED);
  } else if (number != DELIVER) {
    return false;
  }
  store<u64>(REGISTER_WINDOW, SUCCESS, A0);
  store<u64>(REGISTER_WINDOW, 0, A1);
  store<u64>(virtual, load<u64>(virtual, HART_PC) + 4, HART_PC);
  return true;
}

/** Goes on as the area says. */
function returnTo(virtual: usize, area: usize): void {
  const status = load<u64>(area, AREA_STATUS) & STATUS_BITS;
  store<u64>(virtual, (load<u64>(virtual, HART_MSTATUS) & ~STATUS_BITS) | status, HART_MSTATUS);
  store<u64>(virtual, load<u64>(area, AREA_EPC) & ~<u64>(1 | load<u32>(virtual, HART_MISALIGNED_TARGET)), HART_SEPC);
  store<u64>(REGISTER_WINDOW, load<u64>(area, AREA_SP), SP);
  store<u64>(REGISTER_WINDOW, load<u64>(area, AREA_A6), A6);
  store<u64>(REGISTER_WINDOW, load<u64>(area, AREA_A7), A7);
  returnFromSupervisor(virtual);
  prepareWrite(<usize>load<u32>(virtual, HART_VM), area, AREA_SIZE);
  writeStatus(virtual, area);
}

/** Takes over FS from an area that the monitor has just been told of. */
export function adoptArea(virtual: usize): void {
  const area = areaOf(virtual);
  const status = area == 0 ? 0 : load<u64>(area, AREA_STATUS) & MSTATUS_FS;
  store<u64>(virtual, (load<u64>(virtual, HART_MSTATUS) & ~MSTATUS_FS) | status, HART_MSTATUS);
}

/** Makes tables those of a hart's kernel and of its user code; gives an SBI error, and then changes nothing. */
export function setRoots(virtual: usize, kernel: u64, user: u64): i32 {
  if (kernel == 0 && user != 0) return INVALID_PARAM;
  let error = rootError(virtual, kernel);
  if (error == SUCCESS) error = rootError(virtual, user);
  if (error != SUCCESS) return error;
  store<u64>(virtual, kernel, HART_KERNEL_ROOT);
  store<u64>(virtual, user, HART_USER_ROOT);
  return SUCCESS;
}

/** What speaks against a root: it names no scheme of translation, no page of RAM, or none that is pinned at the scheme's highest level. */
function rootError(virtual: usize, root: u64): i32 {
  if (root == 0) return SUCCESS;
  const mode = <u32>(root >> 60);
  if (mode < 8 || mode > 10 || ((root >> 44) & 0xffff) != 0) return INVALID_PARAM;
  const vm = <usize>load<u32>(virtual, HART_VM);
  const machine = machineAddress(vm, (root & 0xfffffffffff) << 12);
  if (machine == 0) return INVALID_ADDRESS;
  if (machine == NO_FRAME) return DENIED; // a pinned page has one
  const guards = load<u32>(frameMetadata(vm, machine));
  return (guards & GUARD_PINNED) != 0 && ((guards >> PIN_LEVEL_SHIFT) & 7) == mode - 6 ? SUCCESS : DENIED;
}

/** The executor's satp for a virtual hart's mode. */
export function rootOf(virtual: usize, isUser: bool): u64 {
  const user = load<u64>(virtual, HART_USER_ROOT);
  return isUser && user != 0 ? user : load<u64>(virtual, HART_KERNEL_ROOT);
}
