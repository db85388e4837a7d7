// Elements and figures. What comes from outside goes in as text; nothing here reads HTML.

/** An element: `h("p.muted", {onclick: f}, child, …)`; attributes may be left out, null children are. */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  if (props?.constructor !== Object) children.unshift(props);
  else for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export const button = (label, onclick, more = {}) => h("button", { type: "button", onclick, ...more }, label);

export const $ = (id) => document.getElementById(id);

/** Set text, an attribute, or whether a node shows, where it differs: what stays equal is not painted again. */
export function text(node, value) {
  const words = value ?? "";
  if (node.textContent !== words) node.textContent = words;
}

export function attr(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function show(node, on) {
  if (node.hidden === Boolean(on)) node.hidden = !on;
}

/** Text that shows only where there is some. */
export function say(node, value) {
  text(node, value);
  show(node, value);
}

const kept = new WeakMap();

/** Make `parent`'s children those of `items`: nodes live on by key, so that focus and what is open stay. */
export function sync(parent, items, key, make, update) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const name = key(item);
    if (after.has(name)) continue;
    const node = before.get(name) ?? make(item);
    update?.(node, item);
    after.set(name, node);
  }
  for (const [name, node] of before) if (!after.has(name)) node.remove();
  let next = parent.firstChild;
  for (const node of after.values()) {
    if (node === next) next = next.nextSibling;
    else if (node.isConnected && parent.moveBefore) parent.moveBefore(node, next); // a moved node keeps its focus
    else parent.insertBefore(node, next);
  }
  kept.set(parent, after);
}

/** Words that show only where there are some; commands in backticks stand as code. */
export function words(node, value) {
  show(node, value);
  if (node.dataset.words === (value ??= "")) return;
  node.dataset.words = value;
  node.replaceChildren(...value.split("`").map((part, at) => (at % 2 ? h("code", part) : part)));
}

export function worded(node, value) {
  words(node, value);
  return node;
}

/** A file's name as it is, whatever direction or length; its folder apart. */
export const split = (path) => {
  const at = (path ?? "").lastIndexOf("/");
  return [path.slice(at + 1), at < 0 ? "" : path.slice(0, at)];
};
// marks that act on the reader are shown as what they are
const ACTING = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]|[\ud800-\udfff](?![\udc00-\udfff])(?<![\ud800-\udbff][\udc00-\udfff])/g;
export const plain = (name) =>
  (name ?? "").replace(ACTING, (char) => Array.from(new TextEncoder().encode(char), (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""));

const cycle = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hourCycle ?? "h23";
const TIME = new Intl.DateTimeFormat("en", { hour: cycle.startsWith("h2") ? "2-digit" : "numeric", minute: "2-digit", hourCycle: cycle });
const SHORT = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const dots = (...parts) => parts.filter(Boolean).join(" · ");
export const count = (number) => Number(number).toLocaleString("en");
export const time = (at) => TIME.format(new Date(at));
const sameDay = (one, other) => new Date(one).toDateString() === new Date(other).toDateString();
/** The time of today, else the day with it. */
export const moment = (at, now) => (sameDay(at, now) ? time(at) : `${SHORT.format(new Date(at))}, ${time(at)}`);

/** A recording's length: 4:03, 1:04:03. */
export function length(seconds) {
  const whole = Math.round(seconds);
  const pad = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** How long something takes: 40 s, 3 min, 2 h 5 min, 4 days. */
export function about(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h${whole % 3600 >= 60 ? ` ${Math.floor((whole % 3600) / 60)} min` : ""}`;
  return `${Math.round(whole / 86400)} days`;
}

/** When something is to be: in 3 min, now. */
export const ahead = (at, now) => (at && (Date.parse(at) - now < 1000 ? "now" : `in ${about((Date.parse(at) - now) / 1000)}`));

export function bytes(size) {
  let [left, unit] = [size, 0];
  while (left >= 1000 && unit < 4) [left, unit] = [left / 1000, unit + 1];
  return `${unit && left < 10 ? left.toFixed(1) : Math.round(left)} ${["B", "kB", "MB", "GB", "TB"][unit]}`;
}
