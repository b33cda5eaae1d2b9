/** The page's style, for light and dark. */

/** Okabe and Ito's colours, which people of all kinds of sight can tell apart (Color Universal Design, 2008). */
const TECHNIQUES: Readonly<Record<string, string>> = {
  direct: "#0072b2",
  "trap-and-emulate": "#d55e00",
  "binary-translation": "#009e73",
  paravirtual: "#cc79a7",
  host: "#56b4e9",
};
const KINDS = ["#e69f00", "#56b4e9", "#009e73", "#d55e00", "#0072b2", "#cc79a7", "#b0a030", "#888888"];

const colours = [
  ...Object.entries(TECHNIQUES).map(([name, colour]) => `.bar.${name}{fill:${colour}}`),
  ...KINDS.map((colour, n) => `.kind${n}{fill:${colour}}`),
];

export const STYLE = `
:root{color-scheme:light dark;--text:#1b1b1b;--soft:#666;--line:#ddd;--back:#fff;--box:#f5f5f2}
@media(prefers-color-scheme:dark){:root{--text:#e6e6e6;--soft:#999;--line:#3a3a3a;--back:#16181a;--box:#212427}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:1000px;margin:2em auto;padding:0 1em}
h1{font-size:1.9em}h2{margin-top:2.4em;border-bottom:1px solid var(--line)}h3{margin:2em 0 .3em}
h3 code,.about{color:var(--soft);font-weight:normal;font-size:.85em}
a{color:inherit}
figure{margin:1em 0;overflow-x:auto}
svg.charts{max-width:100%;height:auto;min-width:760px;font:11.5px system-ui,sans-serif}
svg text{fill:var(--text)}svg .head,svg .tick,svg .key,svg .absent{fill:var(--soft)}
svg .head{font-weight:600}svg .label{text-anchor:end}svg .tick{text-anchor:middle;font-size:10px}svg .absent{font-style:italic}
svg .grid{stroke:var(--line)}svg .spread{stroke:var(--text);stroke-width:2}
svg .bar.interpreter{opacity:.55}
${colours.join("")}
.textbook{background:var(--box);padding:.4em 1em;border-left:4px solid var(--line)}.textbook p{margin:.3em 0}
.yes b{color:#158a52}.no b,b.no{color:#d0342c}
table{border-collapse:collapse;font-size:.8em;margin:.5em 0}th,td{text-align:left;vertical-align:top;padding:.15em .8em .15em 0;border-bottom:1px solid var(--line)}
.number{font-variant-numeric:tabular-nums}details{font-size:.95em;color:var(--soft)}nav{overflow-x:auto}
`;
