import { describe, expect, it } from "vitest";
import { perform } from "../../backends/files/later.js";
import { MemoryTree } from "../../backends/files/memory-tree.js";
import type { OpenFile } from "../../backends/files/tree.js";
import { type Fid, Fids } from "./fids.js";

const { root } = new MemoryTree();
const fid = (): Fid => ({ place: { node: root, up: undefined }, uid: 0 });

/** An open file, and how often it was closed. */
function file() {
  const closed = { times: 0 };
  const open = { file: { close: () => void closed.times++ } as unknown as OpenFile };
  return { open, closed };
}

describe("what is opened under a fid", () => {
  it("is closed when the fid was clunked meanwhile", () => {
    const [fids, one, { open, closed }] = [new Fids(), fid(), file()];
    fids.put(1, one);
    fids.close(fids.take(1));
    expect(() => perform(fids.opens(one, open))).toThrow("EBADF");
    expect(closed.times).toBe(1);
  });

  it("is closed when the session has ended meanwhile", () => {
    const [fids, one, { open, closed }] = [new Fids(), fid(), file()];
    fids.put(1, one);
    fids.end();
    expect(() => perform(fids.opens(one, open))).toThrow("EBADF");
    expect(closed.times).toBe(1);
  });

  it("is closed when the fid was opened by another message meanwhile, whose file stays", () => {
    const [fids, one, first, second] = [new Fids(), fid(), file(), file()];
    fids.put(1, one);
    perform(fids.opens(one, first.open));
    expect(() => perform(fids.opens(one, second.open))).toThrow("EINVAL");
    expect([first.closed.times, second.closed.times]).toEqual([0, 1]);
    fids.end();
    expect(first.closed.times).toBe(1);
  });
});

describe("attributes", () => {
  const attribute = { value: new Uint8Array(2 ** 21) };

  it("are bounded all together, and their room comes back with their fids", () => {
    const fids = new Fids();
    for (const n of [1, 2]) fids.put(n, { ...fid(), attribute });
    expect(() => fids.put(3, { ...fid(), attribute })).toThrow("ENOMEM");
    fids.close(fids.take(1));
    fids.put(3, { ...fid(), attribute });
  });

  it("take no room where their fid is taken", () => {
    const fids = new Fids();
    fids.put(1, fid());
    for (let n = 0; n < 10; n++) expect(() => fids.put(1, { ...fid(), attribute })).toThrow("EINVAL");
    for (const n of [2, 3]) fids.put(n, { ...fid(), attribute });
  });
});
