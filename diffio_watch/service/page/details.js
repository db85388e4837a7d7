// One recording.

import { offers, place } from "./actions.js";
import { get, jobPath } from "./api.js";
import { $, button, bytes, dots, h, moment, plain, split, text, words } from "./dom.js";
import { download, label, lasts, loudness, published, waits } from "./rows.js";
import { pairs } from "./service.js";

let player = null; // loaded when there is something to hear
let [id, job, turn, view, parts] = [null, null, 0, { now: Date.now(), old: false }, null];

export function start() {
  const dialog = $("job");
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    if (parts) player?.unmount(parts.sound);
    [id, job] = [null, null];
    history.replaceState(null, "", location.pathname + location.search);
  });
}

/** Open the details of a job; `play`: and begin to play it. */
export async function open(wanted, play = false) {
  id = wanted;
  job = null;
  build();
  text($("job-title"), "…");
  if (!$("job").open) $("job").showModal();
  // a link to a moment stays as it is
  if (new URLSearchParams(location.hash.slice(1)).get("job") !== wanted) history.replaceState(null, "", `#job=${encodeURIComponent(wanted)}`);
  await load(play);
}

export const shown = () => id;

export async function load(play = false) {
  const mine = ++turn;
  const wanted = id;
  if (!wanted) return;
  const answer = await get(jobPath(wanted));
  if (mine !== turn || wanted !== id) return;
  if (answer.ok) {
    const first = !job || String(published(job).map((one) => one.path)) !== String(published(answer.body).map((one) => one.path));
    job = answer.body;
    if (first) mount(play);
  }
  text(parts.trouble, answer.error);
  paint(view);
}

async function mount(play) {
  if (!published(job).length) return;
  const mine = parts;
  player ??= await import("./player.js");
  if (mine === parts && job) player.mount(mine.sound, job, play);
}

function build() {
  if (parts) player?.unmount(parts.sound);
  parts = {
    trouble: h("p.bad", { role: "status" }), state: h("p.lead"), message: h("p"), action: h("p.action"),
    offers: place(), sound: h("div.sound"), links: h("div.links"), facts: h("dl.pairs"),
    steps: h("ol.history"), inner: h("dl.pairs"), past: h("ol.history"),
  };
  const { inner, past, steps, ...before } = parts;
  $("job-body").replaceChildren(...Object.values(before), h("h3", "What happened"), steps,
    h("details", h("summary", "Details"), inner, past));
}

export function paint(given) {
  view = given;
  if (!id || !job) return;
  const [name, folder] = split(job.path);
  text($("job-title"), plain(name));
  parts.state.dataset.level = job.state;
  text(parts.state, [job.step ?? job.state, waits(job, view.now)].filter(Boolean).join(". "));
  words(parts.message, job.waits ? "" : job.words ?? job.because?.message);
  words(parts.action, job.words_action ?? "");
  offers(parts.offers, `job ${job.id}`, job.offers ?? [], view.old);
  const links = published(job);
  const key = [job.copy_of, ...links.map((one) => one.type)].join();
  if (parts.links.dataset.of !== key) {
    parts.links.dataset.of = key;
    parts.links.replaceChildren(...(job.copy_of ? [button("Show what it is a copy of", () => open(job.copy_of))] : []), ...links.map((one) => download(job, one, one.size ? `, ${bytes(one.size)}` : "")));
  }
  pairs(parts.facts, [
    ["Folder", plain(folder) || "the inbox itself"], ["Inbox", job.inbox], ["Length", lasts(job)],
    ["Loudness", loudness(job.loudness)], ["Taken up", moment(job.created_at, view.now)], ["Last change", moment(job.updated_at, view.now)],
    ...(job.outputs ?? []).filter((one) => one.note).map((one) => [label(one), one.note]),
    ["Original", job.original],
  ]);
  pairs(parts.inner, [
    ["Job", job.id], ["Run", job.run], ["Model", job.model], ["Project", job.project_id], ["Generation", job.generation_id], ["Attempts", job.attempts],
    ["Reason", job.because?.code], ["In full", job.because?.message], ["What to do", job.because?.action],
    ...(job.outputs ?? []).map((one) => [label(one), dots(one.state, one.path && plain(one.path), one.size && bytes(one.size), one.sha256)]),
  ]);
  const past = job.history ?? [];
  if (parts.past.dataset.of === String(past.length)) return;
  parts.past.dataset.of = String(past.length);
  const line = (event, told) => h("li", h("time", { datetime: event.at }, moment(event.at, view.now)), h("span", told));
  parts.steps.replaceChildren(...past.filter((event, at) => event.step !== past[at - 1]?.step).map((event) => line(event, event.step)));
  parts.past.replaceChildren(...past.map((event) => line(event, [event.state, event.detail].filter(Boolean).join(": "))));
}
