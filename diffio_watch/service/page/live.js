// One stream a browser: one tab leads, listens, and passes it on. Web Locks need https, so who hears nobody claims the
// lead, and of two the newer claim stands. A tab in the background may be frozen.

import { get } from "./api.js";

const BEAT = 500; // ms between two words of the leader
const SILENCE = 2000; // ms without one, and a tab that is looked at takes over: not every tab that ends says so
const HIDDEN = 90000; // ms for one in the background, whose timers may run once a minute
const AGAIN = 2000; // ms before a lost stream is opened again
const DEAF = 8000; // ms without an event, and a stream is taken for dead; the server beats every 2 s

let tell = () => {};
let claim = 0; // mine while I lead
let heard = 0; // when another leader was heard last
let leader = 0; // its claim
let alive = 0; // when my own stream brought something last
let source = null;
let next = 0; // when a stream that I lack is opened
let attempt = 0;
let locked = false; // nothing is told before a login
const channel = "BroadcastChannel" in window ? new BroadcastChannel(`diffio-watch ${new URL(".", location.href).pathname}`) : null;

const say = (words) => channel?.postMessage(words);

/** `onNews(kind, data)` gets what the server tells, and `trouble` with `{status, error}`. */
export function listen(onNews) {
  tell = onNews;
  if (channel) channel.onmessage = (event) => hear(event.data);
  setInterval(watch, BEAT);
  addEventListener("pagehide", () => { if (claim) say({ kind: "bye", claim: stop() }); });
  addEventListener("pageshow", (event) => { if (event.persisted) hello(); });
  addEventListener("online", again);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) watch(); });
  refresh();
  hello();
}

/** Read the whole screen now. */
export async function refresh() {
  const mine = ++attempt;
  const answer = await get("api/status");
  if (mine !== attempt) return answer.ok;
  locked = answer.status === 401;
  if (answer.ok) news("screen", answer.body);
  else news("trouble", { status: answer.status, error: answer.error });
  return answer.ok;
}

/** Other tabs look anew, for instance after a login. */
export function everybody() {
  say({ kind: "anew" });
  again();
}

function hello() {
  heard = 0;
  say({ kind: "hello" });
  setTimeout(() => { if (!claim && !heard) lead(); }, channel ? 400 + Math.random() * 400 : 0);
}

function hear(words) {
  if (words.kind === "hello") {
    if (claim) say({ kind: "lead", claim });
  } else if (words.kind === "bye") {
    if (claim || words.claim !== leader) return; // another leads since
    heard = 0;
    setTimeout(() => { if (!claim && !heard) lead(); }, Math.random() * 400);
  } else if (words.kind === "anew") {
    refresh();
    again();
  } else if (claim && words.claim < claim) {
    say({ kind: "lead", claim }); // the older one gives way
  } else {
    if (claim) stop();
    heard = Date.now();
    leader = words.claim;
    if (words.news) tell(words.news, words.data);
  }
}

function watch() {
  if (claim) {
    say({ kind: "lead", claim });
    if (source ? Date.now() - alive > DEAF : !locked && Date.now() >= next) again();
  } else if (Date.now() - heard > (document.hidden ? HIDDEN : SILENCE) && heard) lead();
}

function lead() {
  claim = Date.now() + Math.random();
  say({ kind: "lead", claim });
  if (!locked) open();
}

function stop() {
  const mine = claim;
  claim = 0;
  source?.close();
  source = null;
  return mine;
}

function news(kind, data) {
  if (claim) say({ kind: "lead", claim, news: kind, data });
  tell(kind, data);
}

function open() {
  source?.close();
  alive = Date.now();
  const mine = source = new EventSource("api/events");
  for (const kind of ["screen", "jobs", "beat"]) {
    mine.addEventListener(kind, (event) => {
      if (mine !== source) return;
      alive = Date.now();
      news(kind, JSON.parse(event.data));
    });
  }
  // after a proxy's 502 an EventSource gives up for good: it is always opened anew
  mine.onerror = () => {
    if (mine !== source) return;
    mine.close();
    source = null;
    next = Date.now() + AGAIN;
  };
}

async function again() {
  if (!claim) return;
  next = Date.now() + AGAIN;
  const mine = claim;
  const fine = await refresh(); // says why where it does not go
  if (fine && mine === claim) open();
}
