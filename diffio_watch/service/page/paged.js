// A long list of recordings, a page at a time.

import { get, query } from "./api.js";
import { say, show } from "./dom.js";

const MOST = 1000; // rows; what is further back is found by its name

/** `paint(jobs)` shows those to `keep`; `note` and `more` (a button) stand below. */
export function paged({ paint, note, more, limit = 50, none = "", keep = () => true }) {
  let [jobs, before, values, turn, told, busy] = [[], null, null, 0, "", false];
  const repaint = () => {
    const those = jobs.filter(keep);
    paint(those);
    if (values && !busy && !told && !those.length && before !== null) return load(values);
    say(note, told || (values && !busy && !those.length ? none : ""));
    show(more, before !== null && jobs.length < MOST);
  };
  async function load(asked, again = false) {
    if (busy && asked === values) return;
    const first = again || asked !== values;
    const size = again ? Math.min(200, Math.max(limit, jobs.length)) : limit;
    const mine = ++turn;
    [values, busy] = [asked, true];
    const answer = await get(query("api/jobs", { ...asked, before: first ? null : before, limit: size }));
    if (mine !== turn) return;
    [busy, told] = [false, answer.error];
    if (answer.ok) [jobs, before] = [[...(first ? [] : jobs), ...answer.body.jobs], answer.body.next_before ?? null];
    repaint();
  }
  more.addEventListener("click", () => load(values));
  show(more, false);
  show(note, false);
  return {
    load, repaint, again: () => load(values, true),
    clear: () => { [jobs, before, values, told, busy] = [[], null, null, "", false]; turn++; repaint(); },
    patch: (by) => { jobs = jobs.map((job) => by.get(job.id) ?? job); },
  };
}
