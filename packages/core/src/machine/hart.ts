/** A hart as the host sees it: its registers while the machine is paused. */
import { csrNamed, csrNumbered } from "../../isa/csrs.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import { HartvisorError } from "../error.js";
import type { HartState } from "./hart-state.js";

export type PrivilegeName = "user" | "supervisor" | "machine";

const PRIVILEGES: readonly (PrivilegeName | undefined)[] = ["user", "supervisor", undefined, "machine"];

/** What a hart needs of its machine: leave to touch it. */
export type AccessCheck = () => void;

export class Hart {
  readonly id: number;
  readonly #state: HartState;
  readonly #interpreter: InterpreterExports;
  readonly #check: AccessCheck;

  constructor(id: number, state: HartState, interpreter: InterpreterExports, check: AccessCheck) {
    this.id = id;
    this.#state = state;
    this.#interpreter = interpreter;
    this.#check = check;
  }

  /** Address of the next instruction. */
  get pc(): bigint {
    this.#check();
    return this.#state.pc;
  }

  set pc(value: bigint) {
    this.#check();
    this.#state.pc = BigInt.asUintN(64, value) & ~1n;
  }

  get privilege(): PrivilegeName {
    this.#check();
    return PRIVILEGES[this.#state.get32("privilege")] ?? "machine";
  }

  /** Steps so far: instructions that retired, and those that trapped. */
  get executedInstructions(): number {
    return this.#state.getNumber("executed");
  }

  /** Integer register x0..x31, as an unsigned 64-bit value. */
  getRegister(register: number): bigint {
    this.#check();
    return this.#state.getX(checkRegister(register));
  }

  /** Writes to x0 are ignored, as the hart's own are. */
  setRegister(register: number, value: bigint): void {
    this.#check();
    this.#state.setX(checkRegister(register), BigInt.asUintN(64, value));
  }

  /** Float register f0..f31: the bits, NaN-boxed if single. */
  getFloatRegister(register: number): bigint {
    this.#check();
    return this.#state.getF(checkRegister(register));
  }

  setFloatRegister(register: number, value: bigint): void {
    this.#check();
    this.#state.setF(checkRegister(register), BigInt.asUintN(64, value));
  }

  /** Reads a CSR by name or number, as M-mode would. */
  getCsr(csr: string | number): bigint {
    this.#check();
    return BigInt.asUintN(64, this.#interpreter.readCsr(this.#state.address, csrNumber(csr)));
  }

  /** Writes a CSR by name or number, as M-mode would: illegal values become legal ones. */
  setCsr(csr: string | number, value: bigint): void {
    this.#check();
    this.#interpreter.writeCsr(this.#state.address, csrNumber(csr), BigInt.asUintN(64, value));
  }
}

function checkRegister(register: number): number {
  if (Number.isInteger(register) && register >= 0 && register < 32) return register;
  throw new HartvisorError("invalid-argument", `there is no register ${register}: they are numbered 0 to 31`);
}

function csrNumber(csr: string | number): number {
  const row = typeof csr === "string" ? csrNamed(csr) : csrNumbered(csr);
  if (row === undefined) throw new HartvisorError("invalid-argument", `this machine has no CSR ${csr}`);
  return row.number;
}
