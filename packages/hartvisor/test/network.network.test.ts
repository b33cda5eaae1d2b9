/** A Debian guest on the network: its own drivers, NAT, and servers on this host. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import { nat } from "../src/host/node/nat.js";
import { e1000, linux, Machine, type NetworkBackend, virtioNet } from "../src/index.js";
import { guest } from "./cli-process.js";
import { describeOnline } from "./describe-where.js";
import { canRunTshark, tshark } from "./tshark.js";

const SIZE = 4 * 2 ** 20;

describeOnline("the network of a Debian guest", () => {
  describe.each([
    ["virtio", virtioNet],
    ["e1000", e1000],
  ] as const)("with %s", (model, card) => {
    let vm: Machine;
    let network: NetworkBackend & { readonly forwarded: readonly number[] };
    let echo: Server;
    let source: Server;
    let datagrams: Socket;
    const captured: Uint8Array[] = [];
    const failures: string[] = [];
    const port = (server: Server) => (server.address() as AddressInfo).port;
    const sh = async (command: string, stdin?: Uint8Array) =>
      (await vm.exec(["sh", "-c", command], { timeoutMs: 400_000, ...(stdin && { stdin }) })).stdoutText;

    beforeAll(async () => {
      echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
      source = createServer((socket) => socket.end(Buffer.alloc(SIZE, "abcdefghij"))).listen(0, "127.0.0.1");
      datagrams = createSocket("udp4", (bytes, peer) =>
        datagrams.send(bytes.toString().toUpperCase(), peer.port, peer.address),
      );
      datagrams.bind(0, "127.0.0.1");
      await Promise.all([once(echo, "listening"), once(source, "listening"), once(datagrams, "listening")]);
      network = await nat({
        policy: { allow: ["127.0.0.1"] },
        forward: [
          { host: 0, guest: 80 },
          { host: 0, guest: 7, protocol: "udp" },
        ],
        capture: (bytes) => captured.push(bytes),
      });
      const image = await debianDemoImage();
      vm = await Machine.create({
        boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
        devices: [card({ backend: network })],
        onDeviceFailure: (device, reason) => failures.push(`${device}: ${reason}`),
        limits: { wallTimeMs: 500_000 },
      });
      void vm.console.output.cancel();
      vm.start();
    });

    afterAll(async () => {
      await vm.destroy();
      await network.close();
      echo.close();
      source.close();
      datagrams.close();
      expect(failures).toEqual([]);
    });

    it("is driven by the card's own driver", async () => {
      const driver = model === "e1000" ? "e1000" : "virtio_net";
      expect(await sh("readlink /sys/class/net/eth0/device/driver")).toMatch(new RegExp(`/${driver}\n$`));
    });

    it("has its address, route and name server from DHCP", async () => {
      expect(await sh("ip addr show eth0")).toContain("inet 10.0.2.15/24");
      expect(await sh("ip route; cat /etc/resolv.conf")).toMatch(
        /default via 10\.0\.2\.2[\s\S]*nameserver 10\.0\.2\.3/,
      );
    });

    it("answers pings of the router", async () => {
      expect(await sh("ping -c 1 10.0.2.2")).toContain("1 packets received");
    });

    it("resolves names as the host does", async () => {
      expect(await sh("nslookup localhost")).toContain("Address: 127.0.0.1");
      expect(await sh("nslookup nothing.invalid")).toContain("NXDOMAIN");
    });

    it("connects to the host, where it is allowed, and is refused elsewhere", async () => {
      expect(await sh(`echo hello | nc 10.0.2.2 ${port(echo)}`)).toBe("hello\n");
      expect(await sh("nc -w 5 10.0.2.2 1 2>&1")).toContain("Connection refused");
      expect(await sh("nc -w 5 192.168.1.1 80 2>&1")).toContain("Connection refused");
    });

    it("moves megabytes whole, both ways", async () => {
      const md5 = await sh(`nc 10.0.2.2 ${port(source)} </dev/null | md5sum`);
      expect(md5).toBe(await sh("md5sum", Buffer.alloc(SIZE, "abcdefghij")));
      const there = await sh(`yes abcdefghi | head -c ${SIZE} | nc 10.0.2.2 ${port(echo)} | md5sum`);
      expect(there).toBe(await sh("md5sum", Buffer.alloc(SIZE, "abcdefghi\n")));
    });

    it("is a web server that the host reaches", async () => {
      await sh("mkdir -p /www; echo 'from the guest' >/www/index.html; httpd -p 80 -h /www");
      const pages = Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${network.forwarded[0]}/`));
      for (const page of await Promise.all(pages)) expect(await page.text()).toBe("from the guest\n");
    });

    it("sends and gets datagrams", async () => {
      await vm.writeFile("/io", await readFile(guest("io")), { mode: 0o755 });
      const { port: local } = datagrams.address() as AddressInfo;
      expect(await sh(`/io udp 10.0.2.2 ${local} hello`)).toBe("HELLO\n");
      const serving = vm.exec(["/io", "udp-echo", "7", "2"]);
      await vm.exec(["sleep", "0.3"]);
      const client = createSocket("udp4");
      for (const text of ["short", "long ".repeat(1000)]) {
        client.send(text, network.forwarded[1] ?? 0, "127.0.0.1");
        expect((await once(client, "message"))[0].toString()).toBe(text);
      }
      client.close();
      expect((await serving).exitCode).toBe(0);
    });

    it("is captured", () => {
      expect(Buffer.from(captured[0] ?? []).readUInt32LE(0)).toBe(0x0a0d0d0a);
      expect(captured.length).toBeGreaterThan(100);
    });

    it.skipIf(!canRunTshark)("is captured so that tshark finds every packet well-formed", async () => {
      const folder = await mkdtemp(join(tmpdir(), "hartvisor-capture-"));
      try {
        const file = join(folder, "net.pcapng");
        await writeFile(file, Buffer.concat(captured));
        const protocols = await tshark(file, "-q", "-z", "io,phs");
        for (const protocol of ["arp", "icmp", "dhcp", "dns", "tcp", "http"]) {
          expect(protocols).toMatch(new RegExp(`^ +${protocol} +frames:[1-9]`, "m"));
        }
        const checked = ["ip", "tcp", "udp"].flatMap((protocol) => ["-o", `${protocol}.check_checksum:TRUE`]);
        const bad =
          '_ws.malformed || ip.checksum.status == "Bad" || tcp.checksum.status == "Bad" || udp.checksum.status == "Bad"';
        expect(await tshark(file, ...checked, "-Y", bad)).toBe("");
        expect(await tshark(file, "-Y", "dhcp.option.dhcp == 5")).toContain("DHCP ACK");
        expect(await tshark(file, "-Y", 'dns.resp.name == "localhost"')).toContain("A 127.0.0.1");
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
});
