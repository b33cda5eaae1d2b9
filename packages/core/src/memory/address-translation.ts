/**
 * A machine's own way of translating addresses: it answers TLB misses below
 * M-mode from TypeScript, in place of the page tables that satp names. Slower
 * per miss than the built-in kinds, the same per hit.
 */
import { hartOffset } from "../../isa/layout.js";

/** An access whose translation is asked for. */
export interface TranslationRequest {
  /** The guest-virtual address, unsigned. */
  readonly address: bigint;
  readonly access: "read" | "write" | "execute";
  readonly privilege: "user" | "supervisor";
}

/** Where a page lies, or what the access traps with. */
export type TranslationResult =
  | {
      /** Guest-physical address that the virtual address stands for. */
      readonly physical: bigint;
      /** Log2 of the page's size, 12 or more; a fence by any address of the page drops it. Default: 12. */
      readonly pageBits?: number;
    }
  | "page-fault"
  | "access-fault";

/**
 * A kind of address translation of the user's own.
 *
 * @example
 * const offset: AddressTranslation = { translate: ({ address }) => ({ physical: address + 0x80000000n }) };
 */
export interface AddressTranslation {
  /** Answers one miss. What it answered is kept until the guest fences it. */
  translate(request: TranslationRequest): TranslationResult;
}

const WALK_ADDRESS = hartOffset("walkAddress");
const WALK_LEVEL = hartOffset("walkLevel");
const OK = 0;
const PAGE_FAULT = 1;
const ACCESS_FAULT = 2;
const WRITE = 2;
const EXECUTE = 4;

/** The interpreter's import for a module: gives an outcome and fills the hart's walk fields. */
export function hostTranslation(
  memory: WebAssembly.Memory,
  module: AddressTranslation | undefined,
): (hart: number, address: bigint, access: number, regime: number) => number {
  return (hart, address, access, regime) => {
    const result = module?.translate({
      address: BigInt.asUintN(64, address),
      access: access & EXECUTE ? "execute" : access & WRITE ? "write" : "read",
      privilege: (regime & 3) === 0 ? "user" : "supervisor",
    });
    if (result === undefined || result === "page-fault") return PAGE_FAULT;
    if (result === "access-fault") return ACCESS_FAULT;
    const state = new DataView(memory.buffer, hart);
    state.setBigUint64(WALK_ADDRESS, BigInt.asUintN(64, result.physical), true);
    state.setUint32(WALK_LEVEL, result.pageBits ?? 12, true);
    return OK;
  };
}
