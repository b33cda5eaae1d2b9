/**
 * The fuzzer's profiles: which kinds of instructions a program is made of, how
 * often, and in which mode it starts.
 */

/** Kinds of units; `units.ts` has the generator of each. */
export type UnitKind =
  | "integer"
  | "float"
  | "memory"
  | "float-memory"
  | "atomic"
  | "reservation"
  | "branch"
  | "jump"
  | "loop"
  | "csr"
  | "float-csr"
  | "cache"
  | "fence"
  | "compressed"
  | "reload"
  | "system"
  | "return"
  | "interrupt"
  | "illegal"
  | "wild"
  | "paging"
  | "selfmod";

export interface Profile {
  /** Modes in which programs start, as mstatus.MPP has them. */
  readonly modes: readonly (0 | 1 | 3)[];
  /** Whether traps from below M-mode may be delegated. */
  readonly delegates: boolean;
  /** Whether programs run in virtual memory. */
  readonly paged: boolean;
  readonly weights: Readonly<Partial<Record<UnitKind, number>>>;
}

const COMMON = {
  integer: 30,
  memory: 10,
  "float-memory": 3,
  branch: 4,
  jump: 2,
  loop: 1,
  reload: 4,
  illegal: 0.5,
  wild: 0.5,
};

export const PROFILES = {
  m: {
    modes: [3],
    delegates: false,
    paged: false,
    weights: {
      ...COMMON,
      float: 5,
      atomic: 3,
      reservation: 1,
      compressed: 8,
      csr: 12,
      cache: 2,
      fence: 2,
      system: 3,
      return: 1.5,
      interrupt: 1,
    },
  },
  s: {
    modes: [1],
    delegates: true,
    paged: false,
    weights: {
      ...COMMON,
      float: 5,
      atomic: 3,
      reservation: 1,
      compressed: 8,
      csr: 10,
      cache: 3,
      fence: 3,
      system: 3,
      return: 1.5,
      interrupt: 1,
    },
  },
  u: {
    modes: [0],
    delegates: true,
    paged: false,
    weights: {
      ...COMMON,
      float: 12,
      atomic: 5,
      reservation: 2,
      compressed: 12,
      csr: 4,
      cache: 2,
      fence: 2,
      system: 2,
    },
  },
  sv39: {
    modes: [0, 1],
    delegates: true,
    paged: true,
    weights: {
      ...COMMON,
      memory: 25,
      atomic: 6,
      compressed: 6,
      csr: 4,
      cache: 3,
      system: 2,
      paging: 20,
    },
  },
  fp: {
    modes: [0, 3],
    delegates: false,
    paged: false,
    weights: {
      float: 60,
      "float-memory": 8,
      "float-csr": 5,
      reload: 12,
      integer: 4,
      branch: 1,
      loop: 1,
      compressed: 2,
    },
  },
  amo: {
    modes: [0, 1, 3],
    delegates: true,
    paged: false,
    weights: { atomic: 40, reservation: 15, memory: 8, integer: 15, reload: 4, branch: 2, loop: 2, wild: 0.5 },
  },
  rvc: {
    modes: [0],
    delegates: true,
    paged: false,
    weights: { compressed: 60, integer: 6, memory: 3, branch: 2, jump: 1, loop: 1, reload: 4, illegal: 1 },
  },
  selfmod: {
    modes: [0],
    delegates: false,
    paged: false,
    weights: { ...COMMON, compressed: 15, selfmod: 12, float: 4 },
  },
  /** Encodings that are reserved here: they must be there, too. */
  legality: {
    modes: [0, 1, 3],
    delegates: true,
    paged: false,
    weights: { illegal: 40, integer: 2, compressed: 2 },
  },
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;

export const profileNames = Object.keys(PROFILES) as ProfileName[];
