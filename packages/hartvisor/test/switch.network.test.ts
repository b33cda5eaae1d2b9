/** Debian machines on a switch: in one process by a tagged VLAN, in two processes by name, and with one of QEMU's. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import { obtainQemu } from "../src/host/node/debian-qemu.js";
import { listenForLinks } from "../src/host/node/index.js";
import { joinSwitch } from "../src/host/node/named-switch.js";
import { nat } from "../src/host/node/nat.js";
import { linux, Machine, type NetworkBackend, NetworkSwitch, virtioNet } from "../src/index.js";
import { hartvisor } from "./cli-process.js";
import { describeOnline } from "./describe-where.js";

async function machineOn(backend: NetworkBackend, last: number): Promise<Machine> {
  const vm = await Machine.create({
    boot: linux({ ...(await debianDemoImage()), cmdline: "console=ttyS0 quiet" }),
    devices: [virtioNet({ backend, mac: `52:54:00:00:00:0${last}` })],
    limits: { wallTimeMs: 500_000 },
  });
  void vm.console.output.cancel();
  vm.start();
  return vm;
}

const sh = async (vm: Machine, command: string) =>
  (await vm.exec(["sh", "-c", `${command} 2>&1`], { timeoutMs: 400_000 })).stdoutText;

/** Fetches a file of a machine's from another by HTTP; gives the digests of what came and of what it is. */
async function fetched(client: Machine, server: Machine, address: string): Promise<readonly [string, string]> {
  await sh(server, "mkdir -p /srv; dd if=/dev/urandom of=/srv/data bs=1M count=2; httpd -p 7000 -h /srv");
  const there = await sh(client, `wget -qO- http://${address}:7000/data | md5sum`);
  return [there, await sh(server, "md5sum < /srv/data")];
}

describeOnline("machines on a switch", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hv-"));
    vi.stubEnv("XDG_RUNTIME_DIR", folder);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  it("get addresses, names and connections out from a NAT there, and reach one another", async () => {
    const server = createServer((_, response) => response.end("from the host")).listen(0, "127.0.0.1");
    const network = await nat({ policy: { allow: ["127.0.0.1"] } });
    const lan = new NetworkSwitch();
    lan.plug(network);
    await using a = await machineOn(lan.card(), 1);
    await using b = await machineOn(lan.card(), 2);
    const address = async (vm: Machine) =>
      (await sh(vm, "ip -4 -o addr show eth0")).match(/10\.0\.2\.\d+/)?.[0] ?? "none";
    const addresses = [await address(a), await address(b)];
    expect(new Set(addresses).size).toBe(2);
    expect(addresses.every((each) => each.startsWith("10.0.2."))).toBe(true);
    const { port } = server.address() as AddressInfo;
    for (const vm of [a, b]) expect(await sh(vm, `wget -qO- http://10.0.2.2:${port}/`)).toBe("from the host");
    const [there, here] = await fetched(a, b, addresses[1] ?? "");
    expect(there).toBe(here);
    await network.close();
    server.close();
  });

  it("talk over a tagged VLAN, and not to other VLANs", async () => {
    const lan = new NetworkSwitch();
    await using trunk = await machineOn(lan.card({ trunk: [10, 20] }), 1);
    await using access = await machineOn(lan.card({ vlan: 10 }), 2);
    await sh(access, "ip addr replace 192.168.10.2/24 dev eth0; ip link set eth0 up");
    const vlan = (id: number) =>
      sh(
        trunk,
        `modprobe 8021q && ip link add link eth0 name eth0.${id} type vlan id ${id} && ip addr add 192.168.${id}.1/24 dev eth0.${id} && ip link set eth0.${id} up && echo up`,
      );
    expect(await vlan(10)).toBe("up\n");
    expect(await sh(trunk, "ping -c 2 -W 5 192.168.10.2")).toContain("2 packets received");
    const [there, here] = await fetched(trunk, access, "192.168.10.2");
    expect(there).toBe(here);
    const [back, sent] = await fetched(access, trunk, "192.168.10.1");
    expect(back).toBe(sent);
    expect(await vlan(20)).toBe("up\n");
    await sh(access, "ip addr add 192.168.20.2/24 dev eth0");
    expect(await sh(trunk, "ping -c 1 -W 1 192.168.20.2")).toContain("0 packets received");
  });

  it.runIf(process.platform === "linux" && process.arch === "x64")("talk with a machine of QEMU's", async () => {
    const lan = new NetworkSwitch();
    const network = await nat();
    lan.plug(network);
    await using vm = await machineOn(lan.card(), 1);
    const listener = await listenForLinks(lan, { port: 0 });
    await sh(vm, "mkdir -p /srv; dd if=/dev/urandom of=/srv/data bs=1M count=2; httpd -p 7000 -h /srv");
    const address = (await sh(vm, "ip -4 -o addr show eth0")).match(/10\.0\.2\.\d+/)?.[0];
    const { kernel, initrd } = await debianDemoImage();
    await writeFile(join(folder, "Image"), kernel);
    await writeFile(join(folder, "initrd"), initrd);
    const qemu = await obtainQemu();
    const [program, ...args] = qemu.command;
    const child = spawn(program, [
      ...[...args, "-M", "virt", "-m", "256", "-display", "none", "-monitor", "none", "-append", "console=ttyS0 quiet"],
      ...["-nodefaults", "-serial", "stdio", "-kernel", join(folder, "Image"), "-initrd", join(folder, "initrd")],
      ...["-netdev", `stream,id=net,addr.type=inet,addr.host=127.0.0.1,addr.port=${listener.port}`],
      ...["-device", "virtio-net-device,netdev=net"],
    ]);
    try {
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
      await expect.poll(() => output, { timeout: 400_000, interval: 200 }).toContain("hartvisor:~#");
      // The words of the command, as the terminal echoes them, are not what is waited for.
      child.stdin.write(
        `until wget -qO/tmp/data http://${address}:7000/data; do sleep 1; done; md5sum < /tmp/data; echo do''ne\n`,
      );
      await expect.poll(() => output, { timeout: 400_000, interval: 200 }).toContain("done\r\n");
      expect(output).toContain((await sh(vm, "md5sum < /srv/data")).slice(0, 32));
      expect(lan.stats.dropped).toEqual({ malformed: 0, vlan: 0, address: 0, full: 0 });
    } finally {
      child.kill();
      await listener.close();
      await network.close();
    }
  });

  it("of two processes talk", async () => {
    const lan = new NetworkSwitch();
    const joined = await joinSwitch(lan, "lab");
    await using here = await machineOn(lan.card({ vlan: 30 }), 1);
    await sh(here, "ip addr replace 192.168.30.1/24 dev eth0; ip link set eth0 up");
    const serve = "ip addr replace 192.168.30.2/24 dev eth0; ip link set eth0 up; echo from elsewhere | nc -l -p 7000";
    const other = hartvisor(["exec", "--net", "switch:lab,vlan=30", "--", "sh", "-c", serve]);
    let answer = "";
    for (let tries = 0; tries < 60 && answer === ""; tries++) {
      answer = await sh(here, "nc -w 2 192.168.30.2 7000 || sleep 1").then((text) =>
        text.includes("from elsewhere") ? text : "",
      );
    }
    expect(answer).toBe("from elsewhere\n");
    expect(await other).toMatchObject({ status: 0 });
    await joined.leave();
  });
});
