/** The harts of a machine as its technique needs them: one each, or what the guest believes and what executes its code. */
import { CONSTANTS } from "../../isa/layout.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import type { FramePool } from "../memory/frame-pool.js";
import type { TechniqueName } from "../virtualization/technique.js";
import { HartState } from "./hart-state.js";
import { bankAddress, hartAddress, type MachineTables, virtualHartAddress } from "./layout-plan.js";
import { type ResetOptions, Vcpu } from "./vcpu.js";

/** What harts are made of. */
export interface VcpuPlan {
  readonly pool: FramePool;
  readonly tables: MachineTables;
  readonly interpreter: InterpreterExports;
  readonly technique: TechniqueName;
  /** One at least. */
  readonly count: number;
  /** How each begins. */
  reset(id: number): ResetOptions;
}

/** Makes all harts of a machine, and resets them. */
export function makeVcpus(plan: VcpuPlan): readonly [Vcpu, ...Vcpu[]] {
  const make = plan.technique === "direct" ? makeHart : makeVirtualHart;
  return Array.from({ length: plan.count }, (_, id) => make(plan, id, plan.reset(id))) as [Vcpu, ...Vcpu[]];
}

function makeHart({ pool, tables, interpreter }: VcpuPlan, id: number, options: ResetOptions): Vcpu {
  const vcpu = new Vcpu(id, new HartState(pool.memory, hartAddress(tables, id)), interpreter);
  vcpu.reset(bankAddress(tables, id), tables.vm, options);
  return vcpu;
}

/** A hart that is the guest's idea of one, and beside it the one that executes its code. */
function makeVirtualHart(plan: VcpuPlan, id: number, options: ResetOptions): Vcpu {
  const { pool, tables, interpreter, technique } = plan;
  const executor = makeHart(plan, id, options);
  const state = new HartState(pool.memory, virtualHartAddress(tables, id));
  state.set32("executor", executor.address);
  const vcpu = new Vcpu(id, state, interpreter);
  vcpu.reset(0, tables.vm, options);
  const flags = options.flags & ~CONSTANTS.OPTION_HYPERCALLS;
  executor.resetExecutor(bankAddress(tables, id), tables.vm, { ...options, flags }, vcpu.address);
  executor.state.set32("rewrites", technique === "binary-translation" ? 1 : 0);
  for (const hart of [executor, vcpu]) hart.state.set32("paravirtual", technique === "paravirtual" ? 1 : 0);
  return vcpu;
}
