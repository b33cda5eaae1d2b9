/** A register file of nothing, for measurements: what remains is the cost of getting there. */
export const nothingAt = (base: number) => ({
  name: "nothing",
  base,
  size: 16,
  read: () => 0,
  write: () => {},
  reset: () => {},
  save: () => ({ version: 1 }),
  restore: () => {},
  deviceTree: () => [],
});
