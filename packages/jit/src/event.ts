/** What a translator tells of its work, one event after another; see {@link TranslatorOptions.onEvent}. */

/** Modules and regions are numbered from 0, from the machine's beginning. */
export type TranslatorEvent = ModuleEvent | GatheredEvent | RegionEvent | InvalidatedEvent | RefusedEvent;

/** A WebAssembly module was compiled; events of its regions follow. */
export interface ModuleEvent {
  readonly kind: "module";
  readonly module: number;
  readonly regions: number;
  readonly bytes: number;
  /** Milliseconds from guest code to the module's bytes, all its regions together. */
  readonly generateMs: number;
  /** Milliseconds in which the host compiled and instantiated it. */
  readonly compileMs: number;
}

/** Regions that were in place moved from their modules to a new one, which has a number, too. */
export interface GatheredEvent {
  readonly kind: "gathered";
  readonly module: number;
  readonly regions: number;
  readonly bytes: number;
  /** Milliseconds in which the module's bytes were put together. */
  readonly generateMs: number;
  /** Milliseconds in which the host compiled it. */
  readonly compileMs: number;
}

/** A region is in place. */
export interface RegionEvent {
  readonly kind: "region";
  readonly region: number;
  /** In which it was made. */
  readonly module: number;
  /** Virtual address of its entry as it was mapped when the region was made. */
  readonly pc: bigint;
  /** The frame of machine memory that the entry lies in: regions belong to frames, not to addresses. */
  readonly frame: number;
  readonly blocks: number;
  readonly instructions: number;
  /** Bytes of its function. */
  readonly bytes: number;
  /** Milliseconds from its guest code to its function. */
  readonly generateMs: number;
}

/** A region may run no more. */
export interface InvalidatedEvent {
  readonly kind: "invalidated";
  readonly region: number;
  readonly pc: bigint;
  readonly frame: number;
  /**
   * Its code was written to, moved, or got a breakpoint; the table of regions was full; or it is made anew, with another
   * probe or a slow path for an access that often misses the TLB, or without locals for singles where there often are none.
   */
  readonly reason: "code-changed" | "table-full" | "access-missed";
}

/** The host did not take a module; its regions are interpreted. */
export interface RefusedEvent {
  readonly kind: "refused";
  /** Entries of the regions. */
  readonly pcs: readonly bigint[];
  readonly bytes: number;
  /** What the host said. */
  readonly message: string;
}

/** Hears of a translator's work while it happens. */
export type TranslatorListener = (event: TranslatorEvent) => void;
