/** How the page of a check looks: light and dark, on a desk and on a phone. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#f6f5f2;--card:#fff;--ink:#22211e;--dim:#6d6a63;--line:#e4e1da;--well:#efede8;
--out:#b3261e;--out-bg:#fbe9e7;--look:#8a5a00;--look-bg:#fdf1d8;--told:#3f6212;--told-bg:#ecf4dd;--bar:#4d7c5b;--bar2:#a9c5b1}
@media(prefers-color-scheme:dark){:root{--bg:#161614;--card:#201f1d;--ink:#eceae4;--dim:#a09c93;--line:#34322e;--well:#2a2926;
--out:#ff9a8f;--out-bg:#43201c;--look:#f2c265;--look-bg:#3d2f12;--told:#b9d98a;--told-bg:#28331a;--bar:#7fb48e;--bar2:#44604c}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:36px 20px 72px}
h1{font-size:30px;line-height:1.15;letter-spacing:-.02em;margin:0 0 6px}
h2{font-size:19px;line-height:1.3;letter-spacing:-.01em;margin:0}
p{margin:0}
.dim{color:var(--dim)}
.name{overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:26px 0 14px}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:14px}
.tile{padding:14px 16px}
.tile b{display:block;font-size:27px;line-height:1.2;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.tile.out b{color:var(--out)}.tile.look b{color:var(--look)}.tile.told b{color:var(--told)}
.card{padding:20px;margin:14px 0;scroll-margin-top:12px}
.bars{display:grid;grid-template-columns:minmax(70px,max-content) 1fr max-content;gap:7px 14px;align-items:center;margin-top:14px}
.bars .name{max-width:220px}
.bar{height:14px;border-radius:7px;background:var(--well);overflow:hidden;display:flex}
.bar i{display:block;height:100%;min-width:2px;background:var(--bar)}
.bar i+i{background:var(--bar2)}
.count{font-variant-numeric:tabular-nums;text-align:right}
nav{display:flex;flex-wrap:wrap;gap:8px;margin:18px 0 26px}
.chip,nav a{display:inline-flex;gap:7px;align-items:baseline;padding:4px 12px;border-radius:99px;text-decoration:none;font-size:13.5px;
font-weight:550}
.out-c{color:var(--out);background:var(--out-bg)}.look-c{color:var(--look);background:var(--look-bg)}
.told-c{color:var(--told);background:var(--told-bg)}.plain-c{color:var(--ink);background:var(--well)}
nav a:hover{text-decoration:underline}
a:focus-visible,summary:focus-visible{outline:2px solid var(--bar);outline-offset:2px}
.head{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;margin-bottom:4px}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:14px;margin-top:16px}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:14px;margin-top:16px}
.pairs>div{border:1px solid var(--line);border-radius:12px;padding:10px;min-width:0}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(118px,1fr));gap:10px}
.two{display:grid;grid-template-columns:1fr 1fr;gap:10px}
.reason{font-size:13px;font-weight:550;margin:2px 2px 8px}
figure{margin:0;min-width:0}
figure .pic{aspect-ratio:1;width:100%;border-radius:8px;background:var(--well);display:flex;align-items:center;justify-content:center;
overflow:hidden;color:var(--dim);font-size:12.5px;text-align:center}
figure .pic:not(:has(img)){padding:12px;overflow-wrap:anywhere}
figure img{width:100%;height:100%;object-fit:contain;display:block}
figcaption{font-size:12.5px;line-height:1.35;margin-top:6px;overflow-wrap:anywhere}
figcaption .dim{display:block}
.tag{display:inline-block;font-size:11.5px;line-height:1.5;padding:0 7px;border-radius:99px;background:var(--well);margin-top:3px;
max-width:100%}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(84px,1fr));gap:6px;margin-top:14px}
.sheet img{width:100%;aspect-ratio:1;object-fit:cover;display:block;border-radius:6px;background:var(--well)}
details{margin-top:14px;font-size:13.5px}
summary{cursor:pointer;color:var(--dim)}
details ol{margin:8px 0 0;padding-left:1.4em;color:var(--dim)}
details li{overflow-wrap:anywhere;margin:3px 0}
h3{font-size:12.5px;text-transform:uppercase;letter-spacing:.07em;color:var(--dim);margin:34px 0 8px;font-weight:600}
footer{color:var(--dim);font-size:13px;margin-top:34px}
@media(max-width:560px){main{padding:22px 12px 48px}h1{font-size:25px}.card{padding:15px 13px}.tiles{grid-template-columns:1fr 1fr;gap:9px}
.tile{padding:11px 13px}.tile b{font-size:23px}.gallery{grid-template-columns:1fr 1fr;gap:11px}.pairs{grid-template-columns:1fr}
.sheet{grid-template-columns:repeat(4,1fr)}.bars .name{max-width:110px}}
@media print{body{background:#fff}.card,.tile{break-inside:avoid}nav{display:none}}
`;
