"""The demo shop of `billing dev`: the page a SaaS product would have, so that the flow can be clicked through.

Its script calls the service's own API with the demo account's key, as a product's back end would. In a real
product that key stays in the back end; here the page and the key live on one machine and open nothing else.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from string import Template
from typing import Final

from litestar import MediaType, Response, get
from litestar.types import ControllerRouterHandler

_STYLE: Final = """
:root{color-scheme:light dark;--ground:#f5f6fa;--card:#fff;--ink:#1b1f2e;--soft:#555c70;--line:#dfe2ec;--edge:#8a91a5;
--accent:#4f46e5;--on-accent:#fff;--tint:#eef0fe;--good:#11683b;--good-tint:#e3f5ea;--bad:#a61b2b;--bad-tint:#fdeaec}
@media(prefers-color-scheme:dark){:root{--ground:#12141c;--card:#1b1e29;--ink:#eceef6;--soft:#a5acc0;--line:#323747;
--edge:#767e95;--accent:#a5b0ff;--on-accent:#14162b;--tint:#272b47;--good:#7fdba6;--good-tint:#16332a;--bad:#ff9fa8;
--bad-tint:#3d1f27}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);overflow-wrap:break-word;
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1,h2,p,dl,dd{margin:0}
h1{font-size:1.6rem;line-height:1.25;letter-spacing:-.015em}
a{color:var(--accent);text-underline-offset:.15em}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:.4rem}
header{background:var(--card);border-bottom:1px solid var(--line)}
header>div,main{max-width:40rem;margin:0 auto;padding:.75rem 1.25rem}
header>div{display:flex;flex-wrap:wrap;gap:.4rem 1rem;justify-content:space-between}
header strong{font-weight:650}
main{display:grid;gap:1.5rem;grid-template-columns:minmax(0,1fr);padding-top:2rem;padding-bottom:4rem}
section{background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:1.5rem;display:grid;gap:1.1rem;
grid-template-columns:minmax(0,1fr);box-shadow:0 1px 3px rgb(20 24 40/.06)}
h2{font-size:1rem;font-weight:600;color:var(--soft)}
#plan{font-size:2.1rem;font-weight:680;letter-spacing:-.02em;line-height:1.15;text-transform:capitalize}
dl{display:grid;grid-template-columns:6rem minmax(0,1fr);gap:.3rem 1rem}
dl+dl{margin-top:-.8rem}
dt{color:var(--soft)}
.soft{color:var(--soft)}
.row{display:flex;flex-wrap:wrap;gap:.6rem}
button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1rem;border-radius:.65rem;cursor:pointer;
border:1px solid var(--edge);background:var(--card);color:var(--ink)}
button:hover{border-color:var(--accent);color:var(--accent)}
button.main{background:var(--accent);border-color:var(--accent);color:var(--on-accent)}
button[disabled]{opacity:.6;cursor:progress}
.note{border-radius:.75rem;padding:.8rem 1rem;font-weight:550;background:var(--tint)}
.note.good{background:var(--good-tint);color:var(--good)}
.note.bad{background:var(--bad-tint);color:var(--bad)}
[hidden]{display:none!important}
"""
_SCRIPT: Final = Template("""
"use strict";
const key = $key, pollMilliseconds = 2000, patienceMilliseconds = 60000;
const part = (id) => document.getElementById(id);
const came = new URLSearchParams(location.search).get("checkout");
let leaving = false, arrived = false;

function say(id, text) {
  const place = part(id);
  if (place.textContent !== text) { place.textContent = text; }
  place.hidden = !text;
}

async function call(method, path, body) {
  let answer, content;
  try {
    answer = await fetch(path, {
      method,
      headers: {"Authorization": "Bearer " + key, ...(body && {"Content-Type": "application/json"})},
      body: body && JSON.stringify(body),
    });
    content = await answer.json();
  } catch {
    throw new Error("the service does not answer");
  }
  if (!answer.ok) { throw new Error(content.error); }
  return content;
}

function sentence(error) {
  const text = error.message;
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$$/.test(text) ? "" : ".");
}

function day(moment) {
  const parts = {day: "numeric", month: "long", year: "numeric", timeZone: "UTC"};
  return new Date(moment).toLocaleDateString("en-GB", parts);
}

function words(free, waiting) {
  if (came === "left") { return free ? "You left the checkout. Nothing was charged." : ""; }
  if (came !== "success") { return ""; }
  if (waiting) { return "Thank you! Waiting for word of the payment…"; }
  if (free) { return arrived ? "" : "No word of a payment has come yet."; }
  return "Thank you! Your payment has arrived.";
}

