import { describe, expect, it } from "vitest";
import { moduleEntries, moduleInfo } from "./kernel-modules.js";

const module = (name: string, ...info: string[]) => ({
  name,
  bytes: new TextEncoder().encode(`\x7fELF\0${info.map((line) => `${line}\0`).join("")}rest`),
});

describe("moduleInfo", () => {
  it("finds what a module depends on and serves", () => {
    const { bytes } = module("net", "license=GPL", "alias=virtio:d1v*", "alias=net-x", "depends=failover,core");
    expect(moduleInfo(bytes)).toEqual({ depends: ["failover", "core"], aliases: ["virtio:d1v*", "net-x"] });
  });

  it("knows that a module needs none", () => {
    expect(moduleInfo(module("rng", "depends=").bytes).depends).toEqual([]);
  });
});

describe("moduleEntries", () => {
  const entries = moduleEntries("6.12", [
    module("b", "depends=c-x,built_in", "alias=fs-b"),
    module("a", "depends=b"),
    module("c_x", "depends="),
  ]);
  const content = (path: string) =>
    entries.flatMap((entry) => (entry.type === "file" && entry.path === path ? [entry.content] : []));

  it("indexes each module with everything below it", () => {
    expect(content("lib/modules/6.12/modules.dep")).toEqual(["b.ko: c_x.ko\na.ko: b.ko c_x.ko\nc_x.ko:\n"]);
  });

  it("indexes what devices ask for", () => {
    expect(content("lib/modules/6.12/modules.alias")).toEqual(["alias fs-b b\n"]);
  });

  it("adds nothing where there are no modules", () => {
    expect(moduleEntries("6.12", [])).toEqual([]);
  });
});
