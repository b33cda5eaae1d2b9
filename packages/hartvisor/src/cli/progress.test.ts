import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { ProgressLine } from "./progress.js";

function shown(properties: { isTTY: boolean; columns?: number }): { progress: ProgressLine; text: () => string } {
  let text = "";
  const output = Object.assign(
    new Writable({
      write: (chunk, _encoding, done) => {
        text += chunk;
        done();
      },
    }),
    properties,
  );
  return { progress: new ProgressLine(output as unknown as NodeJS.WriteStream), text: () => text };
}

const download = { step: "download", detail: "Linux and busybox, 108 MiB" } as const;

describe("ProgressLine", () => {
  it("prints a line for each step where stderr is no terminal", () => {
    const { progress, text } = shown({ isTTY: false });
    for (const fraction of [0, 0.3, 1]) progress.show({ ...download, fraction });
    progress.show({ step: "unpack", detail: "Linux" });
    progress.show({ step: "build", detail: "initramfs" });
    progress.end();
    expect(text()).toBe("hartvisor: downloading Linux and busybox, 108 MiB\nhartvisor: unpacking Linux\n");
  });

  it("shows work of any other kind under its own title", () => {
    const { progress, text } = shown({ isTTY: false });
    progress.draw("round 1 of 5", 0.5);
    expect(text()).toBe("hartvisor: round 1 of 5\n");
  });

  it("redraws one line within the terminal's width, and removes it at the end", () => {
    const { progress, text } = shown({ isTTY: true, columns: 50 });
    progress.show({ ...download, fraction: 0 });
    progress.show({ ...download, fraction: 1 });
    progress.end();
    const [before, first, last, after] = text().split("\r\x1b[K");
    expect(before).toBe("");
    expect(first).toMatch(/^hartvisor: \[\.{24}\] {3}0 % down/);
    expect(last).toMatch(/^hartvisor: \[#{24}\] 100 % down/);
    expect([first?.length, last?.length]).toEqual([49, 49]);
    expect(after).toBe("");
  });
});
