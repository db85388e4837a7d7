// Puts the page together, and paints it at most twice a second.

import * as actions from "./actions.js";
import * as details from "./details.js";
import { $, about, attr, say, show, text, time } from "./dom.js";
import * as editor from "./editor.js";
import * as live from "./live.js";
import * as login from "./login.js";
import { onOpen } from "./rows.js";
import * as service from "./service.js";

const PACE = 500; // ms between two paints, whatever comes in
const OLD = 5000; // ms without a beat: from then on it looks old

let screen = null;
let [beat, skew, may] = [0, 0, {}];
let trouble = null; // why nothing comes
let changes = false; // whether the open details are to be read again
let [painted, due, aging] = [0, 0, 0];

const old = () => Date.now() - beat > OLD;
const now = () => Date.now() + skew; // by the server's clock, which the times shown are from

/** Show what is known: at once what a person did, in its turn what came by itself. */
function repaint(atOnce = false) {
  if (due && !atOnce) return;
  clearTimeout(due);
  const go = () => { due = 0; painted = Date.now(); paint(); };
  if (atOnce) go();
  else due = setTimeout(go, Math.max(0, painted + PACE - Date.now()));
}

function paint() {
  const view = { now: now(), told: Date.parse(screen?.at), old: old(), inboxes: screen?.inboxes?.length ?? 1, may: Boolean(may.change) };
  paintAge(view);
  if (!screen) return;
  attr($("verdict"), "data-level", screen.verdict.level);
  const [first, ...more] = screen.verdict.message.split(/(?<=\.) /);
  text($("verdict-words"), (view.old ? "Last known: " : "") + first);
  text($("verdict-more"), more.join(" "));
  if (!$("work").hidden) editor.paint(screen, view);
  else service.paint($("service"), screen, view, () => { may = {}; live.everybody(); });
  details.paint(view);
  const needs = (screen.needs ?? []).length;
  text($("title"), `${view.old ? "Not connected." : (needs ? `(${needs}) ` : "") + screen.verdict.message} · diffio-watch`);
  document.body.dataset.ready = "yes";
}

function paintAge(view) {
  const is = view.old && (screen || (trouble && trouble.status !== 401));
  document.body.classList.toggle("old", Boolean(view.old && screen));
  const why = trouble?.error ?? "The connection is lost.";
  say($("age"), !is ? "" : screen ? `${why} What you see is ${about((Date.now() - beat) / 1000)} old, from ${time(beat)}. It goes on by itself.` : why);
  if (!screen && trouble) text($("verdict-words"), trouble.status === 401 ? "Please log in." : "Not connected.");
}

function news(kind, data) {
  if (kind === "trouble") {
    trouble = data;
    if (data.status === 401) {
      login.ask(data.error, true);
      if (screen) beat = 0;
    }
    repaint();
    return;
  }
  beat = Date.now();
  clearTimeout(aging);
  aging = setTimeout(() => repaint(), OLD + 20);
  trouble = null;
  if (kind === "screen") {
    const version = screen?.version;
    screen = data.screen ? { ...data, ...data.screen } : data;
    if (version && version !== screen.version) location.reload(); // the program was upgraded, and this is its page
    may = screen.may ?? may;
    login.settled();
  } else if (kind === "beat") {
    if (data.at) skew = Date.parse(data.at) - beat;
  } else if (kind === "jobs") {
    editor.patch(data.changed, data.more);
    if (data.more || data.changed.some((job) => job.id === details.shown())) changes = true;
  }
  repaint();
}

function tab(name, focus) {
  for (const one of ["work", "service"]) {
    const on = one === name;
    const button = $(`tab-${one}`);
    button.setAttribute("aria-selected", on);
    button.tabIndex = on ? 0 : -1;
    show($(one), on);
    if (on && focus) button.focus();
  }
  repaint(true);
}

async function address() {
  await login.address();
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (wanted.has("service")) tab("service");
  if (wanted.get("job") && wanted.get("job") !== details.shown()) details.open(wanted.get("job"));
}

for (const name of ["work", "service"]) {
  $(`tab-${name}`).addEventListener("click", () => tab(name));
  $(`tab-${name}`).addEventListener("keydown", (event) => {
    if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) tab($("work").hidden ? "work" : "service", true);
  });
}
actions.connect({ may: () => may.change, login: (why) => login.ask(why), repaint: () => repaint(true) });
onOpen(details.open);
editor.start(details.open);
details.start();
login.start(() => { may = { read: true, change: true }; live.everybody(); if (beat || trouble) live.refresh(); });
await address();
live.listen(news);
addEventListener("hashchange", address);
// times go on between the news, and what is open is read again where it changed
setInterval(() => {
  if (changes && details.shown()) details.load();
  changes = false;
  if (!document.hidden) repaint();
}, 1000);
