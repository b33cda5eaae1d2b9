/** Programs that access an address once: the one in a1, which a fetch expects to lead back by ra. */

export type Access = "load" | "store" | "fetch" | "amo" | "load-reserved";
export const PROGRAMS: Readonly<Record<Access, string>> = {
  load: "ld a0, 0(a1)\nj .+0",
  store: "sd a2, 0(a1)\nj .+0",
  fetch: "jalr ra, 0(a1)\nj .+0",
  amo: "amoswap.d a0, a2, (a1)\nj .+0",
  "load-reserved": "lr.d a0, (a1)\nj .+0",
};
