/**
 * A property of a device tree node: cells are 32-bit numbers, a bigint takes
 * two cells (high half first), strings are NUL-terminated, a boolean `true`
 * is an empty property.
 */
export type PropertyValue =
  | true
  | number
  | bigint
  | string
  | readonly (number | bigint)[]
  | readonly string[]
  | Uint8Array;

/** A node of a device tree (Devicetree Specification 0.4, 2.2), before it is flattened. */
export interface DeviceTreeNode {
  /** Node name with its unit address, e.g. `serial@10000000`; empty for the root. */
  readonly name: string;
  /** Label by which other nodes' {@link DeviceTreeContext.phandle} finds this one; gives it a `phandle` property. */
  readonly label?: string;
  readonly properties?: Readonly<Record<string, PropertyValue>>;
  readonly children?: readonly DeviceTreeNode[];
}
