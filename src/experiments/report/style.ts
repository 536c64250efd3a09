/**
 * The page's style sheet: one column of figures that rearranges itself from a desk's screen to a
 * phone's, dark where the reader's system is dark, black on white on paper. Charts take their colours
 * from the variables.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c1d21; --muted: #6b6f78; --line: #e3e5e9; --panel: #f6f7f9;
  --accent: #0072b2; --second: #c05600; --warn: #fff3d6; --warn-ink: #5c4300;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171b; --ink: #e8e9ec; --muted: #9ba0aa; --line: #31353c; --panel: #1d2026;
    --accent: #56b4e9; --second: #f0a04b; --warn: #3d3113; --warn-ink: #ffe2a3;
  }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --ink: #000000; --muted: #5b5f67; --line: #d5d7db; --panel: #ffffff;
    --accent: #0072b2; --second: #c05600; --warn: #ffffff; --warn-ink: #000000;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem;
  background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif;
}
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 0.25rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 0.5rem; padding-top: 0.75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 0.25rem; }
h4 { font-size: 0.95rem; margin: 0 0 0.35rem; }
p, ul, dl { max-width: 46rem; }
a { color: var(--accent); }
code { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, monospace; font-size: 0.86em; }
pre { background: var(--panel); padding: 0.75rem 1rem; border-radius: 6px; overflow-x: auto; white-space: pre-wrap; }
small, .note, figcaption, header p { color: var(--muted); }
.note, figcaption { font-size: 0.85rem; }
nav { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; margin: 0.75rem 0 1.5rem; font-size: 0.92rem; }
nav a { text-decoration: none; }
.lead { font-size: 1.2rem; line-height: 1.45; margin: 0.5rem 0; }
.findings { background: var(--panel); border-radius: 8px; padding: 0.75rem 1.25rem; }
.findings p, .findings ul { max-width: none; }
.warning { background: var(--warn); color: var(--warn-ink); border-radius: 6px; padding: 0.6rem 0.9rem; font-weight: 600; }
figure { margin: 1rem 0; }
.charts { display: grid; gap: 0.5rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
.panels { display: grid; gap: 0.5rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.chart-figure { margin: 0.75rem 0; min-width: 0; break-inside: avoid; }
.chart-figure figcaption { margin-top: 0.4rem; }
.chart-figure svg { display: block; width: 100%; height: auto; max-width: 34rem; }
.chart { font-family: inherit; }
.chart text { white-space: pre; }
table { border-collapse: collapse; width: 100%; font-size: 0.93rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.45rem 0.6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { font-size: 0.82rem; font-weight: 600; color: var(--muted); vertical-align: bottom; }
tbody th { font-weight: 600; }
tbody th small { display: block; font-weight: 400; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
figure.table { overflow-x: auto; }
figure.table figcaption { margin-top: 0.5rem; }
data[title] { text-decoration: none; cursor: help; }
.verdict.better, .verdict.worse { font-weight: 700; color: var(--accent); }
.verdict.worse { color: var(--second); }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--accent); }
dt { font-weight: 600; margin-top: 0.5rem; }
dd { margin: 0; }
.settings { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1.25rem; font-size: 0.92rem; }
.settings dt { margin: 0; }
.maps { overflow-x: auto; }
.maps table { width: auto; }
.maps th { position: sticky; left: 0; background: var(--paper); min-width: 7.5rem; max-width: 10rem; overflow-wrap: anywhere; }
.confusion .chart-figure { overflow-x: auto; }
.confusion svg { min-width: 30rem; }
.confusion.wide { grid-template-columns: minmax(0, 1fr); }
.confusion.wide svg { max-width: 52rem; min-width: 44rem; }
.maps td { padding: 0.3rem; text-align: center; }
.maps td small { display: block; font-size: 0.75rem; line-height: 1.3; }
.maps img { display: block; width: 104px; height: 104px; border-radius: 4px; image-rendering: auto; }
@media (max-width: 44rem) {
  body { padding: 1.25rem 0.9rem 3rem; }
  .table thead { display: none; }
  .table tr { display: block; border-bottom: 1px solid var(--line); padding: 0.5rem 0; }
  .table th, .table td { display: flow-root; border: 0; padding: 0.12rem 0; text-align: right; white-space: normal; overflow-wrap: anywhere; }
  .table tbody th { text-align: left; font-size: 1.02rem; }
  .table td::before { content: attr(data-head); color: var(--muted); float: left; margin-right: 1rem; }
  .table td:empty { display: none; }
  .maps th { min-width: 5.2rem; max-width: 6rem; font-size: 0.85rem; }
  .maps img { width: 76px; height: 76px; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 11pt; }
  nav { display: none; }
  h2 { break-after: avoid; }
  tr, figure { break-inside: avoid; }
  details::details-content { content-visibility: visible; }
  .findings { border: 1px solid var(--line); }
}
`;
