import { describe, expect, it } from "vitest";
import { dpkgDatabase } from "./dpkg-database.js";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("dpkgDatabase", () => {
  const entries = dpkgDatabase([
    {
      control: new Map([
        ["control", bytes("Package: tool\nVersion: 1:2-3\nArchitecture: riscv64\nDescription: a tool\n for tests\n")],
        ["conffiles", bytes("/etc/tool.conf\n")],
        ["postinst", bytes("#!/bin/sh\n")],
        ["triggers", bytes("# Triggers\ninterest-noawait /usr/share/tools\ninterest tools-changed\n")],
      ]),
      paths: ["", "etc", "etc/tool.conf"],
      md5: new Map([["etc/tool.conf", "0123"]]),
    },
    {
      control: new Map([
        ["control", bytes("Package: lib\nVersion: 1\nArchitecture: riscv64\nMulti-Arch: same\n")],
        ["triggers", bytes("activate-noawait ldconfig\ninterest-noawait /usr/share/tools\n")],
      ]),
      paths: ["usr"],
      md5: new Map(),
    },
  ]);
  const content = (path: string) => entries.find((entry) => entry.path === `var/lib/dpkg/${path}`)?.content;

  it("says that the packages are unpacked, and what their configuration files are", () => {
    expect(content("status")).toBe(
      [
        "Package: tool\nStatus: install ok unpacked\nVersion: 1:2-3\nArchitecture: riscv64",
        "Description: a tool\n for tests\nConffiles:\n /etc/tool.conf 0123\n",
        "Package: lib\nStatus: install ok unpacked\nVersion: 1\nArchitecture: riscv64\nMulti-Arch: same\n",
      ].join("\n"),
    );
  });

  it("lists files, under the architecture too where several can be installed", () => {
    expect(content("info/tool.list")).toBe("/.\n/etc\n/etc/tool.conf\n");
    expect(content("info/lib:riscv64.list")).toBe("/.\n/usr\n");
  });

  it("keeps scripts as programs", () => {
    expect(entries.find(({ path }) => path.endsWith("tool.postinst"))).toMatchObject({ mode: 0o100755 });
  });

  it("knows who waits for which trigger", () => {
    expect(content("triggers/File")).toBe("/usr/share/tools tool/noawait\n/usr/share/tools lib:riscv64/noawait\n");
    expect(content("triggers/tools-changed")).toBe("tool\n");
    expect(content("triggers/ldconfig")).toBeUndefined();
  });
});
