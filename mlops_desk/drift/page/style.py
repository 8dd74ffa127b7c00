"""How a drift report looks as a page: light or dark as the reader's screen is, and readable on paper."""

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --card: #f5f6f8; --line: #d7dae0; --text: #1c2128; --dim: #5b6472;
  --first: #7d8794; --second: #1f6fd0; --ok: #1a7f4b; --warning: #946200; --alert: #c0302b; }
@media (prefers-color-scheme: dark) { :root { --page: #16191e; --card: #1f242b; --line: #363d47; --text: #e4e7eb;
  --dim: #9aa4b2; --first: #8b95a3; --second: #62a8ff; --ok: #53c587; --warning: #e3ab3f; --alert: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 34px 0 10px; }
p { margin: 4px 0; }
.dim { color: var(--dim); }
.name { overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 18px 0 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.facts b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.facts span { color: var(--dim); font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: 13px; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
th.right, td.right { text-align: right; white-space: nowrap; }
th.right + th:not(.right), td.right + td:not(.right) { padding-left: 20px; }
td.name { min-width: 120px; max-width: 300px; }
.mark { display: inline-block; padding: 1px 9px; border-radius: 10px; border: 1px solid currentColor; font-size: 13px;
  font-weight: 600; white-space: nowrap; }
.ok { color: var(--ok); } .warning { color: var(--warning); } .drift, .critical { color: var(--alert); }
.insufficient_data, .not_compared { color: var(--dim); }
details { border: 1px solid var(--line); border-radius: 8px; margin: 8px 0; background: var(--card); }
summary { cursor: pointer; padding: 9px 14px; display: flex; gap: 12px;
  align-items: center; flex-wrap: wrap; }
summary::before { content: "\\25b8"; color: var(--dim); }
details[open] summary::before { content: "\\25be"; }
details > div { padding: 2px 14px 14px; }

.halves { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: 8px 28px; align-items:
  start; }
svg { display: block; max-width: 100%; height: auto; }
svg text { fill: var(--dim); font: 11px system-ui, sans-serif; }
.first { fill: var(--first); } .second { fill: var(--second); }
.line { fill: none; stroke: var(--second); stroke-width: 1.6; } .axis { stroke: var(--line); }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 5px 0 12px; }
.key.one { background: var(--first); } .key.two { background: var(--second); }
@media print { details { break-inside: avoid; } body { font-size: 12px; } }
"""
