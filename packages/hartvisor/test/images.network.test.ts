/** Machines whose root is an image: of Debian's packages, built here, and of an OCI layout. */
import { afterEach, beforeAll, expect, it } from "vitest";
import { debianImage, type Image, ROOT_TAG } from "../src/host/node/debian.js";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import { linux, Machine, virtioFs } from "../src/index.js";
import { describeOnlineOnLinux } from "./describe-where.js";

describeOnlineOnLinux("a root of Debian's packages", () => {
  let image: Image;
  const machines: Machine[] = [];

  beforeAll(async () => {
    image = await debianImage({ packages: ["python3", "sqlite3"] });
  }, 1_800_000);

  afterEach(async () => {
    for (const machine of machines.splice(0)) await machine.destroy();
  });

  async function boot(): Promise<Machine> {
    const { kernel, initrd } = await debianDemoImage();
    const machine = await Machine.create({
      memory: "512MiB",
      boot: linux({ kernel, initrd, cmdline: "console=ttyS0 quiet" }),
      devices: [virtioFs({ tree: await image.root(), tag: ROOT_TAG, cache: "always" })],
      limits: { wallTimeMs: 600_000 },
    });
    machines.push(machine);
    void machine.console.output.cancel();
    machine.start();
    return machine;
  }

  it("runs python3, with all that it needs", async () => {
    const vm = await boot();
    const program =
      "import sqlite3, ssl, json; print(json.dumps(sqlite3.connect(':memory:').execute('select 6*7').fetchone()))";
    const { stdoutText, stderrText } = await vm.exec(["python3", "-c", program]);
    expect([stdoutText, stderrText]).toEqual(["[42]\n", ""]);
  }, 600_000);

  it("is configured: dpkg has nothing left to do, and nothing that it misses", async () => {
    const vm = await boot();
    const script = `dpkg --audit; dpkg-query -W -f '\${db:Status-Status}\n' | sort -u
      dpkg --verify | grep -v /usr/share; stat -c %a /tmp /root /etc/passwd`;
    const { stdoutText } = await vm.exec(["sh", "-c", script]);
    expect(stdoutText).toBe("installed\n1777\n700\n644\n");
  }, 600_000);

  it("is shared by machines that do not see what the others write", async () => {
    const all = await Promise.all([boot(), boot(), boot()]);
    await Promise.all(all.map((vm, n) => vm.exec(["sh", "-c", `echo ${n} > /etc/who; rm /etc/issue`])));
    const said = await Promise.all(all.map((vm) => vm.exec(["sh", "-c", "cat /etc/who; ls /etc/issue"])));
    expect(said.map(({ stdoutText }) => stdoutText)).toEqual(["0\n", "1\n", "2\n"]);
    expect((await (await boot()).exec(["cat", "/etc/issue"])).stdoutText).toMatch(/Debian/);
  }, 600_000);
});
