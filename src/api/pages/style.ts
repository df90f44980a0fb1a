/** The pages' one style sheet: light and dark by the reader's own setting. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ink: light-dark(#1c2024, #e8e6e1);
  --faint: light-dark(#62696f, #9aa0a6);
  --paper: light-dark(#fbfaf7, #15181b);
  --card: light-dark(#ffffff, #1d2125);
  --line: light-dark(#e3e0d8, #2e343a);
  --accent: light-dark(#b4530a, #f7a14a);
  --good: light-dark(#1d6b3a, #7bd39a);
  --wait: light-dark(#7a5a00, #e5c463);
  --bad: light-dark(#a32020, #ff8f86);
}
* { box-sizing: border-box; }
body {
  margin: 0;
  font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink);
  background: var(--paper);
}
header {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.4rem 0.8rem;
  max-width: 68rem;
  margin: 0 auto;
  padding: 1.2rem 1.2rem 0;
}
header .name { font-size: 1.5rem; font-weight: 700; color: var(--ink); text-decoration: none; }
header nav { margin-left: auto; display: flex; gap: 1rem; }
main { max-width: 68rem; margin: 0 auto; padding: 0 1.2rem 3rem; }
h1 { font-size: 1.15rem; overflow-wrap: anywhere; margin: 1.5rem 0 0.5rem; }
h2 { font-size: 1.05rem; margin: 0 0 0.6rem; }
section {
  margin-top: 1.2rem;
  padding: 1rem 1.2rem;
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 10px;
}
section > p:first-of-type { margin-top: 0; }
a { color: var(--accent); }
code { font: 0.9em ui-monospace, monospace; }
code.url { display: block; white-space: nowrap; }
.hint, .empty { color: var(--faint); }
.hint { font-size: 0.875rem; margin: 0.4rem 0 0; }
header .hint { margin: 0; }
.empty { margin: 0; }
.tiles {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: 0.8rem;
  margin: 1.2rem 0 0;
}
.tiles div {
  padding: 0.8rem 1rem;
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 10px;
}
.tiles dt { color: var(--faint); font-size: 0.875rem; }
.tiles dd { margin: 0; font-size: 1.5rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.925rem; }
th, td { text-align: left; padding: 0.4rem 1rem 0.4rem 0; white-space: nowrap; }
th { color: var(--faint); font-weight: 500; border-bottom: 1px solid var(--line); }
td { border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
tbody tr:last-child td { border-bottom: 0; }
.words { display: inline-block; min-width: 11rem; white-space: normal; overflow-wrap: anywhere; }
section > .scroll + p { margin: 0.8rem 0 0; }
.badge {
  display: inline-block;
  padding: 0 0.55rem;
  border: 1px solid currentcolor;
  border-radius: 1rem;
  font-size: 0.8rem;
  white-space: nowrap;
}
.good { color: var(--good); }
.wait { color: var(--wait); }
.bad { color: var(--bad); }
.chart { max-width: 100%; height: auto; display: block; }
.chart rect { fill: var(--accent); }
form { display: flex; gap: 0.6rem; }
input, button, textarea {
  font: inherit;
  color: inherit;
  padding: 0.4rem 0.7rem;
  background: var(--paper);
  border: 1px solid var(--line);
  border-radius: 8px;
}
input { flex: 1; min-width: 0; }
form.fields { flex-direction: column; align-items: stretch; max-width: 44rem; }
form.fields label { display: flex; flex-direction: column; gap: 0.2rem; }
form.fields label.check { flex-direction: row; gap: 0.6rem; }
form.fields label.check input { flex: none; }
form.fields button { align-self: start; }
pre.text {
  padding: 1rem 1.2rem;
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 10px;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
button { cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`
