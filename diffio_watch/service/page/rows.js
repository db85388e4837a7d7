// Rows of recordings, the same in every list.

import { jobPath } from "./api.js";
import { about, attr, button, count, dots, h, length, moment, plain, say, split, sync, text, time } from "./dom.js";

let open = () => {};
/** `show(id)` opens the details of a recording. */
export const onOpen = (given) => { open = given; };

/** The name, which opens the details, and its folder. */
export function title() {
  const name = h("bdi");
  const title = button(name, () => open(title.dataset.id), { class: "name" });
  return h("div.title", title, h("span.muted.folder", h("bdi")));
}

export function setTitle(node, job, inboxes) {
  const [title, folder] = node.children;
  const [name, place] = split(job.path);
  title.dataset.id = job.id;
  title.disabled = job.id === null; // it is only there yet
  text(title.firstChild, plain(name));
  text(folder.firstChild, plain([inboxes > 1 ? job.inbox : "", place].filter(Boolean).join(" / ")));
}

/** What moves. */
export function moving() {
  return h("li.row.moving", title(),
    h("div.step", h("span"), h("span.muted"), h("progress", { max: "1", value: "0" })),
    h("p.muted.why"));
}

export function setMoving(row, job, { now, told, inboxes }) {
  const [name, step, why] = row.children;
  const [words, figures, bar] = step.children;
  setTitle(name, job, inboxes);
  text(words, job.step);
  const percent = job.fraction == null || job.state === "queued" ? null : Math.min(99, Math.floor(job.fraction * 100));
  const seconds = job.left_seconds - (now - told) / 1000; // it was told some seconds ago
  const left = job.left_seconds && seconds > 1 ? `about ${about(seconds)} left` : "";
  text(figures, dots(percent !== null && `${percent} %`, left || job.usual));
  attr(bar, "value", percent === null ? 0 : percent / 100);
  attr(bar, "aria-label", `${plain(split(job.path)[0])}: ${job.step}`);
  bar.classList.toggle("none", percent === null);
  say(why, waits(job, now));
}

/** Why it waits, and when it is looked at next. */
export function waits(job, now) {
  if (!job.waits) return "";
  const ahead = job.next_at ? (Date.parse(job.next_at) - now) / 1000 : null;
  const next = ahead === null ? "" : ahead > 1 ? `Next look in ${about(ahead)}.` : "It is looked at now.";
  return [job.waits, next].filter(Boolean).join(" ");
}

/** What came to its end, or waits. */
export function ended() {
  return h("li.row.ended", title(),
    h("div.facts", h("span.state"), h("time"), h("span.long"), h("span.loud")),
    h("div.links"));
}

/** `days`: they are of other days than today, too. */
export function setEnded(row, job, { now, inboxes }, days = false) {
  const [name, facts, links] = row.children;
  const [state, at, long, loud] = facts.children;
  setTitle(name, job, inboxes);
  row.dataset.level = job.waits ? "" : job.state; // an empty file may still be filled
  say(state, job.state === "delivered" && !days ? "" : job.step ?? job.state);
  say(at, days ? moment(when(job), now) : time(when(job)));
  attr(at, "datetime", when(job));
  say(long, lasts(job));
  say(loud, loudness(job.loudness));
  const there = published(job);
  sync(links, [...(job.copy_of ? [{ type: "copy" }] : []), ...(there.some((one) => one.type !== "transcript") ? [{ type: "play" }] : []), ...there], (one) => one.type,
    (one) => (one.type === "copy" ? button(["Show what it is a copy of", h("span.sr")], () => open(job.copy_of)) : one.type === "play"
      ? button(["▶ Play", h("span.sr")], () => open(row.dataset.id, true), { class: "play" })
      : download(job, one, "", h("span.sr"))),
    (node) => text(node.lastChild, ` ${plain(split(job.path)[0])}`));
  row.dataset.id = job.id;
}

const when = (job) => job.delivered_at ?? job.updated_at;
const LABELS = { audio: "Sound", video: "Video", transcript: "Transcript" };
export const lasts = (job) => (job.length_s ? length(Math.max(1, job.length_s)) : "");
export const label = (one) => LABELS[one.type] ?? one.type;
export const download = (job, one, ...more) =>
  h("a", { download: true, href: `${jobPath(job.id, "outputs", one.type)}?download=1` }, label(one), ...more);
export const published = (job) => (job.outputs ?? []).filter((one) => one.state === "published");

export function loudness(one) {
  if (!one || (one.before == null && one.after == null)) return "";
  const sides = [one.before, one.after].filter((value) => value != null);
  return `${sides.map((value) => value.toFixed(1).replace("-", "−")).join(" → ")} LUFS`;
}

export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
