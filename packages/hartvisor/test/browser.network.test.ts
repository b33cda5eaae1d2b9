import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { TestHttpServer } from "../../devices/test/http-server.js";
import { debianDemoImage, defaultCacheDirectory } from "../src/host/node/debian-image.js";
import { nat } from "../src/host/node/nat.js";
import { NetworkSwitch, type StreamLink, streamLink, webSocketStream } from "../src/index.js";
import { launchChromium } from "./browser/chromium.js";
import { openSite, type Site } from "./browser/site.js";
import { describeOnline } from "./describe-where.js";

/** Far beyond what a boot takes. */
const timeout = 400_000;

describeOnline("a page in Chromium that imports the packed packages", () => {
  let browser: Browser;
  let site: Site;

  beforeAll(async () => {
    const { kernel, initrd } = await debianDemoImage();
    const page = await readFile(new URL("./browser/page.html", import.meta.url), "utf8");
    const lan = await readFile(new URL("./browser/lan.html", import.meta.url), "utf8");
    site = await openSite({
      files: { "/page.html": page, "/strict.html": page, "/lan.html": lan, "/Image": kernel, "/initrd": initrd },
      // The cache has the same files as the package that \`hartvisor image pack\` makes.
      folders: { "/debian-linux/": join(defaultCacheDirectory(), "debian/current") },
      headers: { "/strict.html": { "content-security-policy": "script-src 'self' 'unsafe-inline'" } },
    });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  it.each(["caller", "worker"])(
    "boots Debian to a shell on the %s's thread, its console on the page",
    async (thread) => {
      const page = await open(`/page.html?thread=${thread}`);
      await shown(page, "#console", "hartvisor:~#");
      await page.keyboard.type("uname -a\n");
      await expect
        .poll(() => page.locator("#console").textContent(), { timeout })
        .toMatch(/# uname -a\nLinux hartvisor 6\.\d+\.\S+ .* riscv64 GNU\/Linux\n/);
      await page.keyboard.type("poweroff\n");
      await shown(page, "#state", '{"kind":"poweroff","exitCode":0}');
      await page.close();
    },
  );

  it("has a tree of a web server, of another origin than the page", async () => {
    const web = await openTree();
    web.headers = { "access-control-allow-origin": "*" };
    const page = await open(`/page.html?tree=${web.origin}/tree`);
    await shown(page, "#console", "hartvisor:~#");
    await page.keyboard.type("cat /mnt/web/greeting\n");
    await shown(page, "#console", "hello from afar");
    expect(web.log.at(-1)).toBe("/tree/contents bytes=0-15");
    await page.close();
    await web.close();
  });

  it("says that another origin may have to let it read what it has", async () => {
    const web = await openTree();
    const page = await open(`/page.html?tree=${web.origin}/tree`);
    const advice = `does it let pages of ${site.origin} read it, by Access-Control-Allow-Origin?`;
    await shown(
      page,
      "#state",
      `HartvisorError unreadable-file: cannot read ${web.origin}/tree/tree.json: Failed to fetch`,
    );
    expect(await page.locator("#state").textContent()).toContain(advice);
    await page.close();
    await web.close();
  });

  it("says what is missing where the page's content security policy forbids WebAssembly", async () => {
    const page = await open("/strict.html");
    await shown(page, "#state", "HartvisorError unsupported: this page's content security policy forbids WebAssembly");
    expect(await page.locator("#state").textContent()).toContain("add 'wasm-unsafe-eval' to its script-src");
    await page.close();
  });

  it("fetches Linux from its server, and is on a network with another page and this process by WebSockets", async () => {
    const lan = new NetworkSwitch();
    const network = await nat({ policy: { allow: ["127.0.0.1"] } });
    lan.plug(network);
    const links: StreamLink[] = [];
    const sockets = new WebSocketServer({ server: site.server, path: "/lan" });
    sockets.on("connection", (socket) => {
      void webSocketStream(socket as unknown as WebSocket).then((stream) => links.push(streamLink(lan, stream)));
    });
    try {
      const pages = await Promise.all([open("/lan.html?card=1"), open("/lan.html?card=2&thread=worker")]);
      const [a, b] = pages as [Page, Page];
      for (const page of pages) await shown(page, "#state", "riscv64");
      const run = (page: Page, command: string): Promise<string> =>
        page.evaluate(
          (text) => (globalThis as unknown as { run(command: string): Promise<string> }).run(text),
          command,
        );
      const address = async (page: Page) =>
        (await run(page, "ip -4 -o addr show eth0")).match(/10\.0\.2\.\d+/)?.[0] ?? "none";
      const [one, other] = [await address(a), await address(b)];
      expect(new Set([one, other, "none"]).size).toBe(3);

      // A megabyte from page to page, and from this process's host to a page.
      await run(b, "mkdir -p /srv; dd if=/dev/urandom of=/srv/data bs=1M count=1; httpd -p 7000 -h /srv");
      const sum = await run(b, "md5sum < /srv/data");
      expect(await run(a, `wget -qO- http://${other}:7000/data | md5sum`)).toBe(sum);
      expect(await run(a, `wget -qO- ${site.origin.replace("127.0.0.1", "10.0.2.2")}/page.html`)).toContain(
        "hartvisor",
      );
      expect(await run(b, `ping -c 2 -W 10 ${one}`)).toContain("2 packets received");

      // A page that goes takes its link along, and leaves the others theirs.
      await b.close();
      await expect.poll(() => Promise.race([...links.map(({ closed }) => closed), "none"])).not.toBe("none");
      expect(await run(a, `ping -c 1 -W 5 10.0.2.2`)).toContain("1 packets received");
      await a.close();
    } finally {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      await network.close();
    }
  });

  /** A server with a tree of one file. */
  function openTree(): Promise<TestHttpServer> {
    const index = {
      ...{ format: "hartvisor-tree", version: 1, contents: [{ file: "contents", bytes: 16 }] },
      entries: [{ path: "greeting", type: "file", size: 16, content: [0, 0] }],
    };
    return TestHttpServer.open({ "/tree/tree.json": JSON.stringify(index), "/tree/contents": "hello from afar\n" });
  }

  /** Opens a page; what it throws and does not catch stands in its state, which {@link shown} reports. */
  async function open(path: string): Promise<Page> {
    const page = await browser.newPage();
    page.on("pageerror", (error) => {
      void page.locator("#state").evaluate((state, message) => state.append(message), String(error));
    });
    await page.goto(site.origin + path);
    return page;
  }

  /** Waits until an element of the page holds a text. */
  async function shown(page: Page, element: string, text: string): Promise<void> {
    const found = page.locator(element).filter({ hasText: text });
    await found.waitFor({ timeout }).catch(async (cause: unknown) => {
      const texts = await page.locator("#state, #console").allTextContents();
      throw new Error(`the page does not show "${text}":\n${texts.join("\n")}`, { cause });
    });
  }
});
