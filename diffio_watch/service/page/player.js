// Listening to one recording: before and after on one time axis. `mount` fills a place, `unmount` ends it.

import { get, jobPath } from "./api.js";
import { h, length, show, text } from "./dom.js";
import { published } from "./rows.js";
import { same, Sides } from "./sides.js";

const NAMES = { original: "Original", restored: "Restored", removed: "Removed" };
const PICKS = 5; // of a blind test
const LOW = 24; // of 128: what peaks lower than this is not drawn as if it were loud
let now = null; // the one player there is
await new Promise((done) => document.head.append(h("link", { rel: "stylesheet", href: "page/player.css", onload: done, onerror: done })));

/** Put what can be heard of a job into `place`; `play`: begin at once with the restored side. */
export function mount(place, job, play) {
  unmount(place);
  const best = ["video", "audio"].map((type) => published(job).find((one) => one.type === type)).find(Boolean);
  if (best) now = new Player(place, job, best, play);
}

export function unmount(place) {
  if (now?.place === place) now = now.close();
  place.replaceChildren();
}

class Player {
  #ending = new AbortController();
  #sides = new Sides();
  #told = { sides: {}, differences: [] };
  #loop = [];
  #blind = null; // {order, picks}
  #nodes = {};
  #from = new URLSearchParams(location.hash.slice(1));

