/** What every hook gets to know of the hart that did something. */
import { HartvisorError } from "../error.js";
import type { Vcpu } from "../machine/vcpu.js";
import type { GuestEvent } from "./hooks.js";

/** Where a hart stands. */
export function eventAt({ id, state }: Vcpu): GuestEvent {
  return {
    hart: id,
    pc: state.pc,
    addressSpace: state.get64("satp"),
    getRegister: (register) => {
      if (Number.isInteger(register) && register >= 0 && register < 32) return state.getX(register);
      throw new HartvisorError("invalid-argument", `there is no register ${register}: they are numbered 0 to 31`);
    },
  };
}
