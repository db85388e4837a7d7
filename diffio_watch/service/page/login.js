// The token, once, by the form or in the address after #; then a cookie remembers.

import { post } from "./api.js";
import { $, text } from "./dom.js";

let done = () => {};
let must = false;

/** `onDone()` after a login. */
export function start(onDone) {
  done = onDone;
  const [dialog, form] = [$("login"), $("login-form")];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await send($("token").value.trim());
    if (answer.ok) dialog.close();
    else text($("login-error"), answer.error);
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("cancel", (event) => { if (must) event.preventDefault(); });
  dialog.addEventListener("close", () => { $("token").value = ""; text($("login-error"), ""); });
}

/** A token in the address leaves it, and the browser's history, at once. */
export async function address() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  const answer = await send(given);
  if (!answer.ok) ask(answer.error, must);
}

async function send(token) {
  const answer = await post("api/login", { token });
  if (answer.ok) done();
  return answer;
}

/** Ask for the token. `needed`: nothing can be read without. */
export function ask(why, needed = false) {
  must = needed;
  const dialog = $("login");
  text($("login-why"), why);
  dialog.querySelector("[data-close]").hidden = needed;
  if (!dialog.open) dialog.showModal();
}

/** Another tab has logged in, or reading is free again. */
export function settled() {
  if (must && $("login").open) $("login").close();
  must = false;
}
