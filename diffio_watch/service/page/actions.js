// What a person asks of the daemon: one click, one request, and the daemon's own words beside the button.

import { post } from "./api.js";
import { h, show, sync, text } from "./dom.js";

const asked = new Map(); // by button: {busy, fine, lines, until}
const REST = 2500; // ms after an answer in which the button stays off: until what it did shows
const STAYS = 120000; // ms that an answer stands although its group is gone

let hooks = { may: () => false, login: () => {}, repaint: () => {} };

/** `may()`: whether this browser may change things; `login(why)`; `repaint()`: show the answer. */
export function connect(given) {
  hooks = given;
}

/** Whether an answer under this name still has to be read although what was asked about is gone. */
export function fresh(prefix) {
  const now = Date.now();
  for (const [name, one] of asked) if (name.startsWith(prefix) && (one.busy || now - one.at < STAYS)) return true;
  return false;
}

async function ask(name, offer) {
  const before = asked.get(name);
  if (before && (before.busy || Date.now() - before.at < REST)) return;
  if (!hooks.may()) {
    hooks.login("To change something the page has to know that you may.");
    return;
  }
  asked.set(name, { busy: true, fine: true, lines: ["Asked…"], at: Date.now() });
  hooks.repaint();
  const answer = await post("api/requests", { command: offer.command, args: offer.args });
  if (answer.status === 401) {
    asked.delete(name);
    hooks.login(answer.error);
  } else {
    const lines = answer.ok ? (answer.body.lines ?? []) : [answer.error];
    asked.set(name, { busy: false, fine: answer.ok && answer.body.ok !== false, lines: lines.length ? lines : ["Done."], at: Date.now() });
    setTimeout(hooks.repaint, REST + 50);
  }
  hooks.repaint();
}

/** A place for buttons and the answers beside them. */
export const place = () => h("div", { class: "offers" }, h("div", { class: "buttons" }), h("div", { class: "answers", role: "status" }));

/** Show the offers in their place. `prefix` names what they are about; `old`: what is shown is old, nothing is asked. */
export function offers(node, prefix, list, old) {
  const [buttons, answers] = node.children;
  sync(buttons, list, (offer) => offer.id, (offer) => {
    const button = h("button", { type: "button", onclick: () => ask(`${prefix} ${offer.id}`, button.offer) });
    return button;
  }, (button, offer) => {
    button.offer = offer;
    const state = asked.get(`${prefix} ${offer.id}`);
    const off = old || Boolean(state && (state.busy || Date.now() - state.at < REST));
    if (button.disabled !== off) button.disabled = off;
    button.className = offer === list[0] && !["cancel", "pause"].includes(offer.command) ? "main" : "";
    button.classList.toggle("buys", offer.cost?.free === false);
    text(button, offer.label); // tells what it costs, too
  });
  const told = [...asked].filter(([name]) => name.startsWith(`${prefix} `));
  sync(answers, told, ([name]) => name, () => h("div"), (block, [, state]) => {
    block.className = state.fine ? "answer" : "answer bad";
    const lines = state.lines.map((line, at) => [at, line]);
    sync(block, lines, ([at, line]) => `${at} ${line}`, ([, line]) => h("p", { dir: "auto" }, line));
  });
  show(node, list.length || told.length);
}
