// One recording: what it is, what it needs, how it sounds, and everything that happened to it.

import { offers, place } from "./actions.js";
import { get, jobPath } from "./api.js";
import { $, bytes, h, length, moment, plain, show, split, text, words } from "./dom.js";
import * as player from "./player.js";
import { LABELS, loudness, published, waits } from "./rows.js";
import { pairs } from "./service.js";

const box = () => $("job");
let [id, job, turn, view, parts] = [null, null, 0, { now: Date.now(), old: false }, null];

export function start() {
  const dialog = box();
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    if (parts) player.unmount(parts.sound);
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
  if (!box().open) box().showModal();
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
    if (first) player.mount(parts.sound, job, play);
    text(parts.trouble, "");
  } else text(parts.trouble, answer.error);
  paint(view);
}

function build() {
  if (parts) player.unmount(parts.sound);
  parts = {
    trouble: h("p", { class: "bad", role: "status" }), state: h("p", { class: "lead" }), message: h("p", { dir: "auto" }), action: h("p", { class: "action", dir: "auto" }),
    offers: place(), sound: h("div", { class: "sound" }), links: h("div", { class: "links" }), facts: h("dl", { class: "pairs" }),
    history: h("ol", { class: "history" }), inner: h("dl", { class: "pairs" }),
  };
  const { inner, history: past, ...before } = parts;
  $("job-body").replaceChildren(...Object.values(before),
    h("h3", {}, "What happened"), past, h("details", {}, h("summary", {}, "Details"), inner));
}

export function paint(given) {
  view = given;
  if (!id || !job) return;
  const [name, folder] = split(job.path);
  text($("job-title"), plain(name));
  parts.state.dataset.state = job.state;
  text(parts.state, [job.step ?? job.state, waits(job, view.now)].filter(Boolean).join(". "));
  words(parts.message, job.words ?? job.because?.message);
  words(parts.action, job.words_action ?? "");
  for (const one of [parts.message, parts.action]) show(one, one.textContent);
  offers(parts.offers, `job ${job.id}`, job.offers ?? [], view.old);
  const links = published(job);
  const key = links.map((one) => one.type).join();
  if (parts.links.dataset.of !== key) {
    parts.links.dataset.of = key;
    parts.links.replaceChildren(...links.map((one) => h("a", { href: `${jobPath(job.id, "outputs", encodeURIComponent(one.type))}?download=1`, download: true }, `${LABELS[one.type] ?? one.type}${one.size ? `, ${bytes(one.size)}` : ""}`)));
  }
  pairs(parts.facts, [
    ["Folder", plain(folder) || "the inbox itself"], ["Inbox", job.inbox], ["Length", job.length_s ? length(job.length_s) : null],
    ["Loudness", loudness(job.loudness)], ["Taken up", moment(job.created_at, view.now)], ["Last change", moment(job.updated_at, view.now)],
    ...(job.outputs ?? []).filter((one) => one.note).map((one) => [LABELS[one.type] ?? one.type, one.note]),
    ["Original", job.original],
  ]);
  pairs(parts.inner, [
    ["Job", job.id], ["Run", job.run], ["Model", job.model], ["Project", job.project_id], ["Generation", job.generation_id], ["Attempts", job.attempts],
    ["Reason", job.because?.code], ["In full", job.because?.message], ["What to do", job.because?.action],
    ...(job.outputs ?? []).map((one) => [LABELS[one.type] ?? one.type, [one.state, one.path && plain(one.path), one.size && bytes(one.size), one.sha256].filter(Boolean).join(" · ")]),
  ]);
  const past = job.history ?? [];
  if (parts.history.dataset.of !== String(past.length)) {
    parts.history.dataset.of = String(past.length);
    parts.history.replaceChildren(...past.map((event) => h("li", {}, h("time", { datetime: event.at }, moment(event.at, view.now)), h("span", { dir: "auto" }, [event.step ?? event.state, event.detail].filter(Boolean).join(": ")))));
  }
}
