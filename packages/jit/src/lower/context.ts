/**
 * One region's function while it is written: its locals, and the small phrases
 * that all lowerings use.
 */
import { CONSTANTS, hartOffset } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { lowest, NO_REGISTERS, type RegisterSet, union, withoutLowest } from "../guest/registers.js";
import type { Region } from "../region/block.js";
import type { Callee, ModuleBuilder } from "../wasm/module.js";
import { EMPTY, Op, Type } from "../wasm/opcodes.js";
import type { ByteWriter } from "../wasm/writer.js";
import { GROUP_LOCALS } from "./access-groups.js";
import { ExitStubs } from "./exit-stubs.js";
import type { LoweringNotes, Mark } from "./notes.js";
import { RegisterLocals } from "./register-locals.js";

const { REGISTER_WINDOW, WINDOW_HART, WINDOW_LEFT } = CONSTANTS;
const X_WINDOW = REGISTER_WINDOW + hartOffset("x");
const F_WINDOW = REGISTER_WINDOW + hartOffset("f");

/** Locals that every region has. The first two are its parameters. */
export const Local = {
  pc: 0,
  stack: 1,
  hart: 2,
  left: 3,
  bank: 4,
  entry: 5,
  machine: 6,
  exit: 7,
  float: 8,
  state: 9,
  address: 10,
  value: 11,
  double: 12,
  single: 13,
  /** What the products of a batch of arithmetic come to, and its sums (see `float-looks.ts`). */
  products: 14,
  sums: 15,
  /** The first of those for groups of accesses. */
  group: 16,
} as const;
const FIRST_REGISTER = Local.group + GROUP_LOCALS;

/** Bits of the local `float`: FS is dirty; and the fast path of arithmetic is exact. */
export const FLOAT_DIRTY = 1;
export const FLOAT_FAST = 0x80;

/** An exit that gives an instruction back: where, relative to the entry's page, and how many counted instructions were not executed. */
const EXIT_SHIFT = 12;
/** In the offset of an exit, or a pc: the interpreter executes the instruction there. */
const INTERPRET = 1;
/** The upper half of a register that holds a single (Unprivileged ISA 21.2). */
const BOXED = -1;

/** What the host's WebAssembly and the machine allow. */
export interface LoweringOptions {
  /** The host has `return_call_indirect`. */
  readonly tailCalls: boolean;
  /** `relaxed_madd` and `relaxed_nmadd` round once. */
  readonly fusedMultiplyAdd: boolean;
  /** Accesses off one register share a probe; they then do not look at alignment. */
  readonly groupAccesses: boolean;
  /** Small loops stand in the code several times over. */
  readonly unrollsLoops: boolean;
}

export class FunctionContext {
  /** Where code goes: the function's body, and when that is done what stands around it. */
  out: ByteWriter;
  readonly options: LoweringOptions;
  readonly #module: ModuleBuilder;
  readonly #entry: number;
  readonly #locals: RegisterLocals;
  /** Float registers that hold singles only. */
  readonly #singles: number;
  readonly usesFloat: boolean;
  readonly #stubs = new ExitStubs();
  /** Registers whose locals may differ from the window, at the place that is being written. */
  #dirty = NO_REGISTERS;
  /**
   * Integer registers by their bits that are in the window alone, and loaded where they are first needed: the host need not
   * keep them from the entry, or a call, to there, and other ways go on without.
   */
  pending = 0;
  /** Places in `out` of branches that are seldom taken. */
  readonly #unlikely: number[] = [];
  /** Bytes of the body before what is being written. */
  #before = 0;
  readonly #notes: LoweringNotes | undefined;
  readonly #marks: Mark[] = [];
  /** Open blocks, loops and ifs of the body around the code that is being written. */
  #depth = 0;

