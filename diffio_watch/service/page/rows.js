// Rows of recordings, the same in every list: now, done, found, the files of a group.

import { jobPath } from "./api.js";
import { about, attr, count, day, h, length, moment, plain, show, split, sync, text, time } from "./dom.js";

let open = () => {};
/** `show(id)` opens the details of a recording. */
export const onOpen = (given) => { open = given; };

/** The name, which opens the details, and its folder. */
export function title() {
  const name = h("bdi");
  const button = h("button", { type: "button", class: "name", onclick: () => open(button.dataset.id) }, name);
  return h("div", { class: "title" }, button, h("span", { class: "folder" }, h("bdi")));
}

export function setTitle(node, job, inboxes) {
  const [button, folder] = node.children;
  const [name, place] = split(job.path);
  button.dataset.id = job.id;
  text(button.firstChild, plain(name));
  text(folder.firstChild, plain([inboxes > 1 ? job.inbox : "", place].filter(Boolean).join(" / ")));
}

/** What moves: the step with its bar, how long, what it waits for. */
export function moving() {
  return h("li", { class: "row moving" }, title(),
    h("div", { class: "step" }, h("span"), h("span", { class: "muted" }), h("progress", { max: "1", value: "0" })),
    h("p", { class: "why" }));
}

export function setMoving(row, job, { now, inboxes }) {
  const [name, step, why] = row.children;
  const [words, figures, bar] = step.children;
  setTitle(name, job, inboxes);
  text(words, job.step);
  const percent = job.fraction === null || job.fraction === undefined ? null : Math.min(99, Math.floor(job.fraction * 100));
  const left = job.left_seconds > 0 ? `about ${about(job.left_seconds)} left` : "";
  text(figures, [percent === null ? "" : `${percent} %`, left || job.usual || ""].filter(Boolean).join(" · "));
  attr(bar, "value", percent === null ? 0 : percent / 100);
  attr(bar, "aria-label", `${plain(split(job.path)[0])}: ${job.step}`);
  bar.classList.toggle("none", percent === null);
  text(why, waits(job, now));
  show(why, why.textContent);
}

/** Why it waits, and when it is looked at next. */
export function waits(job, now) {
  if (!job.waits) return "";
  const ahead = job.next_at ? (Date.parse(job.next_at) - now) / 1000 : null;
  const next = ahead === null ? "" : ahead > 1 ? `Next look in ${about(ahead)}.` : "It is looked at now.";
  return [job.waits, next].filter(Boolean).join(" ");
}

/** What came to its end, or waits: when, how long, how loud, and what can be had. */
export function ended() {
  return h("li", { class: "row ended" }, title(),
    h("div", { class: "facts" }, h("span", { class: "state" }), h("time"), h("span", { class: "long" }), h("span", { class: "loud" })),
    h("div", { class: "links" }));
}

/** `days`: they are of other days than today, too. */
export function setEnded(row, job, { now, inboxes }, days = false) {
  const [name, facts, links] = row.children;
  const [state, at, long, loud] = facts.children;
  setTitle(name, job, inboxes);
  row.dataset.state = job.state;
  text(state, job.state === "delivered" && !days ? "" : job.step ?? job.state);
  text(at, days ? moment(job.updated_at, now) : time(job.updated_at));
  attr(at, "datetime", job.updated_at);
  text(long, job.length_s ? length(job.length_s) : "");
  attr(long, "title", job.length_s ? "Length of the recording" : null);
  text(loud, loudness(job.loudness));
  attr(loud, "title", job.loudness ? "Loudness before and after" : null);
  for (const one of facts.children) show(one, one.textContent);
  const there = published(job);
  sync(links, [...(there.some((one) => one.type !== "transcript") ? [{ type: "play" }] : []), ...there], (one) => one.type,
    (one) => (one.type === "play"
      ? h("button", { type: "button", class: "play", onclick: () => open(row.dataset.id, true) }, "▶ Play", h("span", { class: "sr" }))
      : h("a", { download: true }, LABELS[one.type] ?? one.type, h("span", { class: "sr" }))),
    (node, one) => {
      if (one.type !== "play") attr(node, "href", `${jobPath(job.id, "outputs", encodeURIComponent(one.type))}?download=1`);
      text(node.lastChild, ` ${plain(split(job.path)[0])}`);
    });
  row.dataset.id = job.id;
}

export const LABELS = { audio: "Sound", video: "Video", transcript: "Transcript" };
export const published = (job) => (job.outputs ?? []).filter((one) => one.state === "published");

export function loudness(one) {
  if (!one || (one.before == null && one.after == null)) return "";
  const side = (value) => (value == null ? "?" : value.toFixed(1).replace("-", "−"));
  return `${side(one.before)} → ${side(one.after)} LUFS`;
}

/** Rows with a heading wherever a new day begins. */
export function byDays(parent, jobs, view) {
  const days = new Map();
  for (const job of jobs) {
    const name = day(job.updated_at, view.now);
    if (!days.has(name)) days.set(name, []);
    days.get(name).push(job);
  }
  sync(parent, [...days], ([name]) => name,
    ([name]) => h("section", {}, h("h3", {}, name), h("ul", { class: "rows" })),
    (node, [, those]) => sync(node.lastChild, those, (job) => job.id, ended, (row, job) => setEnded(row, job, view)));
}

export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