  constructor(place, job, best, play) {
    this.place = place;
    this.job = job;
    this.best = best.type;
    this.paths = { original: jobPath(job.id, "original"), restored: jobPath(job.id, "outputs", best.type) };
    this.#build();
    for (const key of ["original", "restored"]) this.#side(key);
    this.#sides.ended = () => this.#paint();
    this.#hear("restored");
    const { signal } = this.#ending;
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
    document.addEventListener("keyup", (event) => this.#own(event) && event.preventDefault(), { signal }); // Firefox presses then
    document.addEventListener("visibilitychange", () => document.hidden || this.#sides.wake(), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw(), { signal });
    this.sizes = new ResizeObserver(() => this.#draw());
    this.sizes.observe(place);
    this.frame = setInterval(() => this.#paint(), 100);
    this.#begin(play);
    const at = Number(this.#from.get("t"));
    if (this.#from.get("job") === job.id && at > 0) {
      this.#hear({ a: "original", b: "restored" }[this.#from.get("side")] ?? "restored");
      this.#sides.seek(at);
    }
  }

  /** What is not there is not asked for: a browser tells each failed load in its console. */
  async #begin(play) {
    await this.#load();
    if (this.#ending.signal.aborted) return;
    for (const key of ["original", "restored"]) {
      if (!this.#told.sides[this.#type(key)]?.gone) this.#nodes[key].src = this.paths[key];
    }
    if (play || this.#sides.playing) this.#sides.play();
    this.#paint();
  }

  close() {
    this.#ending.abort();
    clearInterval(this.frame);
    clearTimeout(this.again);
    this.sizes.disconnect();
    this.#sides.close();
    return null;
  }

  #build() {
    const button = (words, act, more) => h("button", { type: "button", onclick: act, ...more }, words);
    this.choose = Object.fromEntries(Object.keys(NAMES).map((key) => [key, button(NAMES[key], () => this.#hear(this.#named(key)), { "aria-pressed": "false" })]));
    show(this.choose.removed, false);
    this.play = button("Play", () => this.#toggle(), { class: "main" });
    this.clock = h("span.clock");
    this.state = h("p.muted", { role: "status" });
    this.facts = h("p.muted");
    this.equal = h("input", { type: "checkbox", checked: true, onchange: () => this.#levels() });
    this.places = [button("Previous difference", () => this.#jump(-1)), button("Next difference", () => this.#jump(1))];
    this.looping = button("Loop", () => this.#cut(), { "aria-pressed": "false" });
    this.blind = button("Don't tell me", () => this.#test());
    this.prefer = button("This one is better", () => this.#pick());
    this.lines = Object.fromEntries(["original", "restored"].map((key) => [key, this.#slider(key)]));
    this.media = h("div.media");
    this.places.forEach((one) => show(one, false));
    show(this.prefer, false);
    this.place.append(this.media, h("div.buttons", { role: "group", "aria-label": "What is heard" }, Object.values(this.choose), this.prefer),
      ...Object.values(this.lines).map((line) => line.node),
      h("div.buttons", this.play, this.clock, h("label.same", this.equal, " Same loudness")),
      h("div.buttons.more", ...this.places, this.looping, this.blind, button("Link to here", () => this.#link())),
      this.state, this.facts,
      h("details", h("summary", "Keys"), h("p.muted", "Space plays and pauses, A and B choose, X swaps, ← and → go 5 s, N and P to the next and previous difference, L sets the start and end of a loop.")));
  }

  #slider(key) {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const mark = h("i");
    const name = h("b");
    const node = h(`div.wave.${key}`, { role: "slider", tabindex: 0, "aria-label": `${NAMES[key]}: position`, "aria-valuemin": 0 }, canvas, name, mark);
    const seek = (event) => {
      const { left, width } = node.getBoundingClientRect();
      this.#seek(((event.clientX - left) / width) * this.#length());
    };
    node.addEventListener("pointerdown", (event) => { node.setPointerCapture(event.pointerId); seek(event); });
    node.addEventListener("pointermove", (event) => { if (event.buttons && node.hasPointerCapture(event.pointerId)) seek(event); });
    node.addEventListener("keydown", (event) => {
      const step = { Home: -Infinity, End: Infinity, PageUp: 30, PageDown: -30, ArrowUp: 5, ArrowDown: -5 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.#seek(Math.max(0, Math.min(this.#length(), this.#sides.time + step)));
    });
    return { node, canvas, mark, name };
  }

  #side(key) {
    const video = key === "restored" && this.best === "video";
    const node = h(video ? "video" : "audio", { preload: "metadata", playsinline: true, crossorigin: "use-credentials" });
    this.#nodes[key] = node;
    node.addEventListener("error", () => this.#preview(key, node));
    node.addEventListener("loadedmetadata", () => { this.#draw(); this.#paint(); });
    this.media.append(node);
    this.#sides.add(key, node);
    if (key === "removed") this.#preview(key, node); // it has to be made in any case
  }

  /** What the browser can't play is asked for as a preview, which may have to be made first. */
  async #preview(key, node) {
    if (this.#ending.signal.aborted) return;
    const side = this.#told.sides[this.#type(key)];
    if (side?.gone || side?.no_sound) return this.#say(""); // told already
    if (node.dataset.preview) return this.#say(`${NAMES[key]}: this browser can't play it.`);
    const path = `${this.paths[key]}/preview`;
    const answer = await fetch(path, { headers: { Range: "bytes=0-0" }, cache: "no-store" }).catch(() => null);
    if (this.#ending.signal.aborted || !answer) return;
    if (answer.status === 202) {
      const { seconds, words } = await answer.json();
      this.#say(`${NAMES[key]}: ${words}`);
      setTimeout(() => this.#load().then(() => this.#preview(key, node)), Math.min(2000, seconds * 1000));
    } else if (answer.ok) {
      this.#say("");
      node.dataset.preview = "yes";
      node.src = path;
      this.#sides.seek(this.#sides.time);
    } else {
      const { error } = await answer.json().catch(() => ({}));
      await this.#load(); // which tells what is wrong with it, if that is known by now
      this.#say(this.#unfit(key) ? "" : `${NAMES[key]}: ${error ?? "this browser can't play it."}`);
    }
  }

  async #load() {
    clearTimeout(this.again);
    const answer = await get(jobPath(this.job.id, "sound"));
    if (this.#ending.signal.aborted || !answer.ok) return;
    this.#told = answer.body;
    const waits = Object.values(this.#told.sides).map((side) => side.wait ?? 0);
    const late = (this.#told.lag?.ms ?? 0) / 1000;
    this.#sides.get("restored").late = late;
    this.#levels();
    this.#draw();
    this.places.forEach((one) => show(one, this.#told.differences.length));
    show(this.choose.removed, this.#told.removed);
    const unfit = ["original", "restored"].map((key) => this.#unfit(key) && `${NAMES[key]}: ${this.#unfit(key)}`);
    text(this.facts, [unfit.some(Boolean) ? "" : this.#told.lag?.words, this.#told.sandbox, ...unfit].filter(Boolean).join(" "));
    if (waits.some(Boolean) || (this.#told.available && !this.#told.lag && !unfit.some(Boolean))) this.again = setTimeout(() => this.#load(), 2000);
  }

  /** Why a side can't be heard, if it is known. */
  #unfit(key) {
    const side = this.#told.sides[this.#type(key)];
    return side?.gone ?? side?.note;
  }

  #type(key) { return key === "restored" ? this.best : key; }
  #length() { return this.#sides.duration || this.#told.sides.original?.seconds || this.job.length_s || 0; }
  #say(words) { text(this.state, words); }

  /** While it is blind, the first button is whichever side chance gave it. */
  #named(key) { return this.#blind ? this.#blind.order[key === "original" ? 0 : 1] : key; }

  #levels() {
    const sides = { original: this.#told.sides.original ?? {}, restored: this.#told.sides[this.best] ?? {} };
    const gains = this.equal.checked || this.#blind ? same(sides) : {};
    for (const key of ["original", "restored"]) this.#sides.get(key).level = 10 ** ((gains[key] ?? 0) / 20);
    const removed = this.#sides.get("removed");
    if (removed) removed.level = this.#sides.get("original").level;
    this.#sides.changed();
    const told = Object.entries(gains).filter(([, gain]) => Math.abs(gain) >= 0.05).map(([key, gain]) => `${NAMES[key].toLowerCase()} ${gain < 0 ? "−" : "+"}${Math.abs(gain).toFixed(1)} dB`);
    this.equal.parentNode.title = told.join(", ");
    text(this.equal.nextSibling, ` Same loudness${told.length && !this.#blind ? ` (${told.join(", ")})` : ""}`);
  }

  #hear(key) {
    if (key === "removed" && !this.#sides.get(key)) {
      this.paths.removed = jobPath(this.job.id, "removed");
      this.#side(key);
      this.#levels();
      this.#sides.seek(this.#sides.time);
    }
    this.#sides.hear(key);
    this.#paint();
  }

  async #toggle() {
    if (this.#sides.playing) this.#sides.pause();
    else this.#sides.play();
    this.#paint();
  }

  #seek(at) {
    this.#sides.seek(at);
    this.#paint(at);
  }

  #jump(way) {
    const [all, at] = [this.#told.differences, this.#sides.time];
    const next = way > 0 ? all.find((one) => one > at + 0.5) ?? all[0] : all.findLast((one) => one < at - 1.5) ?? all.at(-1);
    if (next !== undefined) this.#seek(next);
    else this.#say(this.#told.available === false ? "Where they differ is not known." : "No difference is known so far.");
  }

  #cut() {
    const at = this.#sides.time;
    if (this.#loop.length === 1 && at > this.#loop[0] + 0.2) this.#loop = [this.#loop[0], at];
    else this.#loop = this.#loop.length ? [] : [at];
    this.looping.setAttribute("aria-pressed", this.#loop.length > 0);
    this.#say(["", `The loop begins at ${length(at)}; press again where it is to end.`, `Loops from ${length(this.#loop[0] ?? 0)} to ${length(at)}.`][this.#loop.length]);
    if (this.#loop.length === 2) this.#seek(this.#loop[0]);
    this.#draw();
  }

  #test() {
    this.#blind = this.#blind ? null : { picks: [], order: [] };
    this.#shuffle();
    this.#say(this.#blind ? `Listen to 1 and 2, then say which is better: ${PICKS} times.` : "");
  }

  #shuffle() {
    if (this.#blind) this.#blind.order = Math.random() < 0.5 ? ["original", "restored"] : ["restored", "original"];
    const on = Boolean(this.#blind);
    text(this.choose.original, on ? "1" : NAMES.original);
    text(this.choose.restored, on ? "2" : NAMES.restored);
    text(this.blind, on ? "Stop the test" : "Don't tell me");
    show(this.prefer, on);
    show(this.choose.removed, !on && this.#told.removed);
    this.place.classList.toggle("blind", on);
    show(this.lines.restored.node, !on);
    this.lines.original.node.setAttribute("aria-label", on ? "Position" : "Original: position");
    this.#levels();
    this.#draw();
    if (on) this.#hear(this.#named("original"));
    this.#paint();
  }

  #pick() {
    this.#blind.picks.push(this.#sides.heard.key);
    const { picks } = this.#blind;
    if (picks.length < PICKS) {
      this.#say(`${picks.length} of ${PICKS}. They were shuffled again.`);
      return this.#shuffle();
    }
    this.#blind = null;
    this.#shuffle();
    this.#say(`${picks.filter((key) => key === "restored").length} of ${PICKS} restored.`);
  }

  #link() {
    const side = this.#blind ? "" : `&side=${this.#sides.heard.key === "original" ? "a" : "b"}`; // it would tell
    history.replaceState(null, "", `#job=${encodeURIComponent(this.job.id)}&t=${this.#sides.time.toFixed(1)}${side}`);
    const copied = navigator.clipboard?.writeText(location.href).then(() => " and was copied", () => "") ?? Promise.resolve("");
    copied.then((words) => this.#say(`The link to ${length(this.#sides.time)} stands in the address bar${words}.`));
  }

  /** Space plays and pauses also where a button of the player has the focus, as after a click; Enter presses it. */
  #own(event) { return event.key === " " && this.place.contains(event.target) && !event.target.closest("input"); }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.target.closest?.(`input${event.key === " " ? "" : ":not([type=checkbox])"}, textarea, select`)) return;
    const act = {
      " ": () => this.#toggle(), a: () => this.#hear(this.#named("original")), b: () => this.#hear(this.#named("restored")),
      x: () => this.#hear(this.#sides.heard.key === "original" ? "restored" : "original"), l: () => this.#cut(),
      n: () => this.#jump(1), p: () => this.#jump(-1),
      ArrowLeft: () => this.#seek(Math.max(0, this.#sides.time - 5)), ArrowRight: () => this.#seek(Math.min(this.#length(), this.#sides.time + 5)),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (event.key === " " && !this.#own(event) && event.target.closest?.("button, summary, a"))) return;
    event.preventDefault();
    act();
  }

  #paint(at = this.#sides.time) {
    const all = this.#length();
    const [from, to] = this.#loop;
    if (to && at >= to && this.#sides.playing) this.#seek(at = from);
    text(this.play, this.#sides.playing ? "Pause" : "Play");
    text(this.clock, `${length(at)} / ${length(all)}`);
    for (const [key, node] of Object.entries(this.choose)) {
      node.setAttribute("aria-pressed", this.#sides.heard?.key === (key === "removed" ? key : this.#named(key)));
    }
    for (const [key, { node, mark, name }] of Object.entries(this.lines)) {
      const heard = !this.#blind && this.#sides.heard?.key === key;
      node.classList.toggle("heard", heard);
      text(name, this.#blind ? "" : NAMES[key] + (heard ? " · you hear this" : ""));
      mark.style.left = `${all ? (100 * at) / all : 0}%`;
      node.setAttribute("aria-valuemax", Math.round(all));
      node.setAttribute("aria-valuenow", Math.round(at));
      node.setAttribute("aria-valuetext", `${length(at)} of ${length(all)}`);
    }
  }

  #peaks(key) {
    const told = (!this.#blind && this.#told.sides[this.#type(key)]?.peaks) || "";
    return new Int8Array(Uint8Array.from(atob(told), (char) => char.charCodeAt(0)).buffer);
  }

  #draw() {
    const all = this.#length();
    const top = Object.keys(this.lines).reduce((so, key) => this.#peaks(key).reduce((one, other) => Math.max(one, Math.abs(other)), so), LOW); // one scale for both
    for (const [key, { node, canvas }] of Object.entries(this.lines)) {
      const [wide, high] = [canvas.clientWidth * devicePixelRatio, canvas.clientHeight * devicePixelRatio].map(Math.round);
      if (!wide || !high || !all) continue;
      [canvas.width, canvas.height] = [wide, high];
      const pen = canvas.getContext("2d");
      pen.fillStyle = getComputedStyle(node).color;
      const side = this.#told.sides[this.#type(key)] ?? {};
      const late = key === "restored" ? this.#sides.get(key).late : 0;
      const values = this.#peaks(key);
      for (let x = 0; x < wide; x++) {
        const [from, to] = [x, x + 1].map((one) => Math.floor(((one / wide) * all + late) / (side.column || 1)));
        let [least, most] = [0, 0];
        for (let at = Math.max(0, from); at < Math.max(to, from + 1) && 2 * at < values.length; at++) {
          least = Math.min(least, values[2 * at]);
          most = Math.max(most, values[2 * at + 1]);
        }
        pen.fillRect(x, (high / 2) * (1 - most / top), 1, Math.max(devicePixelRatio, (high / 2 / top) * (most - least)));
      }
      if (this.#loop.length === 2) {
        pen.globalAlpha = 0.2;
        pen.fillRect((wide * this.#loop[0]) / all, 0, (wide * (this.#loop[1] - this.#loop[0])) / all, high);
      }
    }
  }
}
