import { afterEach, describe, expect, it, vi } from "vitest";
import { FORMAT } from "./demo-image.js";
import { fetchDemoImage } from "./fetch-image.js";

const FILES: Record<string, string> = {
  "manifest.json": JSON.stringify({
    ...{ format: FORMAT, kernelVersion: "6.12", packages: {}, wanted: ["ext4"] },
    ...{ sizes: { Image: 6, busybox: 4 }, modules: { ext4: 3 } },
  }),
  Image: "kernel",
  busybox: "busy",
  "modules/ext4.ko": "ko!",
};

function serve(files: Record<string, string>): void {
  vi.stubGlobal("fetch", async (url: URL) => {
    const content = files[url.href.replace("https://example.org/linux/", "")];
    return content === undefined ? new Response(null, { status: 404 }) : new Response(content);
  });
}

afterEach(() => vi.unstubAllGlobals());

describe("fetchDemoImage", () => {
  it("gives what a machine boots", async () => {
    serve(FILES);
    const { kernel, initrd, kernelVersion } = await fetchDemoImage("https://example.org/linux/");
    expect([new TextDecoder().decode(kernel), kernelVersion]).toEqual(["kernel", "6.12"]);
    const archive = new TextDecoder("latin1").decode(initrd);
    for (const part of ["busy", "lib/modules/6.12/ext4.ko", "ko!"]) expect(archive).toContain(part);
  });

  it.each([
    ["is missing", { ...FILES, busybox: undefined as unknown as string }, "busybox: 404"],
    ["is cut short", { ...FILES, Image: "ker" }, "it is not whole"],
  ])("refuses an image of which a part %s", async (_, files, message) => {
    serve(files);
    const problem = fetchDemoImage("https://example.org/linux/");
    await expect(problem).rejects.toMatchObject({
      code: "download-failed",
      message: expect.stringContaining(`cannot fetch Linux from https://example.org/linux/: ${message}`),
    });
  });
});
