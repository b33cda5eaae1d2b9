import { describe, expect, it } from "vitest";
import { findDebianMirror, parseDeb822Sources, parseSourcesList, stanzaFields } from "./apt-sources.js";

describe("parseSourcesList", () => {
  it("reads addresses, suites, components and keyrings", () => {
    const text = [
      "# deb http://comment.example/debian trixie main",
      "deb http://mirror.example/debian trixie main contrib # the mirror",
      "deb-src http://source.example/debian trixie main",
      "  deb [ arch=amd64 signed-by=/usr/share/keyrings/other.gpg ]  https://other.example/apt  stable   main",
      "deb http://flat.example/debian ./",
      "",
    ].join("\n");
    expect(parseSourcesList(text)).toEqual([
      { uri: "http://mirror.example/debian", suite: "trixie", components: ["main", "contrib"] },
      {
        uri: "https://other.example/apt",
        suite: "stable",
        components: ["main"],
        signedBy: "/usr/share/keyrings/other.gpg",
      },
      { uri: "http://flat.example/debian", suite: "./", components: [] },
    ]);
  });
});

describe("parseDeb822Sources", () => {
  it("reads every address with every suite", () => {
    const text = [
      "# The archive",
      "Types: deb deb-src",
      "URIs: http://a.example/debian",
      "  http://b.example/debian",
      "# a comment among the fields",
      "Suites: trixie trixie-updates",
      "Components: main",
      "Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp",
      "",
    ].join("\n");
    const rest = { components: ["main"], signedBy: "/usr/share/keyrings/debian-archive-keyring.pgp" };
    expect(parseDeb822Sources(text)).toEqual([
      { uri: "http://a.example/debian", suite: "trixie", ...rest },
      { uri: "http://a.example/debian", suite: "trixie-updates", ...rest },
      { uri: "http://b.example/debian", suite: "trixie", ...rest },
      { uri: "http://b.example/debian", suite: "trixie-updates", ...rest },
    ]);
  });

  it("passes over what is disabled, and over sources of source code", () => {
    const stanza = (extra: string, types = "deb") =>
      `Types: ${types}\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\n${extra}`;
    const text = [stanza("Enabled: no\n"), stanza("", "deb-src"), stanza("enabled: yes\n")].join("\n\n");
    expect(parseDeb822Sources(text)).toHaveLength(1);
  });

  it("keeps a key block whole", () => {
    const text =
      "Types: deb\nURIs: http://a\nSuites: s\nSigned-By:\n -----BEGIN\n .\n abc\n -----END\nComponents: main\n";
    expect(parseDeb822Sources(text)[0]?.signedBy).toContain("abc");
    expect(parseDeb822Sources(text)[0]?.components).toEqual(["main"]);
  });

  it("reads an empty file", () => {
    expect(parseDeb822Sources("\n\n")).toEqual([]);
  });
});

describe("findDebianMirror", () => {
  const source = (uri: string, suite = "bookworm", components = ["main"], signedBy?: string) => {
    return { uri, suite, components, ...(signedBy !== undefined && { signedBy }) };
  };
  const mirror = "http://mirror.example/debian";

  it.each([
    ["the security archive", source("http://mirror.example/debian-security", "bookworm-security")],
    ["the old security archive", source("http://mirror.example/debian-security", "buster/updates")],
    ["another distribution", source("http://mirror.example/ubuntu", "noble")],
    ["an archive with keys of its own", source("http://other.example/debian", "bookworm", ["main"], "/k/other.gpg")],
    ["an archive without main", source("http://other.example/debian", "bookworm", ["stable"])],
    ["a disc", source("cdrom:[Debian 13]/debian", "trixie")],
  ])("passes over %s", (_, other) => {
    expect(findDebianMirror([other, source(mirror)])).toBe(mirror);
    expect(findDebianMirror([other])).toBeUndefined();
  });

  it.each(["stable", "oldoldstable", "sid", "trixie", "bookworm-updates", "bookworm-backports"])(
    "takes a mirror that is listed for %s",
    (suite) => {
      expect(findDebianMirror([source(mirror, suite)])).toBe(mirror);
    },
  );

  it("takes a mirror signed by Debian's keyring, and a list of mirrors", () => {
    const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    const list = "mirror+file:/etc/apt/mirrors/debian.list";
    expect(findDebianMirror([source(list, "trixie", ["main"], keyring)])).toBe(list);
  });

  it("prefers an address that looks like a mirror", () => {
    expect(findDebianMirror([source("http://other.example/tools"), source(mirror)])).toBe(mirror);
  });
});

describe("stanzaFields", () => {
  it("reads what apt-cache shows", () => {
    const fields = stanzaFields("Package: linux-image-riscv64\nVersion: 6.12-1\nDescription: Linux\n for RISC-V\n");
    expect(Object.fromEntries(fields)).toEqual({
      package: "linux-image-riscv64",
      version: "6.12-1",
      description: "Linux\n for RISC-V",
    });
  });
});
