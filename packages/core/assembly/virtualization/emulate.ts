/** Privileged instructions of a deprivileged guest, done on its virtual hart by what does them on any hart. */
import {
  HART_CROSSING,
  HART_EXECUTED,
  HART_EXIT_NEXT_PC,
  HART_PC,
  HART_STATUS,
  HART_TRAP_CAUSE,
  HART_TRAP_VALUE,
  HART_VM,
  REGISTERS_SIZE,
  REGISTER_WINDOW,
  STATUS_EXIT,
  STATUS_NONE,
  STATUS_TRAP,
  VM_EXTENSIONS,
} from "../generated/layout";
import { decode } from "../generated/decode";
import { executePrivileged, NOT_PRIVILEGED } from "../generated/privileged";
import { raiseException } from "../privileged/trap";

/** What became of an instruction: it is none that is emulated; it was done; it trapped into the guest's kernel; it waits. */
const NOT_EMULATED: u32 = 0;
const DONE: u32 = 1;
const TRAPPED: u32 = 2;
const WAITS: u32 = 3;

/**
 * Emulates the instruction `word` at a virtual hart's pc, where its executor trapped. It has been counted already, but
 * has yet to happen.
 */
export function emulate(virtual: usize, word: u32): u32 {
  const slot = virtual + HART_CROSSING;
  if ((word & 3) != 3) return NOT_EMULATED;
  decode(slot, word, 4, 0x1000, <usize>load<u32>(virtual, HART_VM) + VM_EXTENSIONS);
  memory.copy(REGISTER_WINDOW, virtual, REGISTERS_SIZE);
  store<u64>(virtual, load<u64>(virtual, HART_EXECUTED) - 1, HART_EXECUTED);
  const pc = load<u64>(virtual, HART_PC);
  const status = executePrivileged(virtual, slot);
  store<u64>(virtual, load<u64>(virtual, HART_EXECUTED) + 1, HART_EXECUTED);
  store<u32>(virtual, STATUS_NONE, HART_STATUS);
  if (status == NOT_PRIVILEGED) return NOT_EMULATED;
  if (status == STATUS_TRAP) {
    raiseException(virtual, load<u64>(virtual, HART_TRAP_CAUSE), load<u64>(virtual, HART_TRAP_VALUE));
    return TRAPPED;
  }
  memory.copy(virtual, REGISTER_WINDOW, REGISTERS_SIZE);
  if (status == STATUS_NONE) store<u64>(virtual, pc + 4, HART_PC);
  if (status != STATUS_EXIT) return DONE;
  store<u64>(virtual, pc + 4, HART_EXIT_NEXT_PC);
  return WAITS;
}
