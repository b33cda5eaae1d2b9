/** The page that `hartvisor bench --html` writes, in a browser. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launchChromium } from "../../hartvisor/test/browser/chromium.js";
import { hartvisor } from "../../hartvisor/test/cli-process.js";
import { describeOnline } from "../../hartvisor/test/describe-where.js";

const EXAMPLE = fileURLToPath(new URL("../examples/first.mjs", import.meta.url));

describeOnline("the page of a run, in Chromium", () => {
  let folder: string;
  let browser: Browser;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hartvisor-page-"));
    browser = await launchChromium();
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });

  it("shows the charts of every benchmark, and asks nobody for anything", async () => {
    const file = join(folder, "page.html");
    const { status } = await hartvisor(["bench", EXAMPLE, "--repetitions", "1", "--html", file]);
    expect(status).toBe(0);
    const page = await browser.newPage({ viewport: { width: 1100, height: 800 } });
    const [asked, errors]: [string[], string[]] = [[], []];
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(pathToFileURL(file).href);
    expect(await page.locator("article").count()).toBe(2);
    for (const name of ["loop", "sbi-call"]) {
      const charts = page.locator(`figure[data-benchmark="${name}"] svg`);
      const box = await charts.boundingBox();
      expect(box?.width).toBeGreaterThan(700);
      const bars = await charts.locator("rect.bar").all();
      expect(bars).toHaveLength((await page.locator(`#${name} details tr`).count()) - 1);
      for (const bar of bars) expect((await bar.boundingBox())?.width).toBeGreaterThan(1);
      const picture = await charts.screenshot();
      expect(picture.length).toBeGreaterThan(2000);
    }
    expect(
      await page
        .locator(".bar.direct")
        .first()
        .evaluate((bar) => getComputedStyle(bar).fill),
    ).toBe("rgb(0, 114, 178)");
    expect([asked, errors]).toEqual([[pathToFileURL(file).href], []]);
  }, 120_000);
});
