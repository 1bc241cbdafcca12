"""The one style sheet, sent with every page: system fonts, both colour schemes, from a phone's width up."""

from typing import Final

_COLOURS: Final = """
:root{color-scheme:light dark;
--ground:#f5f6fa;--card:#fff;--ink:#1b1f2e;--soft:#555c70;--line:#dfe2ec;--field:#8a91a5;
--accent:#4f46e5;--accent-ink:#fff;--accent-soft:#eef0fe;
--good:#11683b;--good-soft:#e3f5ea;--bad:#a61b2b;--bad-soft:#fdeaec;--wait:#7a4a00;--wait-soft:#fdf1d8}
@media(prefers-color-scheme:dark){:root{
--ground:#12141c;--card:#1b1e29;--ink:#eceef6;--soft:#a5acc0;--line:#323747;--field:#767e95;
--accent:#a5b0ff;--accent-ink:#14162b;--accent-soft:#272b47;
--good:#7fdba6;--good-soft:#16332a;--bad:#ff9fa8;--bad-soft:#3d1f27;--wait:#f3c873;--wait-soft:#3a2f18}}
"""
_GROUND: Final = """
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;overflow-wrap:break-word}
h1,h2,h3,p,ul,ol,dl,dd,figure,fieldset{margin:0;padding:0}
h1{font-size:1.6rem;line-height:1.25;letter-spacing:-.015em}
h2{font-size:1.15rem;line-height:1.3}
h3{font-size:1rem;line-height:1.4}
ul,ol{list-style:none}
a{color:var(--accent);text-underline-offset:.15em}
code,.code{font:.85em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;overflow-wrap:anywhere}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:.4rem}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem;z-index:2}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
"""
_FRAME: Final = """
.top{border-bottom:1px solid var(--line);background:var(--card)}
.top>div,main{max-width:60rem;margin:0 auto;padding:0 1.25rem}
.top>div{display:flex;flex-wrap:wrap;gap:.4rem 1rem;align-items:center;padding-top:.75rem;padding-bottom:.75rem}
.brand{font-weight:650;margin-right:auto}
.top .badge{background:var(--wait-soft);color:var(--wait)}
main{padding-top:2rem;padding-bottom:4rem;display:grid;gap:1.5rem;grid-template-columns:minmax(0,1fr)}
.narrow main,.narrow .top>div{max-width:36rem}
.wide main,.wide .top>div{max-width:76rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:1.5rem;display:grid;gap:1.1rem;
grid-template-columns:minmax(0,1fr);align-content:start;box-shadow:0 1px 3px rgb(20 24 40/.06)}
.stack{display:grid;gap:.6rem;grid-template-columns:minmax(0,1fr)}
.row{display:flex;flex-wrap:wrap;gap:.6rem;align-items:center}
.spread{display:flex;flex-wrap:wrap;gap:.25rem 1rem;justify-content:space-between;align-items:baseline}
.rows>li,.rows>div{padding:.8rem 0;border-top:1px solid var(--line)}
.rows>:first-child{border-top:0;padding-top:0}
.rows>:last-child{padding-bottom:0}
.soft{color:var(--soft)}
.small{font-size:.875rem}
.price{font-size:2.1rem;font-weight:680;letter-spacing:-.02em;line-height:1.15}
.strong{font-weight:650}
.badge{display:inline-block;border-radius:1rem;padding:.1rem .65rem;font-size:.8125rem;font-weight:600;
background:var(--accent-soft);color:var(--accent);white-space:nowrap}
.good{background:var(--good-soft);color:var(--good)}
.bad{background:var(--bad-soft);color:var(--bad)}
.wait{background:var(--wait-soft);color:var(--wait)}
.note{border-radius:.75rem;padding:.8rem 1rem;font-weight:550;background:var(--accent-soft);color:var(--ink)}
.note.good{background:var(--good-soft);color:var(--good)}
.note.bad{background:var(--bad-soft);color:var(--bad)}
.two{display:grid;gap:1.5rem;grid-template-columns:minmax(0,1fr);align-items:start}
@media(min-width:54rem){.two{grid-template-columns:minmax(0,4fr) minmax(0,6fr)}}
"""
_CONTROLS: Final = """
button,.button{font:inherit;font-weight:600;font-size:.9375rem;min-height:2.75rem;padding:.5rem 1rem;cursor:pointer;
border:1px solid var(--field);border-radius:.65rem;background:var(--card);color:var(--ink);text-decoration:none;
display:inline-flex;align-items:center;justify-content:center;text-align:center}
button:hover,.button:hover{border-color:var(--accent);color:var(--accent)}
button.main,.button.main{background:var(--accent);border-color:var(--accent);color:var(--accent-ink)}
button.main:hover,.button.main:hover{filter:brightness(1.08);color:var(--accent-ink)}
button.harm{border-color:var(--bad);color:var(--bad)}
button.plain{border-color:transparent;background:none;color:var(--accent);text-decoration:underline;
text-underline-offset:.15em;padding:.5rem 0}
button.small{min-height:2rem;padding:0;font-size:.875rem}
button.choice{width:100%;display:grid;gap:.1rem 1rem;grid-template-columns:minmax(0,1fr);text-align:left;
justify-items:start;padding:.7rem 1rem}
button.choice>:nth-child(n+2){font-weight:400;font-size:.875rem}
@media(min-width:30rem){button.choice{grid-template-columns:minmax(0,1fr) auto}
button.choice>:nth-child(2){align-self:center}button.choice>:nth-child(3){grid-column:1/-1}}
button.choice:not(.main)>:nth-child(n+2){color:var(--soft)}
label,legend{font-weight:600;font-size:.9375rem}
fieldset{border:0;min-width:0}
legend{padding:0}
input,select{font:inherit;font-size:1rem;min-height:2.75rem;padding:.45rem .7rem;border:1px solid var(--field);
border-radius:.65rem;background:var(--card);color:var(--ink);width:100%;min-width:0;max-width:100%}
input[type=checkbox]{width:1.15rem;height:1.15rem;min-height:0;flex:none;accent-color:var(--accent);margin:0}
.tick{display:flex;gap:.6rem;align-items:center;min-height:2rem;font-weight:400}
.fields{display:grid;gap:.8rem 1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,11rem),1fr));align-items:end}
.field{display:grid;gap:.25rem;grid-template-columns:minmax(0,1fr)}
.inline{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end}
.inline .field{flex:1 1 11rem}
summary{cursor:pointer;font-weight:600;font-size:.9375rem;padding:.45rem 0;color:var(--accent)}
details[open]>summary{margin-bottom:.5rem}
@media(max-width:29.99rem){.spread>.row,.row>form:not(:has(.plain)),.row>form>button:not(.plain),.row>.button,
.inline .field,.inline>button{width:100%;flex-basis:100%}}
"""
_ROOM: Final = """
.facts{display:grid;gap:.3rem 1.25rem;grid-template-columns:minmax(0,auto) minmax(0,1fr)}
.facts dt{color:var(--soft)}
.room{display:grid;gap:1.5rem;grid-template-columns:minmax(0,1fr);align-items:start}
.room>div{display:grid;gap:1.5rem;grid-template-columns:minmax(0,1fr)}
@media(min-width:64rem){.room{grid-template-columns:minmax(0,7fr) minmax(0,5fr)}}
.attempts{border-left:2px solid var(--line);padding-left:.9rem;margin:.35rem 0;display:grid;gap:.35rem}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem}
@media(prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
@media print{.top,button,form{display:none}body{background:none}.card{border:0;box-shadow:none;padding:0}}
"""
STYLE: Final = f"{_COLOURS}{_GROUND}{_FRAME}{_CONTROLS}{_ROOM}".replace("\n", "")
