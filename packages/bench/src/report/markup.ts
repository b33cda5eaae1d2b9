/** Text in HTML and SVG. */

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** A text as it stands in an element or in an attribute. */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}

/** An element. Children are markup already; attributes are not, and those that are undefined are left out. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...children: readonly string[]
): string {
  const list = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${escaped(typeof value === "number" ? round(value) : value)}"`],
  );
  return `<${name}${list.join("")}>${children.join("")}</${name}>`;
}

/** A tenth of a pixel is fine enough. */
function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
