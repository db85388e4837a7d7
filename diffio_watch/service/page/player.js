// Listening to one recording. The one place that makes sound: `mount` fills a place, `unmount` ends it.

import { jobPath } from "./api.js";
import { h } from "./dom.js";
import { published } from "./rows.js";

/** Put what can be heard of a job into `place`; `play`: begin at once with the restored side. */
export function mount(place, job, play) {
  unmount(place);
  const best = ["video", "audio"].map((type) => published(job).find((one) => one.type === type)).find(Boolean);
  if (!best) return;
  const side = (label, tag, src) => {
    const words = h("p", { class: "muted", hidden: true }, "This browser can't play it: load it down instead.");
    const node = h(tag, { controls: true, preload: "none", src, "aria-label": label, onerror: () => { words.hidden = false; } });
    return h("figure", {}, h("figcaption", {}, label), node, words);
  };
  const tag = best.type === "video" ? "video" : "audio";
  const restored = side("Restored", tag, jobPath(job.id, "outputs", best.type));
  place.append(restored, side("Original", "audio", jobPath(job.id, "original")));
  const nodes = [...place.querySelectorAll("audio, video")];
  for (const node of nodes) node.addEventListener("play", () => nodes.forEach((other) => other === node || other.pause()));
  if (play) nodes[0].play().catch(() => {}); // a browser may want a click on the player itself
}

export function unmount(place) {
  for (const node of place.querySelectorAll("audio, video")) {
    node.pause();
    node.removeAttribute("src"); // ends its request
    node.load();
  }
  place.replaceChildren();
}
