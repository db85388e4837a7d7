// A long list of recordings, a page at a time: the files of a group, what was found, what was done on other days.

import { get, query } from "./api.js";
import { show, text } from "./dom.js";

const MOST = 1000; // rows; what is further back is found by its name

/** `paint(jobs)` shows them; `note` and `more` (a button) stand below; `values`: of the query. */
export function paged({ paint, note, more, limit = 50, none = "" }) {
  let [jobs, before, values, turn, told, busy] = [[], null, null, 0, "", false];
  const repaint = () => {
    paint(jobs);
    text(note, told || (values && !busy && !jobs.length ? none : ""));
    show(note, note.textContent);
    show(more, before !== null && jobs.length < MOST);
  };
  async function load(asked) {
    if (busy && asked === values) return;
    const first = asked !== values;
    const mine = ++turn;
    [values, busy] = [asked, true];
    const answer = await get(query("api/jobs", { ...asked, before: first ? null : before, limit }));
    if (mine !== turn) return;
    [busy, told] = [false, answer.error];
    if (answer.ok) [jobs, before] = [[...(first ? [] : jobs), ...answer.body.jobs], answer.body.next_before ?? null];
    repaint();
  }
  more.addEventListener("click", () => load(values));
  show(more, false);
  show(note, false);
  return {
    load, repaint,
    clear: () => { [jobs, before, values, told, busy] = [[], null, null, "", false]; turn++; repaint(); },
    patch: (by) => { jobs = jobs.map((job) => by.get(job.id) ?? job); },
  };
}
