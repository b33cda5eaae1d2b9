/**
 * `npm run docs:picture -- REPORT.html`: a picture of parts of a page that `hartvisor bench --html` wrote, for the README.
 * Taken by Debian's Chromium.
 */

import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { launchChromium } from "../packages/hartvisor/test/browser/chromium.js";

/** What the picture shows, from the top. */
const SHOWN = ["syscall", "pte-update-64"];
const WIDTH = 1040;
const PICTURE = fileURLToPath(new URL("../docs/benchmarks.png", import.meta.url));

const [report] = process.argv.slice(2);
if (report === undefined) {
  console.error("docs:picture REPORT.html");
  process.exit(2);
}
const browser = await launchChromium();
const page = await browser.newPage({ viewport: { width: WIDTH, height: 800 } });
await page.goto(pathToFileURL(resolve(report)).href);
await page.evaluate((shown) => {
  for (const part of document.querySelectorAll("article, h1, h2, nav, body > p, details")) {
    if (!shown.includes(part.id)) (part as HTMLElement).hidden = true;
  }
  for (const section of document.querySelectorAll("section")) {
    if (section.querySelector("article:not([hidden])") === null) section.hidden = true;
  }
}, SHOWN);
await page.locator("body").screenshot({ path: PICTURE });
await browser.close();
console.log(PICTURE);
