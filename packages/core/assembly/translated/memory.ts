/**
 * What translated code calls: the slow paths of accesses that often miss the
 * TLB, reservations, blocks of zeros. An access that leaves for a device has no
 * effect here: the region gives the instruction back to the interpreter, which
 * finds the same and reports it. One that traps leaves HART_STATUS saying so,
 * for `entry.ts` to take the trap. What translated code calls has one type, as
 * far as may be (see `helper` of jit).
 */
import { HART_STATUS, HART_VM, STATUS_NONE, STATUS_TRAP, VM_CODE_EPOCH, WINDOW_HART } from "../generated/layout";
import { peekAddress, readAddress, reserve, storeConditional, writeAddress, zeroBlock } from "../memory/access";
import { ACCESS_READ, ACCESS_WRITE } from "../memory/translation/outcome";
import { blockZeroEnabled } from "../privileged/system";

/** After an access that was not done: leaves a trap for `entry.ts`, and anything else for the interpreter to find again. */
function giveUp(hart: usize): void {
  if (load<u32>(hart, HART_STATUS) != STATUS_TRAP) store<u32>(hart, STATUS_NONE, HART_STATUS);
}

/** Where the bytes of a load lie; 0 if it is not done. */
export function loadSlow(address: u64, _unused: u64, width: u32): usize {
  const hart = <usize>load<u32>(WINDOW_HART);
  const machine = readAddress(hart, address, width, 0, 0);
  if (machine == 0) giveUp(hart);
  return machine;
}

/**
 * Where bytes lie that translated code is about to access: 0 if they are not in one page of RAM, may not be accessed so,
 * or the access would have an effect of its own.
 */
export function touch(address: u64, write: u64, length: u32): usize {
  if ((<u32>address & 0xfff) + length > 0x1000) return 0;
  return peekAddress(<usize>load<u32>(WINDOW_HART), address, length, write ? ACCESS_WRITE : ACCESS_READ);
}

/** A store: 0 if done; 1 if not; 2 if done, but translated code was overwritten. */
export function storeSlow(address: u64, value: u64, width: u32): u32 {
  const hart = <usize>load<u32>(WINDOW_HART);
  const vm = <usize>load<u32>(hart, HART_VM);
  const epoch = load<u32>(vm, VM_CODE_EPOCH);
  const machine = writeAddress(hart, address, width, value);
  if (machine == 0) {
    giveUp(hart);
    return 1;
  }
  if (width == 1) store<u8>(machine, <u8>value);
  else if (width == 2) store<u16>(machine, <u16>value);
  else if (width == 4) store<u32>(machine, <u32>value);
  else store<u64>(machine, value);
  return load<u32>(vm, VM_CODE_EPOCH) == epoch ? 0 : 2;
}

/** cbo.zero: the same outcomes as a store's. */
export function zeroInRegion(address: u64, _unused: u64, _detail: u32): u32 {
  const hart = <usize>load<u32>(WINDOW_HART);
  if (!blockZeroEnabled(hart)) return 1;
  const vm = <usize>load<u32>(hart, HART_VM);
  const epoch = load<u32>(vm, VM_CODE_EPOCH);
  if (!zeroBlock(hart, address)) {
    giveUp(hart);
    return 1;
  }
  return load<u32>(vm, VM_CODE_EPOCH) == epoch ? 0 : 2;
}

/** A load-reserved: where its bytes lie; 0 if it is not done. */
export function reserveSlow(address: u64, _unused: u64, width: u32): usize {
  const hart = <usize>load<u32>(WINDOW_HART);
  const machine = reserve(hart, address, width);
  if (machine == 0) giveUp(hart);
  return machine;
}

/** A store-conditional: 0 if it stored, 1 if not, 2 if it is not done, 4 if it stored over translated code. */
export function storeConditionalSlow(address: u64, value: u64, width: u32): u32 {
  const hart = <usize>load<u32>(WINDOW_HART);
  const vm = <usize>load<u32>(hart, HART_VM);
  const epoch = load<u32>(vm, VM_CODE_EPOCH);
  const outcome = storeConditional(hart, address, width, value);
  if (outcome < 0) {
    giveUp(hart);
    return 2;
  }
  if (load<u32>(vm, VM_CODE_EPOCH) != epoch) return 4;
  return outcome == 0 ? 1 : 0;
}
