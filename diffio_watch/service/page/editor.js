// The first screen.

import { fresh, offers, place } from "./actions.js";
import { get, query } from "./api.js";
import { $, about, ahead, attr, button, count, dots, h, moment, plain, say, show, split, sync, text, worded, words } from "./dom.js";
import { paged } from "./paged.js";
import { ended, many, moving, setEnded, setMoving } from "./rows.js";

let view = { now: Date.now(), old: false, inboxes: 1 };
const lists = new Set(); // those that were asked for and are open
let [stale, renewed, missed] = [false, 0, null]; // more changed than was told; when lists were read anew; what got no answer
let whole = false; // all that is on its way was asked for
let today = new Set(); // what stands under "Done today" already
const endedRows = (parent, jobs, days) =>
  sync(parent, jobs, (job) => job.id, ended, (row, job) => setEnded(row, job, view, days));

export function paint(screen, given) {
  view = given;
  paintNeeds(screen.needs ?? [], screen.verdict.message);

  const now = [...screen.arriving ?? [], ...screen.now ?? []];
  const [more, queued] = [(screen.now_more ?? 0) + (screen.arriving_more ?? 0), screen.queued ?? 0];
  sync($("now"), now, (job) => job.id ?? `${job.inbox} ${job.path}`, moving, (row, job) => setMoving(row, job, view));
  const few = !whole && now.length > 10;
  $("now").classList.toggle("few", few);
  show($("now-all"), few);
  text($("now-count"), dots(now.length + more && count(now.length + more), queued && `${count(queued)} ${queued === 1 ? "waits its" : "wait their"} turn`));
  say($("now-more"), more && !few ? `And ${count(more)} more.` : now.length || queued ? "" : nothing(screen));

  const done = screen.done_today ?? { count: 0, jobs: [] };
  endedRows($("done"), done.jobs);
  today = new Set(done.jobs.map((job) => job.id));
  text($("done-count"), done.count ? count(done.count) : "");
  const rest = done.count - done.jobs.length;
  say($("done-none"), !done.count ? "Nothing was finished today so far." : rest > 0 ? `And ${count(rest)} more: see the earlier ones.` : "");
  stale ||= view.old;
  const anew = stale && !view.old && view.now - renewed > 5000;
  if (anew) [stale, renewed] = [false, view.now];
  for (const list of lists) list[anew ? "again" : "repaint"]();
  if (anew) missed?.();
}

function nothing(screen) {
  const paths = (screen.inboxes ?? []).map((inbox) => plain(inbox.path));
  return `Nothing is on its way. ${paths.length ? `Copy a recording into ${paths.slice(0, 3).join(" or ")}.` : ""}`;
}

const WHAT = { held: "Needs a yes", failed: "Did not work", waits: "Waits", stopped: "Stands still", paused: "Paused", originals: "Original stays", gone: "Asked" };
let shown = []; // with those that went while their answer is still to be read

function paintNeeds(groups, said) {
  const now = new Set(groups.map((group) => group.key));
  const all = [...groups];
  shown.forEach((group, at) => {
    if (!now.has(group.key) && fresh(`${group.key} `)) all.splice(at, 0, { ...group, count: 0, offers: [], gone: true });
  });
  shown = all;
  sync($("groups"), all, (group) => group.key, card, (node, group) => setCard(node, group, all.length < 2 && said));
  const needs = (who) => all.some((group) => group.who === who);
  text($("needs-title"), needs("editor") ? "Needs you" : needs("administrator") ? "Needs your administrator" : "What waits");
  show($("needs"), all.length);
}

function card(group) {
  const [rows, note, more] = [h("ul.rows"), h("p.muted"), button("Show more")];
  const list = paged({ paint: (jobs) => endedRows(rows, jobs, true), note, more });
  const toggle = (event) => {
    if (event.target.open) list.load({ state: group.state, reason: group.code, inbox: group.inbox });
    else list.clear();
    lists[event.target.open ? "add" : "delete"](list);
  };
  return h("li.card",
    h("p.what", h("span.badge"), h("bdi.name"), h("span.muted")),
    h("p.message"), h("p.action"), place(),
    h("details", { ontoggle: toggle }, h("summary"), rows, note, more),
    h("details", h("summary", "For your administrator"), h("p"), h("p")));
}

