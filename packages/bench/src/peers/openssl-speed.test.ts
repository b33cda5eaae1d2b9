import { describe, expect, it } from "vitest";
import { unitMs } from "./openssl-speed.js";

describe("unitMs", () => {
  it("means the times of a megabyte, a signature and a verification", () => {
    const output = "+H:8192\r\n+F:6:sha256:100000000.00\r\n+F4:3:256:1000.0:250.000000\r\n+DT:sha256:1:8192\r\n";
    expect(unitMs(output)).toBeCloseTo((10 * 1 * 4) ** (1 / 3));
  });

  it("refuses an output without figures", () => expect(() => unitMs("speed: not found")).toThrow("no figures"));
});
