// The second tab, for the administrator.

import { offers, place } from "./actions.js";
import { post } from "./api.js";
import { about, ahead, attr, button, bytes, count, dots, h, moment, plain, show, sync, text, words } from "./dom.js";

let parts = null;
let view = { now: Date.now(), old: false, may: false };
const ago = (at) => (at ? `${about((view.now - Date.parse(at)) / 1000)} ago` : "not yet");
const known = (value) => value !== null && value !== undefined && value !== "";

/** Names and values, without those that are not known; `{message}` is what a part of the program says of itself. */
export function pairs(list, rows) {
  sync(list, rows.filter(([, value]) => known(value)), ([name]) => name,
    ([name]) => h("div", h("dt", name), h("dd")),
    ({ lastChild: place }, [, value]) => (value.message ? words(place, value.message) : text(place, typeof value === "number" ? count(value) : String(value))));
}

function build(root, onLogout) {
  const list = (kind) => h(`dl.${kind}`);
  parts = {
    head: list("pairs"), pause: place(), out: button("Log out here", async () => { await post("api/logout", {}); onLogout(); }),
    stops: h("ul.cards"), inboxes: h("ul.cards.two"), queues: list("tiles"), money: list("pairs"), rest: list("pairs"),
  };
  const part = (title, ...inner) => h("section", h("h2", title), ...inner);
  parts.stopped = part("What stands still", parts.stops);
  parts.paid = part("Bought today", h("div.card", parts.money));
  parts.others = part("Beside the work", h("div.card", parts.rest));
  root.replaceChildren(part("The program", h("div.card", parts.head, h("div.buttons", parts.pause, parts.out))), parts.stopped,
    part("Inboxes", parts.inboxes), part("Queues", parts.queues), parts.paid, parts.others);
}

export function paint(root, screen, given, onLogout) {
  view = given;
  if (!parts) build(root, onLogout);
  const { inboxes = screen.inboxes, queues = screen.jobs, stops = [], money, offers: everything, webhooks, notices, listening, threads, last_check: check } = screen.service ?? {};
  pairs(parts.head, [["Version", screen.version], ["Running for", screen.daemon.since ? about((view.now - Date.parse(screen.daemon.since)) / 1000) : "it does not run"],
    ["Configuration", screen.config?.file], ["Newer", screen.config?.newer], ["Last check", check && `${moment(check.at, view.now)}: ${check.message}`]]);
  offers(parts.pause, "everything", everything ?? [], view.old);
  show(parts.out, view.may);

  const wide = stops.filter((stop) => !stop.scope.startsWith("inbox:")); // the others stand with their inbox
  sync(parts.stops, wide, (stop) => stop.scope, () => h("li.card", { "data-level": "stopped" }, h("p.message"), h("p.action"), h("p.muted")),
    ({ children: [message, action, more] }, stop) => {
      words(message, stop.message);
      words(action, stop.action);
      text(more, dots(stop.scope, stop.since && `since ${moment(stop.since, view.now)}`, stop.next_check_at && `next look ${ahead(stop.next_check_at, view.now)}`));
    });
  show(parts.stopped, wide.length);

  sync(parts.inboxes, inboxes, (inbox) => inbox.name,
    () => h("li.card", h("h3"), h("p.message"), h("p.action"), h("dl.pairs"), place()),
    setInbox);
  pairs(parts.queues, Object.entries(queues));
  const limits = money?.limits ?? {};
  const of = (number, limit) => `${count(number)}${known(limit) ? ` of ${count(limit)} a day` : ", without a limit"}`;
  pairs(parts.money, [["Files", money && of(money.files, limits.daily_files)],
    ["Minutes", money && `${of(Math.round(money.minutes), limits.daily_minutes)}; each file counts as at least one`]]);
  show(parts.paid, money);
  const sent = (one) => [one.subject, ...one.failed.map((each) => `${each.address}: ${each.message}`)].join(" · ");
  const latest = notices?.latest ?? [];
  const told = latest[0] && !latest[0].failed.length && notices.message.includes(latest[0].subject) ? 1 : 0; // the sentence has it
  pairs(parts.rest, [["Webhooks", webhooks], ["Notices", notices], ["Listening", listening], ...latest.slice(told).map((one) => [moment(one.at, view.now), sent(one)]), ["Threads", threads]]);
  show(parts.others, known(webhooks) || known(notices) || known(listening) || known(threads));
}

function setInbox({ children: [name, message, action, facts, pause] }, inbox) {
  const stop = inbox.stopped;
  const paused = stop?.reason === "paused";
  text(name, inbox.name);
  attr(name.parentNode, "data-level", paused ? "paused" : stop || !inbox.available ? "stopped" : null);
  words(message, stop?.message ?? (inbox.available ? "" : "It is not there."));
  words(action, paused ? "" : stop?.action ?? inbox.note); // the button below ends a pause
  pairs(facts, [
    ["Inbox", plain(inbox.path)], ["Outbox", plain(inbox.outbox)], ["Filesystem", inbox.filesystem], ["Watched by", inbox.watch],
    ["Last scan", ago(inbox.last_scan_at)], ["Settles after", `${inbox.settle_seconds} s`], ["Free", known(inbox.free_bytes) ? bytes(inbox.free_bytes) : null],
    ["Settling", inbox.settling?.length || null], ["Left alone", inbox.left_alone || null], ["Next look", ahead(stop?.next_check_at, view.now)],
  ]);
  offers(pause, `inbox ${inbox.name}`, inbox.offers ?? [], view.old);
}