function setCard(node, group, said) {
  const [what, message, action, place, those, admin] = node.children;
  const kind = group.gone ? "gone" : group.code === "paused" ? "paused" : group.what === "waiting" ? "waits" : group.what;
  attr(node, "data-level", kind);
  text(what.firstChild, WHAT[kind] ?? kind);
  const one = group.count === 1 && group.sample;
  say(what.children[1], one ? plain(one) : "");
  text(what.lastChild, dots(group.count && !one && many(group.count, "recording"), view.inboxes > 1 && group.inbox, group.since && `since ${moment(group.since, view.now)}`,
    group.next_check_at && `next look ${ahead(group.next_check_at, view.now)}`));
  const told = group.gone || said === `${group.message} ${group.action}`; // by the verdict
  words(message, told ? "" : group.message);
  words(action, told ? "" : group.action);
  offers(place, group.key, group.offers ?? [], view.old);
  show(those, group.state && group.count);
  text(those.firstChild, group.count === 1 ? "Show it" : `Show the ${count(group.count)}`);
  show(admin, !group.gone && (group.admin_message || group.admin_action));
  words(admin.children[1], group.admin_message);
  words(admin.children[2], group.admin_action);
}

/** `open(id)` opens the details of a recording. */
export function start(open) {
  $("now-all").addEventListener("click", () => { whole = true; $("now-all").hidden = true; $("now").classList.remove("few"); });
  const [form, field, drop] = [$("ask"), $("name"), $("where")];
  const found = paged({ paint: (jobs) => endedRows($("found"), jobs, true), note: $("found-none"), more: $("found-more"), limit: 10, none: "No recording that was taken up has this in its name." });
  let [pause, turn] = [0, 0];
  async function ask(whole) {
    clearTimeout(pause);
    missed = null;
    const mine = ++turn;
    const name = field.value.trim();
    $("answer").replaceChildren();
    lists[name.length > 1 ? "add" : "delete"](found);
    if (name.length < 2) return found.clear();
    const [answer] = await Promise.all([whole ? get(query("api/explain", { file: name })) : null, found.load({ q: split(name)[0] || name })]);
    if (!answer || mine !== turn) return;
    if (!answer.status) {
      [missed, stale] = [() => ask(true), true]; // the list says why
      return;
    }
    const there = answer.body.verdict !== "missing" || !$("found").children.length; // else it is a part of names
    if (there) $("answer").append(verdict(answer.ok ? answer.body : { words: answer.error }, open, $("found")));
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(true); });
  field.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(ask, 250); });

  let over = 0;
  const light = (by) => { over = by ? Math.max(0, over + by) : 0; drop.classList.toggle("over", over > 0); };
  addEventListener("dragover", (event) => event.preventDefault()); // else the browser leaves for the file
  addEventListener("dragenter", () => light(1));
  addEventListener("dragleave", () => light(-1));
  addEventListener("drop", (event) => {
    event.preventDefault();
    light(0);
    const name = event.dataTransfer.files[0]?.name; // only its name: nothing of it is read or sent
    if (!name) return;
    field.value = name;
    field.focus();
    ask(true);
  });

  const older = paged({ keep: (job) => !today.has(job.id), paint: (jobs) => endedRows($("older"), jobs, true), note: $("older-none"), more: $("older-more"), none: "There are no earlier ones." });
  $("older-first").addEventListener("click", () => { lists.add(older); older.load({ state: "delivered" }); show($("older-first"), false); });
}

function verdict(one, open, found) {
  const next = one.next_look_at ? (Date.parse(one.next_look_at) - view.now) / 1000 : 0;
  return h("div.answer",
    h("p", one.words ?? one.because?.message ?? ""),
    next > 1 ? h("p.muted", `It is looked at again in ${about(next)}.`) : null,
    one.job && ![...found.children].some((row) => row.dataset.id === one.job) ? button("Show it", () => open(one.job)) : null,
    one.rules?.length ? h("details", h("summary", "Details"), one.rules.map((rule) => worded(h("p.muted"), `${rule.holds ? "✓" : "✗"} ${rule.rule.replaceAll("_", " ")}: ${rule.detail}`))) : null);
}

/** What changed meanwhile, in the lists that were asked for; `more`: and more than is told. */
export function patch(changed, more) {
  stale ||= more;
  const by = new Map(changed.map((job) => [job.id, job]));
  for (const list of lists) list.patch(by);
}
