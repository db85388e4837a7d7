// The sides of one recording: all of them play all the time, at the same place, and one is heard.

const FADE = 0.015; // s; in a longer one, sides that are a millisecond apart leave a gap where they cancel each other out
const APART = 0.007; // s that a silent side may be away from the one that is heard; 15 ms can be told on a switch
const FAR = 0.06; // s from which on it is set anew: a jump is quick and lands beside its place, a little haste never does
const HASTE = 0.04; // of its pace, by which a silent side makes up for less
const TICK = 200; // ms between two looks
const READY = 1500; // ms that a side gets before the others begin without it

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const ready = (node) => node.error || !node.hasAttribute("src") || (!node.seeking && node.readyState >= 3);

/** Each side is `{key, node, late, level}`: an audio or video element, the seconds that it is late, its gain. */
export class Sides {
  #all = [];
  #context = null;
  #turn = 0;
  #timer = 0;
  playing = false;
  heard = null;
  ended = () => {};

  add(key, node) {
    const side = { key, node, late: 0, level: 1, gain: null, lead: 0.02, fixed: false };
    this.#all.push(side);
    this.heard ??= side;
    node.preservesPitch = false; // it is never heard at another pace
    node.addEventListener("ended", () => { if (side === this.heard) { this.pause(); this.ended(); } });
    this.#source(side);
    this.#level(side, 0);
    return side;
  }

  get(key) { return this.#all.find((side) => side.key === key); }

  /** Seconds of the original. */
  get time() { return Math.max(0, this.heard.node.currentTime - this.heard.late); }

  get duration() {
    const known = this.#all.map(({ node, late }) => node.duration - late).filter(Number.isFinite);
    return known.length ? Math.max(...known) : 0;
  }

  /** Only from a click or key: on iOS an element that Web Audio has is silent while the context may not run. */
  async #attach() {
    if (!globalThis.AudioContext) return;
    const context = this.#context ?? new AudioContext();
    await Promise.race([context.resume(), wait(500)]);
    if (this.#context) return;
    if (context.state !== "running") { context.close(); return; }
    this.#context = context;
    this.#all.forEach((side) => this.#source(side));
  }

  #source(side) {
    if (!this.#context || side.gain) return;
    side.gain = this.#context.createGain();
    side.gain.gain.value = side === this.heard ? side.level : 0;
    this.#context.createMediaElementSource(side.node).connect(side.gain).connect(this.#context.destination);
    side.node.muted = false;
    side.node.volume = 1;
  }

  #level(side, fade = FADE) {
    const level = side === this.heard ? side.level : 0;
    if (side.gain) {
      const [gain, now] = [side.gain.gain, this.#context.currentTime];
      gain.cancelScheduledValues(now);
      gain.setValueAtTime(gain.value, now);
      gain.linearRampToValueAtTime(level, now + fade);
    } else {
      side.node.muted = !level;
      side.node.volume = Math.min(1, side.level);
    }
  }

  /** Levels or lateness of sides were changed. */
  changed() { this.#all.forEach((side) => this.#level(side)); this.#tend(); }

  hear(key) {
    const side = this.get(key);
    if (!side || side === this.heard) return;
    this.#tend(side);
    this.heard = side;
    side.node.playbackRate = 1;
    this.#all.forEach((one) => this.#level(one));
  }

  async play() {
    const turn = ++this.#turn;
    this.playing = true;
    await this.#attach();
    if (turn === this.#turn) await this.#start(turn, this.time);
  }

  pause() {
    this.#turn++;
    this.playing = false;
    clearInterval(this.#timer);
    this.#all.forEach(({ node }) => node.pause());
  }

  async seek(at) {
    const turn = ++this.#turn;
    this.#all.forEach(({ node }) => node.pause());
    await this.#start(turn, Math.max(0, Math.min(at, this.duration || at)));
  }

  async #start(turn, at) {
    for (const { node, late } of this.#all) {
      node.preload = "auto";
      node.playbackRate = 1;
      if (Math.abs(node.currentTime - at - late) > 0.001) node.currentTime = Math.max(0, at + late);
    }
    if (!this.playing) return;
    const until = Date.now() + READY;
    while (!this.#all.every(({ node }) => ready(node)) && (Date.now() < until || !ready(this.heard.node))) {
      await wait(10);
      if (turn !== this.#turn) return;
    }
    this.#all.forEach(({ node }) => node.play().catch(() => {})); // what can't be played is told by its error event
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tend(), TICK);
  }

  /** Set silent sides that are too far from the one that is heard; `next` may be heard at once. */
  #tend(next) {
    if (!this.playing) return;
    for (const side of this.#all) {
      const { node, late } = side;
      if (side === this.heard || node.seeking || node.readyState < 3 || node.ended) continue;
      const away = node.currentTime - late - this.time;
      if (node.paused) node.play().catch(() => {});
      if (side === next) continue;
      if (Math.abs(away) > FAR) {
        if (side.fixed) side.lead = Math.min(0.3, Math.max(0, side.lead - away)); // a jump takes its time
        node.currentTime = Math.max(0, this.time + late + side.lead);
      }
      side.fixed = Math.abs(away) > FAR;
      node.playbackRate = side.fixed || Math.abs(away) < APART ? 1 : 1 - Math.max(-HASTE, Math.min(HASTE, (away * 600) / TICK));
    }
  }

  /** A tab that was in the background comes back with a frozen context. */
  wake() { if (this.playing) this.#context?.resume(); }

  close() {
    this.pause();
    for (const { node } of this.#all) {
      node.removeAttribute("src"); // ends its request
      node.load();
    }
    this.#context?.close();
  }
}

/** Gains for the same loudness, in dB by key: only down; where that would be inaudible, all up towards -23 LUFS. */
export function same(sides) {
  const known = Object.entries(sides).filter(([, one]) => Number.isFinite(one.integrated));
  if (known.length < 2) return {};
  let target = Math.min(...known.map(([, one]) => one.integrated));
  if (target < -38) target = Math.min(-23, ...known.map(([, one]) => one.integrated - 1 - (one.true_peak ?? -1)));
  return Object.fromEntries(known.map(([key, one]) => [key, target - one.integrated]));
}
