import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageStore } from "./store.js";

let folder: string;
let store: ImageStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-store-"));
  store = new ImageStore(folder);
});

afterEach(() => rm(folder, { recursive: true }));

const layerOf = (content: string) => store.addLayer((layer) => layer.add({ path: "file", mode: 0o100644, content }));
const blobs = () => readdir(join(folder, "blobs/sha256"));

describe("ImageStore", () => {
  it("keeps a layer once, however many images have it", async () => {
    const base = await layerOf("base");
    await store.add({ name: "a", layers: [base, await layerOf("a")] });
    await store.add({ name: "b", layers: [await layerOf("base"), await layerOf("b")] });
    const [a, b] = await Promise.all([store.find("a"), store.find("b")]);
    expect(a?.layers[0]).toEqual(b?.layers[0]);
    // Three layers, and manifest and configuration of two images.
    expect(await blobs()).toHaveLength(7);
  });

  it("gives an image of the same layers the same digest, whatever its name", async () => {
    const layers = [await layerOf("x")];
    const a = await store.add({ name: "a", layers, config: { Cmd: ["/bin/sh"] } });
    const b = await store.add({ name: "b", layers, config: a.config });
    expect(b.digest).toBe(a.digest);
  });

  it("forgets an image, and then what no other needs", async () => {
    const base = await layerOf("base");
    await store.add({ name: "a", layers: [base, await layerOf("a".repeat(5000))] });
    await store.add({ name: "b", layers: [base] });
    expect(await store.remove("a")).toBe(true);
    expect(await store.remove("a")).toBe(false);
    expect(await store.prune()).toBeGreaterThan(5000);
    expect((await store.list()).map(({ name }) => name)).toEqual(["b"]);
    expect(await blobs()).toHaveLength(3);
  });

  it("does not prune what is being built", async () => {
    await store.inWorkFolder(async () => {
      await layerOf("not yet named");
      expect(await store.prune()).toBe(0);
    });
    expect(await store.prune()).toBeGreaterThan(0);
  });

  it("takes several images at once", async () => {
    const layer = await layerOf("x");
    await Promise.all(["a", "b", "c", "d"].map((name) => store.add({ name, layers: [layer] })));
    expect((await store.list()).map(({ name }) => name).sort()).toEqual(["a", "b", "c", "d"]);
  });

  it("has no image whose layer was cut short", async () => {
    const image = await store.add({ name: "a", layers: [await layerOf("x")] });
    await truncate(image.layers[0]?.path ?? "", 100);
    expect(await store.find("a")).toBeUndefined();
  });

  it.each(["", "../a", "a b", "-a"])("refuses %j as a name", async (name) => {
    await expect(store.add({ name, layers: [] })).rejects.toMatchObject({ code: "invalid-argument" });
  });
});
