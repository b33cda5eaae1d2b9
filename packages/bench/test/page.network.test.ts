/** The page that `hartvisor bench --html` writes, in a browser. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
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
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });

  /** Runs the command and opens its page; what the page asks for and complains of is noted. */
  async function open(name: string, args: readonly string[]) {
    const file = join(folder, name);
    expect((await hartvisor(["bench", ...args, "--html", file])).status).toBe(0);
    const page = await browser.newPage({ viewport: { width: 1100, height: 800 } });
    const [asked, errors]: [string[], string[]] = [[], []];
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(pathToFileURL(file).href);
    return { page, asked, errors, url: pathToFileURL(file).href };
  }

  /** Bars that can be seen, and what the table below has measured. */
  async function charts(page: Page, name: string) {
    const svg = page.locator(`figure[data-benchmark="${name}"] svg`);
    const boxes = await Promise.all((await svg.locator("rect.bar").all()).map((bar) => bar.boundingBox()));
    const absent = await svg.locator("text.absent").count();
    const rows = (await page.locator(`#${name} details tr`).count()) - 1;
    return { svg, bars: boxes.filter((box) => box !== null && box.width > 1).length, absent, rows };
  }

  it("has bars in the techniques' colours, and asks nobody for anything", async () => {
    const { page, asked, errors, url } = await open("example.html", [EXAMPLE, "--repetitions", "1"]);
    for (const name of ["loop", "sbi-call"]) {
      const { svg, bars, absent, rows } = await charts(page, name);
      expect([bars, absent]).toEqual([rows, 0]);
      expect((await svg.boundingBox())?.width).toBeGreaterThan(700);
    }
    const fill = await page
      .locator(".bar.direct")
      .first()
      .evaluate((bar) => getComputedStyle(bar).fill);
    expect(fill).toBe("rgb(0, 114, 178)");
    expect([asked, errors]).toEqual([[url], []]);
  });

  it("has the charts of every benchmark that there is, a row for each technique", async () => {
    const list = (await hartvisor(["bench", "--list"])).stdout.trimEnd().split("\n");
    const { page, errors } = await open("all.html", ["--clock", "virtual", "--engine", "interpreter"]);
    const names = list.map((line) => line.split(" ")[0] ?? "").filter((name) => !name.startsWith("host-"));
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) {
      const { svg, bars, absent, rows } = await charts(page, name);
      expect([name, await svg.isVisible(), bars + absent]).toEqual([name, true, rows]);
      expect(bars > 0 || name.startsWith("linux-")).toBe(true);
    }
    expect(errors).toEqual([]);
  });
});
