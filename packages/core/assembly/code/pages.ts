/**
 * Code pages: the decoded slots of one frame, 2,048 of them, and a sentinel
 * that leads on to the next page. They belong to the frame and hold no virtual
 * address, so every mapping of the frame shares them. When the arena is full
 * the oldest page serves the next frame.
 */
import {
  ASSIST_DECODE_PAGE,
  CODE_PAGE_SIZE,
  FRAME_METADATA_SIZE,
  HART_SIZE,
  HART_VM,
  SLOTS_PER_PAGE,
  SLOT_SIZE,
  VM_CODE_ARENA,
  VM_CODE_NEXT,
  VM_CODE_OWNER,
  VM_CODE_PAGES,
  VM_FRAMES_BASE,
  VM_FRAME_METADATA,
  VM_HARTS,
  VM_HART_COUNT,
} from "../generated/layout";
import { OP_NEXT_PAGE } from "../generated/operations";
import { detachCodePage, frameMetadata } from "../memory/frames";
import { dropFetchTables } from "../memory/tlb";
import { countAssist } from "../privileged/counters";
import { charge, WORK_CODE_PAGE } from "../work";

/** The decoded slots of the frame at a machine address. */
export function codePageOf(hart: usize, machine: usize): usize {
  const vm = <usize>load<u32>(hart, HART_VM);
  const metadata = frameMetadata(vm, machine);
  const page = <usize>load<u32>(metadata, 4);
  return page != 0 ? page : newCodePage(hart, vm, metadata);
}

function newCodePage(hart: usize, vm: usize, metadata: usize): usize {
  countAssist(hart, ASSIST_DECODE_PAGE);
  charge(vm, WORK_CODE_PAGE);
  const n = load<u32>(vm, VM_CODE_NEXT);
  store<u32>(vm, n + 1 == load<u32>(vm, VM_CODE_PAGES) ? 0 : n + 1, VM_CODE_NEXT);
  const owner = <usize>load<u32>(vm, VM_CODE_OWNER) + (<usize>n << 2);
  const evicted = load<u32>(owner);
  const frames = <usize>load<u32>(vm, VM_FRAME_METADATA);
  const page = <usize>load<u32>(vm, VM_CODE_ARENA) + n * CODE_PAGE_SIZE;
  if (evicted != 0) {
    detachCodePage(vm, frames + (evicted - 1) * FRAME_METADATA_SIZE);
    dropAllFetchTables(vm);
    memory.fill(page, 0, SLOTS_PER_PAGE * SLOT_SIZE); // a page's first use finds zeros that the host has not committed yet
  }
  store<u32>(owner, <u32>((metadata - frames) / FRAME_METADATA_SIZE) + 1);
  store<u16>(page + SLOTS_PER_PAGE * SLOT_SIZE, OP_NEXT_PAGE);
  store<u32>(metadata, <u32>page, 4);
  return page;
}

/** Forgets the decoded code of a frame that is about to go back to the pool. */
export function dropCodeOf(vm: usize, frame: u32): void {
  const metadata = <usize>load<u32>(vm, VM_FRAME_METADATA) + <usize>frame * FRAME_METADATA_SIZE;
  const page = <usize>load<u32>(metadata, 4);
  if (page == 0) return;
  detachCodePage(vm, metadata);
  memory.fill(page, 0, SLOTS_PER_PAGE * SLOT_SIZE);
  store<u32>(<usize>load<u32>(vm, VM_CODE_OWNER) + ((page - <usize>load<u32>(vm, VM_CODE_ARENA)) / CODE_PAGE_SIZE << 2), 0);
  dropAllFetchTables(vm);
}

/** Forgets all decoded code of the VM, as after breakpoints changed. */
export function dropAllCode(vm: usize): void {
  const frames = <usize>load<u32>(vm, VM_FRAME_METADATA);
  const count = load<u32>(vm, VM_CODE_PAGES);
  for (let n: u32 = 0; n < count; n++) {
    const owner = <usize>load<u32>(vm, VM_CODE_OWNER) + (<usize>n << 2);
    const frame = load<u32>(owner);
    if (frame == 0) continue;
    detachCodePage(vm, frames + (frame - 1) * FRAME_METADATA_SIZE);
    memory.fill(<usize>load<u32>(vm, VM_CODE_ARENA) + n * CODE_PAGE_SIZE, 0, SLOTS_PER_PAGE * SLOT_SIZE);
    store<u32>(owner, 0);
  }
  dropAllFetchTables(vm);
}

function dropAllFetchTables(vm: usize): void {
  const count = load<u32>(vm, VM_HART_COUNT);
  for (let n: u32 = 0; n < count; n++) dropFetchTables(<usize>load<u32>(vm, VM_HARTS) + n * HART_SIZE);
}

/** Where the bytes of a code page's frame lie. */
export function frameOfCodePage(vm: usize, page: usize): usize {
  const n = (page - <usize>load<u32>(vm, VM_CODE_ARENA)) / CODE_PAGE_SIZE;
  const frame = load<u32>(<usize>load<u32>(vm, VM_CODE_OWNER) + (n << 2)) - 1;
  return <usize>load<u32>(vm, VM_FRAMES_BASE) + (<usize>frame << 12);
}
