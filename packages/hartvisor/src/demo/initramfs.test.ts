import { describe, expect, it } from "vitest";
import { busyboxInitramfs } from "./initramfs.js";

describe("busyboxInitramfs", () => {
  const archive = new TextDecoder("latin1").decode(busyboxInitramfs(Uint8Array.of(0x42, 0x55, 0x53, 0x59)));

  it("holds busybox, a shell, and a console for /init", () => {
    for (const name of ["bin/busybox", "bin/sh", "dev/console", "init"]) expect(archive).toContain(`${name}\0`);
    expect(archive).toContain("BUSY");
  });

  it("starts with an /init whose interpreter is in the archive", () => {
    expect(archive).toContain("#!/bin/sh\n/bin/busybox mount -t proc proc /proc\n");
  });

  it("writes the prompt for the shell to expand, not for this file", () => {
    expect(archive).toContain(`PS1='\\h:\\w# '`);
    expect(archive).toContain(`TERM="\${TERM:-vt100}"`);
  });

  it("is the same for the same busybox", () => {
    expect(busyboxInitramfs(Uint8Array.of(1))).toEqual(busyboxInitramfs(Uint8Array.of(1)));
  });
});
