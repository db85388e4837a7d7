// One click, one request, and the daemon's own words beside the button.

import { post } from "./api.js";
import { button, h, show, sync, text, worded } from "./dom.js";

const asked = new Map(); // by button: {busy, fine, lines, at}
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

async function ask(name, { offer, since }) {
  const before = asked.get(name);
  if (before && (before.busy || Date.now() - before.at < REST)) return;
  if (!hooks.may()) return hooks.login("To change something the page has to know that you may.");
  if (Date.now() - since < 400) { // nobody has read it so soon
    asked.set(name, { lines: ["This changed just as you pressed it: read it again."], at: Date.now() - REST });
    return hooks.repaint();
  }
  asked.set(name, { busy: true, fine: true, lines: ["Asked…"], at: Date.now() });
  hooks.repaint();
  const answer = await post("api/requests", { command: offer.command, args: offer.args });
  if (answer.status === 401) {
    asked.delete(name);
    hooks.login(answer.error);
  } else {
    const told = answer.body.error; // without it nobody knows whether the request arrived
    const lines = answer.ok ? answer.body.lines : told ? [told] : [answer.error, "It may have been asked all the same: look before you ask again."];
    const later = answer.status === 202 ? 60000 : 0; // it stands, and will be done
    asked.set(name, { busy: false, fine: answer.ok && answer.body.ok !== false, lines, at: Date.now() + later });
    setTimeout(hooks.repaint, REST + 50);
  }
  hooks.repaint();
}

/** A place for buttons and the answers beside them. */
export const place = () => h("div.offers", h("div.buttons"), h("div.answers", { role: "status" }));

/** Show the offers in their place. `prefix` names what they are about; `old`: what is shown is old, nothing is asked. */
export function offers(node, prefix, list, old) {
  const [buttons, answers] = node.children;
  sync(buttons, list, (offer) => offer.id, (offer) => {
    const node = button("", () => ask(`${prefix} ${offer.id}`, node));
    return node;
  }, (node, offer) => {
    if (node.offer?.label !== offer.label) node.since = node.offer ? Date.now() : 0;
    node.offer = offer;
    const state = asked.get(`${prefix} ${offer.id}`);
    const off = old || Boolean(state && (state.busy || Date.now() - state.at < REST));
    if (node.disabled !== off) node.disabled = off;
    node.className = offer.cost?.free === false ? "buys" : offer === list[0] && !["cancel", "pause"].includes(offer.command) ? "main" : "";
    text(node, offer.label); // tells what it costs, too
  });
  const told = [...asked].filter(([name]) => name.startsWith(`${prefix} `)).sort(([, one], [, other]) => other.at - one.at).slice(0, 1);
  sync(answers, told, ([name]) => name, () => h("div"), (block, [, state]) => {
    block.className = state.fine ? "answer" : "answer bad";
    const key = state.lines.join("\n");
    if (block.dataset.of === key) return;
    block.dataset.of = key;
    block.replaceChildren(...state.lines.map((line) => worded(h("p"), line)));
  });
  show(node, list.length || told.length);
}
