/** What the page that classifies pictures looks like, besides what all pages do. */
export const TRY_STYLE = `
button{font:inherit;font-weight:600;color:var(--ink);background:var(--card);border:1px solid var(--line);border-radius:9px;padding:9px 16px;min-height:44px;cursor:pointer}
button:hover{border-color:var(--second)}
button.main{background:var(--second);border-color:var(--second);color:var(--card)}
button:focus-visible,input:focus-visible{outline:2px solid var(--second);outline-offset:2px}
.take{border-style:dashed;border-width:2px;text-align:center}
.take p{margin:8px auto}
.drop{font-size:1.1rem}
.ways{display:flex;flex-wrap:wrap;gap:10px;justify-content:center}
.dragging .take{border-color:var(--second);border-style:solid}
#status{min-height:1.5em;color:var(--soft);font-size:.92rem}
.options{display:none}.used .options{display:block}
.legend-line{display:inline-block;height:1em;border-left:2px dashed var(--soft);margin:0 8px 0 4px;vertical-align:-.15em}
.options label{display:inline-flex;gap:8px;align-items:center;min-height:44px;cursor:pointer}
.options input{width:18px;height:18px;accent-color:var(--second)}
#live video{width:min(100%,480px);border-radius:10px;background:#000}
#cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:16px}
.card{position:relative;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px;min-width:0}
.picture{position:relative;aspect-ratio:1;border-radius:8px;overflow:hidden;background:var(--line)}
.picture canvas{position:absolute;inset:0;width:100%;height:100%}
.heat{opacity:0;transition:opacity .15s}.why .heat{opacity:1}
.failed .picture{display:none}.failed .answer{margin-right:48px}
.answer{font-size:1.25rem;line-height:1.3;font-weight:700;margin:12px 0 0}
.answer.unsure,.failed .answer{color:var(--warn)}
.failed .answer{color:var(--bad)}
.card .note{margin:0;min-height:1.5em}
.file{font-size:.8rem;color:var(--soft);margin:8px 0 0;max-height:2.8em;overflow:hidden}
.remove{position:absolute;top:8px;right:8px;padding:0;width:44px;border-radius:50%;opacity:.85;font-size:1.2rem}
.shares{display:grid;grid-template-columns:1fr;gap:2px;margin:6px 0 0}
.shares dt{color:var(--ink)}
.track{position:relative;height:24px;background:var(--paper);border-radius:6px;overflow:hidden}
.share{position:absolute;inset:0 auto 0 0;width:calc(var(--share)*100%);background:var(--line)}
.share.guess{background:var(--faint)}
.number{position:absolute;right:8px;top:1px;font-size:.86rem}
.line{position:absolute;top:0;bottom:0;left:calc(var(--share)*100%);border-left:2px dashed var(--soft)}
.about{margin:26px 0}
@media(prefers-reduced-motion:reduce){.heat{transition:none}}
`;
