/** What a lowering tells of its function to those who look inside. */

/** Where the code of a block or an instruction begins. */
export interface Mark {
  readonly what: "block" | "instruction";
  /** In the region. */
  readonly offset: number;
  /** In the function's locals and code. */
  readonly position: number;
}

export class LoweringNotes {
  /** Names by number, parameters first. */
  locals: readonly string[] = [];
  marks: readonly Mark[] = [];
}
