/** What our pages with a script need beside the style of all pages. */
export const APP_STYLE = `
.drop{display:block;border:2px dashed var(--line);border-radius:12px;padding:30px 20px;text-align:center;cursor:pointer;background:var(--card);margin:20px 0 8px}
.drop b{display:block;font-size:1.2rem}.drop:hover,.drop.over{border-color:var(--second)}
.drop:focus-within{outline:2px solid var(--second);outline-offset:2px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
#status{min-height:1.5em;font-weight:600}#status.bad{color:var(--bad)}
#cards{list-style:none;margin:12px 0;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:16px}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px;display:flex;flex-direction:column;gap:8px;min-width:0;scroll-margin:12px}
.card:focus{outline:none}.card.current{border-color:var(--second);box-shadow:0 0 0 2px var(--second)}
.card.done{opacity:.75}
.card img,.card .blank{width:100%;aspect-ratio:4/3;object-fit:contain;border-radius:8px;background:var(--paper);image-rendering:auto}
.card p{margin:0}.card .name{font-size:.78rem;color:var(--soft)}
.card .said{font-size:1.15rem;font-weight:700}.card .said .chip{margin-left:8px}
.card.unsure .said{color:var(--warn)}.card.failed .said{color:var(--bad);font-size:1rem}
.card .rows{width:100%;margin:0;font-size:.86rem}.card .rows td{padding:1px 8px 1px 0}.card .rows td:last-child{width:50%;padding:0}
.card .rows td:first-child{min-width:0}
.keys{display:flex;flex-wrap:wrap;gap:6px;margin-top:auto}
button,select{font:inherit;font-size:.9rem;color:var(--ink);background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:6px 10px;min-height:36px;cursor:pointer;max-width:100%;overflow-wrap:anywhere}
button:hover{border-color:var(--second)}button:focus-visible,select:focus-visible{outline:2px solid var(--second);outline-offset:1px}
button[aria-pressed=true]{background:var(--second);border-color:var(--second);color:var(--card)}
button:disabled{opacity:.5;cursor:default}
kbd{font:.82em ui-monospace,Menlo,Consolas,monospace;border:1px solid currentColor;border-radius:4px;padding:0 4px;opacity:.7}
.bars-row{display:flex;gap:10px;flex-wrap:wrap;align-items:center}
@media(max-width:560px){#cards{grid-template-columns:1fr}.drop{padding:22px 12px}}
`;