function hasEnded(status) {
  return ["canceled", "incomplete_expired"].includes(status);
}

function show(billing) {
  const free = billing.plan === "free", ending = billing.cancel_at_period_end === true;
  arrived = arrived || !free;
  // Who has just paid is not asked to buy a second time, but nobody waits here for ever.
  const waiting = came === "success" && !arrived && performance.now() < patienceMilliseconds;
  const until = hasEnded(billing.status) ? null : billing.current_period_end;
  part("plan").textContent = billing.plan;
  part("status").textContent = billing.status ? billing.status.replace("_", " ") : "no subscription";
  part("until-row").hidden = !until;
  part("until-name").textContent = ending ? "Ends on" : "Period ends";
  part("until").textContent = until ? day(until) : "";
  say("ending", ending ? "The plan is cancelled: it ends with the period, and you can resume it until then." : "");
  part("upgrade").hidden = !free || waiting;
  part("note").classList.toggle("good", came === "success" && (waiting || !free));
  say("note", words(free, waiting));
}

async function poll() {
  try {
    show(await call("GET", "/v1/billing"));
    say("trouble", "");
  } catch (error) {
    // A page that is left takes its request with it; that is no trouble.
    if (!leaving) { say("trouble", sentence(error) + " Trying again."); }
  }
  setTimeout(poll, pollMilliseconds);
}

async function leaveFor(button, path, body, field) {
  say("refusal", "");
  button.disabled = true;
  try {
    const address = (await call("POST", path, body))[field];
    leaving = true;
    location.assign(address);
  } catch (error) {
    say("refusal", sentence(error));
  }
  button.disabled = false;
}

part("upgrade").addEventListener("click", (event) =>
  leaveFor(event.currentTarget, "/v1/billing/checkout", {tier: "pro"}, "checkout_url"));
part("manage").addEventListener("click", (event) =>
  leaveFor(event.currentTarget, "/v1/billing/portal", undefined, "portal_url"));
addEventListener("pageshow", () => { leaving = false; });
poll();
""")
_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Your plan - Demo shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>$style</style>
</head>
<body>
<header><div><strong>Demo shop</strong><a href="$sandbox_url">Open the control room</a></div></header>
<main>
<h1>Your plan</h1>
<noscript><p class="note">This page calls the service's API with JavaScript, which is switched off.</p></noscript>
<p id="note" class="note" role="status" hidden></p>
<p id="refusal" class="note bad" role="alert" hidden></p>
<p id="trouble" class="note bad" role="status" hidden></p>
<section aria-labelledby="plan-title">
<h2 id="plan-title">Current plan</h2>
<p id="plan" aria-live="polite">…</p>
<dl>
<dt>Status</dt><dd id="status" aria-live="polite">…</dd>
</dl>
<dl id="until-row" hidden>
<dt id="until-name">Period ends</dt><dd id="until"></dd>
</dl>
<p id="ending" class="note" role="status" hidden></p>
<div class="row">
<button id="upgrade" class="main" hidden>Upgrade to Pro - $$29 a month</button>
<button id="manage">Manage billing</button>
</div>
</section>
<p class="soft">This page is what a product would show. It asks <code>GET /v1/billing</code> every two seconds, so the
plan changes by itself. Payments are played by a Stripe in the box: no money moves, and its control room shows
every event, moves the clock and breaks things on demand.</p>
</main>
</body>
</html>
""")


def demo_routes(api_key: str, sandbox_url: str) -> Sequence[ControllerRouterHandler]:
    """Answer the demo shop at `/`, acting for the account of this key; `sandbox_url` is the control room's."""
    script = _script_for(api_key)
    page = _PAGE.substitute(style=_STYLE, sandbox_url=escape(sandbox_url)).replace(
        "</body>", f"<script>{script}</script>\n</body>"
    )
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; "
            f"script-src {_hash_of(script)}; style-src {_hash_of(_STYLE)}"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

    @get("/", include_in_schema=False, sync_to_thread=False)
    def show_demo() -> Response[str]:
        return Response(page, media_type=MediaType.HTML, headers=headers)

    return (show_demo,)


def _script_for(api_key: str) -> str:
    """Write the key into the script, where no character of it can end the script or its string."""
    return _SCRIPT.substitute(key=json.dumps(api_key).replace("<", "\\u003c"))


def _hash_of(text: str) -> str:
    """Name inline text to the browser, so that nothing else runs or styles the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
