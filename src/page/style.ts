/** The looks of our pages: light and dark, screen, phone and paper. */
export const STYLE = `
:root{color-scheme:light dark;--paper:#f6f5f1;--card:#fff;--ink:#1d2327;--soft:#5c676e;--line:#dfdcd3;--first:#b4500f;--second:#22659c;--faint:#d9b48f;--good:#1f7a4d;--bad:#b3261e;--warn:#8a5a00;--heat:34 101 156}
@media(prefers-color-scheme:dark){:root{--paper:#14181b;--card:#1c2226;--ink:#e8e6e1;--soft:#9fabb2;--line:#323b41;--first:#f0985a;--second:#6db3ea;--faint:#6b4a31;--good:#5fc48e;--bad:#ff8a80;--warn:#e5b454;--heat:88 160 216}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
header,main,footer{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:36px}
h1{font-size:1.05rem;font-weight:600;color:var(--soft);margin:0}
h2{font-size:1.3rem;line-height:1.3;margin:0 0 4px}
h2 small{font-weight:400;font-size:.85rem;margin-left:10px}
h3{font-size:1rem;margin:26px 0 8px}
p{margin:6px 0;max-width:72ch}
a{color:var(--second)}
.verdict{font-size:clamp(1.5rem,4.6vw,2.3rem);line-height:1.2;font-weight:700;letter-spacing:-.015em;margin:10px 0 8px;max-width:26ch}
.poor{color:var(--bad)}
.status{display:inline-flex;align-items:center;gap:7px;font-size:.85rem;font-weight:600;border:1px solid currentColor;border-radius:99px;padding:2px 12px 2px 10px;margin-top:14px}
.status::before{content:"";width:9px;height:9px;border-radius:50%;background:currentColor}
.status.done{color:var(--soft)}.status.failed{color:var(--bad)}.status.interrupted{color:var(--warn)}.status.running{color:var(--second)}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:18px 0 0;font-size:.92rem}
nav a{text-decoration:none}nav a:hover{text-decoration:underline}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:22px 24px 24px;margin:20px 0}
.hint,.none,figcaption,small,.note{color:var(--soft)}
.hint{font-size:.95rem;margin-bottom:14px}
.none{font-style:italic}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--paper);border:1px solid var(--line);border-radius:5px;padding:1px 5px}
pre{overflow-x:auto;margin:8px 0;padding:10px 12px;background:var(--paper);border:1px solid var(--line);border-radius:8px;font:.86rem/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0 4px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 16px}
.tile b{display:block;font-size:1.55rem;line-height:1.25;font-weight:700;letter-spacing:-.01em}
.tile span{display:block;font-size:.86rem;color:var(--soft)}
.tile.poor,.tile.critical{border-color:var(--bad);color:var(--bad)}.tile.warning{border-color:var(--warn);color:var(--warn)}
.tile.lead{border-color:var(--first);box-shadow:inset 0 3px 0 var(--first)}
.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:8px 32px}
figure{margin:14px 0 0;min-width:0}
figcaption{font-size:.92rem;font-weight:600;color:var(--ink);display:flex;flex-wrap:wrap;gap:2px 14px;justify-content:space-between}
.legend{display:flex;flex-wrap:wrap;gap:0 12px;list-style:none;margin:0;padding:0;font-weight:400;font-size:.86rem;color:var(--soft)}
.legend li::before{content:"";display:inline-block;width:14px;height:3px;border-radius:2px;margin-right:5px;vertical-align:middle;background:var(--c)}
.was{--c:var(--ink)}.first{--c:var(--first)}.second{--c:var(--second)}.faint{--c:var(--faint)}
svg{display:block;width:100%;height:auto;margin-top:6px;overflow:visible}
svg text{fill:var(--soft);font-size:11px}
svg .y{text-anchor:end}svg .x{text-anchor:middle}svg .label{text-anchor:end;font-style:italic}
svg .grid{stroke:var(--line);stroke-width:1}
svg .line{fill:none;stroke:var(--c);stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
svg .line.faint{stroke-width:1.2}
svg circle{fill:var(--c)}
svg path.mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
svg text.mark{font-style:italic;text-anchor:middle}svg text.mark.end{text-anchor:end}svg text.mark.start{text-anchor:start}
svg .bin{fill:var(--first)}svg .was{stroke:var(--ink);stroke-width:2.5}
svg .even{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 4}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.92rem;margin:8px 0}
caption{text-align:left;color:var(--soft);font-size:.88rem;padding-bottom:4px}
th,td{padding:4px 12px 4px 0;text-align:right;vertical-align:top;border-bottom:1px solid var(--line);overflow-wrap:normal}
th{font-weight:600}thead th{color:var(--soft);font-size:.84rem;vertical-align:bottom}
th:first-child,td.text,th.text{text-align:left;overflow-wrap:anywhere;min-width:7em}
tbody tr:last-child>*{border-bottom:0}
.confusion td,.confusion th{padding:8px 12px;border:2px solid var(--card);text-align:center;min-width:74px}
.confusion tbody th{vertical-align:middle}.confusion tbody th,.confusion thead th:first-child{text-align:left;padding-left:0;max-width:180px;min-width:5em}
.confusion thead th{max-width:130px;overflow-wrap:anywhere}
.confusion td{background:rgb(var(--heat)/calc(var(--share)*.55));border-radius:6px}
.confusion td b{display:block;font-size:1.02rem}.confusion td small{color:inherit;opacity:.8}
.confusion td.right{outline:2px solid rgb(var(--heat)/.75);outline-offset:-4px}
.confusion.dense td{padding:5px;min-width:40px;font-size:.86rem}.confusion.dense thead th{padding:4px;min-width:0}.confusion.dense thead span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:130px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis;display:inline-block}.confusion.dense tbody th{padding:4px 10px 4px 0;max-width:150px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis;font-size:.86rem}.confusion.dense small{display:none}.confusion.dense td.right{outline-width:1.5px;outline-offset:-2px}
.bars{width:100%}.bars td:last-child,.bars th:last-child{width:45%;padding-right:0}
.bar{height:.8em;background:var(--first);border-radius:3px;min-width:1px;margin-top:.4em;width:calc(var(--share)*100%)}
.bar.cool{background:var(--second)}
.split{display:flex;height:26px;border-radius:7px;overflow:hidden;margin:12px 0 6px;background:var(--line)}
.split i{flex:var(--share) 0 0;background:var(--c);min-width:0}
.swatch{display:inline-block;width:11px;height:11px;border-radius:3px;background:var(--c);margin-right:7px}
.p0{--c:var(--first)}.p1{--c:var(--second)}.p2{--c:#7a8f3c}.p3{--c:#8c5aa6}.p4{--c:#b98d1b}.p5{--c:#8a939a}
.gallery,.sheet,.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(124px,1fr));gap:16px 14px;margin:12px 0 0}
.sheet{grid-template-columns:repeat(auto-fill,minmax(84px,1fr));gap:6px}
.pairs{grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr))}
.pairs>div{border:1px solid var(--line);border-radius:10px;padding:10px;min-width:0}.pairs .gallery{grid-template-columns:repeat(auto-fill,minmax(110px,1fr));margin:0}
.pic{margin:0}.pic figcaption{display:block;font-weight:400;margin-top:5px}
.pic p{font-size:.84rem;line-height:1.35;margin:0}.pic small{display:block;font-size:.74rem;line-height:1.3;max-height:2.6em;overflow:hidden}
.zoom img,.blank{display:flex;align-items:center;justify-content:center;width:100%;aspect-ratio:1;object-fit:cover;border-radius:8px;background:var(--line)}
.blank{padding:10px;font-size:.8rem;color:var(--soft);text-align:center}
.zoom{margin:0;aspect-ratio:1}.zoom summary{display:block;list-style:none;cursor:zoom-in;border-radius:8px}.zoom summary::-webkit-details-marker{display:none}.zoom span{display:none}
.zoom[open] summary{position:fixed;inset:0;z-index:9;display:flex;flex-direction:column;gap:12px;align-items:center;justify-content:center;padding:4vmin;border-radius:0;background:rgb(0 0 0/.86);cursor:zoom-out}
.zoom[open] img{width:min(92vw,80vh,672px);object-fit:contain;background:none}.zoom[open] span{display:block;color:#eee;font-size:.9rem;text-align:center;max-width:92vw}
.sorted input{position:absolute;opacity:0}.sorted label{display:inline-block;border:1px solid var(--line);border-radius:99px;padding:1px 12px;margin:0 6px 6px 0;font-size:.86rem;color:var(--second);cursor:pointer}.sorted input:checked+label{background:var(--second);border-color:var(--second);color:var(--card)}.sorted input:focus-visible+label{outline:2px solid var(--second);outline-offset:2px}
.sorted .scroll{max-height:min(70vh,760px);overflow:auto;border-top:1px solid var(--line)}.sorted table{display:block;min-width:660px;margin:0}.sorted thead{display:block;position:sticky;top:0;background:var(--card);z-index:1}.sorted tbody{display:flex;flex-direction:column}.sorted tr{display:grid;grid-template-columns:minmax(9em,2fr) repeat(5,minmax(4.6em,1fr)) minmax(9em,2fr)}.sorted tbody tr:last-child>*{border-bottom:1px solid var(--line)}.sorted td.text,.sorted th.text{padding-left:14px}
.o0:checked~.scroll tbody tr{order:var(--o0)}.o1:checked~.scroll tbody tr{order:var(--o1)}.o2:checked~.scroll tbody tr{order:var(--o2)}.o3:checked~.scroll tbody tr{order:var(--o3)}.o4:checked~.scroll tbody tr{order:var(--o4)}
.pairs.confused{grid-template-columns:repeat(auto-fill,minmax(min(100%,450px),1fr))}.pairs.confused .gallery{grid-template-columns:repeat(4,minmax(0,1fr));margin-top:8px}
a:focus-visible,summary:focus-visible{outline:2px solid var(--second);outline-offset:2px}
.tag,.chip{display:inline-block;border-radius:99px;padding:0 8px;font-size:.76rem;line-height:1.6;max-width:100%;border:1px solid var(--line);margin:2px 4px 2px 0}
.chip{border-color:var(--c);color:var(--c);font-weight:600;margin-left:12px;padding:1px 10px;vertical-align:middle}
.incidents{list-style:none;margin:10px 0 0;padding:0}
.incidents li{border-left:4px solid var(--c);padding:2px 0 2px 14px;margin:14px 0}
.incidents p{margin:1px 0}
.critical{--c:var(--bad)}.warning{--c:var(--warn)}.info{--c:var(--second)}
.fine{color:var(--good);font-weight:600}
details{margin:12px 0 0}summary{cursor:pointer;color:var(--second)}
dl{display:grid;grid-template-columns:minmax(120px,max-content) 1fr;gap:3px 18px;margin:8px 0;font-size:.92rem}
dt{color:var(--soft)}dd{margin:0;min-width:0}
footer{color:var(--soft);font-size:.86rem;padding-bottom:40px}
@media(max-width:560px){header,main,footer{padding-left:12px;padding-right:12px}header{padding-top:20px}section{padding:16px 14px 18px;margin:14px 0}.tiles{grid-template-columns:1fr 1fr}.tile{padding:10px 12px}.tile b{font-size:1.3rem}.gallery{grid-template-columns:repeat(3,1fr);gap:14px 10px}.pairs .gallery{grid-template-columns:1fr 1fr}.sheet{grid-template-columns:repeat(4,1fr)}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}.confusion td,.confusion th{padding:7px 6px;min-width:58px;font-size:.88rem}.bars td:last-child,.bars th:last-child{width:25%;min-width:56px}.bars th:first-child{min-width:4em}}
@media print{:root{color-scheme:light;--paper:#fff}body{font-size:11pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}nav{display:none}section,.tile{break-inside:avoid;border-color:#ccc}figure,tr{break-inside:avoid}}
`;
