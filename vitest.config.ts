import { defineConfig } from "vitest/config";

// Tests import the packages' sources, so that a failing line is a line somebody wrote.
const source = (path: string) => new URL(`./packages/${path}`, import.meta.url).pathname;

export default defineConfig({
  resolve: {
    alias: {
      "@hartvisor/core/isa": source("core/src/isa.ts"),
      "@hartvisor/core": source("core/src/index.ts"),
      "@hartvisor/devices": source("devices/src/index.ts"),
      "@hartvisor/jit": source("jit/src/index.ts"),
      hartvisor: source("hartvisor/src/index.ts"),
    },
  },
  test: {
    include: ["packages/*/{src,isa,test}/**/*.test.ts"],
    // No test is decided by how long it takes: these end what hangs, on hosts ten times slower than they should be.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // Two files at once on two CPUs; half of them wait, for guests in processes of their own or for the network.
    maxWorkers: "100%",
    // What is waited for comes soon, but on a host that has other things to do: a hang is what lasts far longer.
    expect: { poll: { timeout: 50_000, interval: 5 } },
  },
});