  constructor(module: ModuleBuilder, region: Region, options: LoweringOptions, notes?: LoweringNotes) {
    this.#module = module;
    this.out = module.writers.body;
    this.options = options;
    this.#notes = notes;
    this.#entry = region.entry;
    this.#singles = region.singles;
    this.usesFloat = region.registers.f !== 0;
    this.#locals = new RegisterLocals(FIRST_REGISTER, region.registers, region.singles);
  }

  /** Notes that the code of a block or an instruction begins here, if anybody wants to know. */
  mark(what: Mark["what"], offset: number): void {
    if (this.#notes !== undefined) this.#marks.push({ what, offset, position: this.out.length });
  }

  /** Appends opcodes, or the bytes of their immediates. */
  op(first: number, second?: number, third?: number): void {
    this.out.byte(first);
    if (second !== undefined) this.out.byte(second);
    if (third !== undefined) this.out.byte(third);
  }

  i32(value: number): void {
    this.out.byte(Op.i32_const);
    this.out.signed(value);
  }

  i64(value: number): void {
    this.out.byte(Op.i64_const);
    this.out.signed(value);
  }

  get(local: number): void {
    this.out.byte(Op.local_get);
    this.out.unsigned(local);
  }

  set(local: number): void {
    this.out.byte(Op.local_set);
    this.out.unsigned(local);
  }

  tee(local: number): void {
    this.out.byte(Op.local_tee);
    this.out.unsigned(local);
  }

  /** A load or store whose address is on the stack; alignment is never promised. */
  memory(opcode: number, offset: number): void {
    this.out.byte(opcode);
    this.out.byte(0);
    this.out.unsigned(offset);
  }

  call(callee: Callee): void {
    this.out.byte(Op.call);
    this.out.unsigned(this.#module.callee(callee));
  }

  /** The virtual address of an offset. */
  address(offset: number): void {
    this.get(Local.pc);
    if (offset === this.#entry) return;
    this.i64(offset - this.#entry);
    this.op(Op.i64_add);
  }

  getX(register: number): void {
    if (((this.pending >>> register) & 1) !== 0) throw new RangeError(`x${register} is not loaded`);
    if (register === 0) this.i64(0);
    else this.get(this.#locals.readX(register));
  }

  /** Writes what is on the stack; for x0 it must still be taken off. */
  setX(register: number): void {
    if (register === 0) this.op(Op.drop);
    else this.set(this.#locals.writeX(register));
  }

  getF(register: number): void {
    this.get(this.#locals.readF(register));
  }

  setF(register: number): void {
    this.set(this.#locals.writeF(register));
  }

  /** Whether a float register's local is an f32. */
  isSingle(register: number): boolean {
    return this.#locals.isSingle(register);
  }

  // Structure.

  get depth(): number {
    return this.#depth;
  }

  open(opcode: number): void {
    this.op(opcode, EMPTY);
    this.#depth++;
  }

  else(): void {
    this.op(Op.else);
  }

  close(): void {
    this.op(Op.end);
    this.#depth--;
  }

  /** Says of the `br_if` or `if` that comes next that its condition seldom holds. */
  unlikely(): void {
    this.#unlikely.push(this.#before + this.out.length);
  }

  /** Branches out of the construct that was opened when the depth was `depth`. */
  branch(opcode: number, depth: number): void {
    this.out.byte(opcode);
    this.out.unsigned(this.#depth - depth - 1);
  }

  // Leaving.

  /** Leaves without anything from `offset` on being executed; `uncounted` of the block's instructions were not, either. */
  giveBack(offset: number, uncounted: number, interpret = true): void {
    this.i32(exitCode(offset, uncounted, interpret));
    this.set(Local.exit);
    this.leaveByStub();
  }

  /** Leaves as the exit local says. */
  leaveByStub(): void {
    this.#stubs.branch(this.out, Op.br, this.#depth, this.#dirty);
  }

  /** The same if the i32 on the stack is not zero. */
  giveBackIf(offset: number, uncounted: number, interpret = true): void {
    this.unlikely();
    this.open(Op.if);
    this.giveBack(offset, uncounted, interpret);
    this.close();
  }

  // Batches.

  /** Begins a batch of instructions, none of which leaves the region, or begins it again: registers are what they were before. */
  beginBatch(): void {
    this.#locals.beginBatch();
  }

  /** Makes what the batch wrote the values of its registers. */
  endBatch(): void {
    this.#locals.endBatch((from, to) => {
      this.get(from);
      this.set(to);
    });
  }

  // Registers.

  get dirty(): RegisterSet {
    return this.#dirty;
  }

  /** Says which registers are dirty where code of a block begins, or goes on. */
  set dirty(registers: RegisterSet) {
    this.#dirty = registers;
    this.#stubs.beginBlock();
  }

  /** From here on the registers that an instruction writes are dirty. */
  wrote(instruction: GuestInstruction): void {
    this.#dirty = union(this.#dirty, instruction.writes);
    this.pending &= ~instruction.writes.x;
  }

  /** Loads those of these integer registers that are pending. */
  loadPending(registers: number): void {
    const loaded = this.pending & registers;
    if (loaded === 0) return;
    this.pending &= ~loaded;
    for (let rest = loaded; rest !== 0; rest = withoutLowest(rest)) {
      this.i32(0);
      this.memory(Op.i64_load, X_WINDOW + lowest(rest) * 8);
      this.set(this.#locals.readX(lowest(rest)));
    }
  }

  /** Stores all that is dirty. */
  storeRegisters(): void {
    this.#storeRegisters(this.#dirty);
  }

  #storeRegisters({ x, f }: RegisterSet): void {
    for (let rest = x; rest !== 0; rest = withoutLowest(rest)) {
      this.i32(0);
      this.getX(lowest(rest));
      this.memory(Op.i64_store, X_WINDOW + lowest(rest) * 8);
    }
    for (let rest = f; rest !== 0; rest = withoutLowest(rest)) {
      const [register, place] = [lowest(rest), F_WINDOW + lowest(rest) * 8];
      this.i32(0);
      this.getF(register);
      if (this.isSingle(register)) {
        this.memory(Op.f32_store, place);
        this.i32(0);
        this.i32(BOXED);
        this.memory(Op.i32_store, place + 4);
      } else this.memory(Op.f64_store, place);
    }
  }

  /** Loads float registers. Returns the address in a local, for the interpreter to go on there, if what shall be a single is none. */
  loadFloats(f: number, address: number): void {
    for (let rest = f; rest !== 0; rest = withoutLowest(rest)) {
      this.i32(0);
      this.memory(this.isSingle(lowest(rest)) ? Op.f32_load : Op.f64_load, F_WINDOW + lowest(rest) * 8);
      this.setF(lowest(rest));
    }
    if ((f & this.#singles) !== 0) this.#requireBoxed(f & this.#singles, address);
  }

  #requireBoxed(singles: number, address: number): void {
    for (let rest = singles; rest !== 0; rest = withoutLowest(rest)) {
      this.i32(0);
      this.memory(Op.i32_load, F_WINDOW + lowest(rest) * 8 + 4);
      if (rest !== singles) this.op(Op.i32_and);
    }
    this.i32(BOXED);
    this.op(Op.i32_ne, Op.if, EMPTY);
    this.get(address);
    this.i64(INTERPRET);
    this.op(Op.i64_or, Op.return, Op.end);
  }

  storeLeft(): void {
    this.i32(0);
    this.get(Local.left);
    this.memory(Op.i32_store, WINDOW_LEFT);
  }

  /** Bytes of host stack that the function's frame may take, as an estimate. */
  get frameSize(): number {
    return 160 + 8 * this.#locals.types.length;
  }

  /**
   * Completes the function with its locals and prologue, and the stubs that give instructions back, and adds it to the
   * module. `goOn` writes what may be done with the address local instead of returning it to be gone on with.
   */
  finish(liveFloats: number, goOn: () => void): void {
    const { head, body, tail } = this.#module.writers;
    this.pending = 0; // what stubs store was written
    this.#stubs.resolve(body);
    this.out = head;
    this.#declareLocals();
    this.#prologue(liveFloats);
    this.op(Op.block, EMPTY);
    this.#stubs.open(head);
    this.out = tail;
    this.#before = body.length;
    this.op(Op.unreachable);
    this.#stubs.close(tail, (dirty) => this.#storeRegisters(dirty));
    this.op(Op.end);
    this.#giveBackEnd(goOn);
    this.op(Op.end);
    if (this.#notes !== undefined) this.#tell(this.#notes, head.length);
    const bodyBegin = head.length;
    this.#module.addFunction(this.#unlikely.map((position) => position + bodyBegin));
  }

  #declareLocals(): void {
    const { out } = this;
    const groups = [
      [8, Type.i32],
      [2, Type.i64],
      [1, Type.f64],
      [1, Type.f32],
      [2, Type.f64],
      [GROUP_LOCALS, Type.i32],
    ] as const;
    out.unsigned(groups.length + this.#locals.types.length);
    for (const [count, type] of groups) {
      out.unsigned(count);
      out.byte(type);
    }
    for (const type of this.#locals.types) {
      out.unsigned(1);
      out.byte(Type[type]);
    }
  }

  #tell(notes: LoweringNotes, bodyBegin: number): void {
    notes.marks = this.#marks.map((mark) => ({ ...mark, position: mark.position + bodyBegin }));
    const names: string[] = Object.keys(Local).slice(0, Local.group);
    for (let n = 0; n < GROUP_LOCALS; n++) names.push(`group${n}`);
    this.#locals.tell(names);
    notes.locals = names;
  }

  #prologue(liveFloats: number): void {
    this.i32(0);
    this.memory(Op.i32_load, WINDOW_HART);
    this.set(Local.hart);
    this.i32(0);
    this.memory(Op.i32_load, WINDOW_LEFT);
    this.set(Local.left);
    this.loadBank();
    if (this.usesFloat) this.loadFloatState();
    this.loadFloats(liveFloats, Local.pc);
  }

  loadBank(): void {
    this.get(Local.hart);
    this.memory(Op.i32_load, hartOffset("dataBank"));
    this.set(Local.bank);
  }

  loadFloatState(): void {
    this.get(Local.hart);
    this.memory(Op.i32_load, hartOffset("floatFast"));
    this.get(Local.hart);
    this.memory(Op.i32_load, hartOffset("mstatus"));
    this.i32(0x6000);
    this.op(Op.i32_and);
    this.i32(0x6000);
    this.op(Op.i32_eq, Op.i32_or);
    this.set(Local.float);
  }

  /** Behind the stubs: takes back from the budget what was not executed, and goes on at the pc or returns it. */
  #giveBackEnd(goOn: () => void): void {
    this.get(Local.left);
    this.get(Local.exit);
    this.i32((1 << EXIT_SHIFT) - 1);
    this.op(Op.i32_and, Op.i32_add);
    this.set(Local.left);
    this.storeLeft();
    this.get(Local.pc);
    this.get(Local.exit);
    this.i32(EXIT_SHIFT);
    this.op(Op.i32_shr_s, Op.i64_extend_i32_s);
    this.i64(-this.#entry);
    this.op(Op.i64_add, Op.i64_add);
    this.set(Local.address);
    this.get(Local.exit);
    this.i32(INTERPRET << EXIT_SHIFT);
    this.op(Op.i32_and, Op.i32_eqz);
    this.op(Op.if, EMPTY);
    goOn();
    this.op(Op.end);
    this.get(Local.address);
  }
}

/** Whether an exit code can name an offset. */
export const isExitOffset = (offset: number): boolean => offset === (offset << EXIT_SHIFT) >> EXIT_SHIFT;

/** How an exit is told to what stands behind the stubs. */
export function exitCode(offset: number, uncounted: number, interpret: boolean): number {
  return ((offset | (interpret ? INTERPRET : 0)) << EXIT_SHIFT) | uncounted;
}
