// The way to the server. Every address is relative to the page, whatever sub-path a proxy gives it.

/** Ask; never throws. Without an answer `status` is 0, and `error` always has a sentence where `ok` is false. */
export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method, cache: "no-store", credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(30000),
      ...(body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
    const json = answer.status === 204 ? {} : await answer.json();
    return { ok: answer.ok, status: answer.status, body: json, error: answer.ok ? "" : (json.error ?? `The answer was ${answer.status}.`) };
  } catch {
    const status = answer?.status ?? 0;
    return { ok: false, status, body: {}, error: status ? `diffio-watch is not there: something on the way answered ${status}.` : "diffio-watch does not answer." };
  }
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);

/** The path with its query; what is null, undefined or empty is left out. */
export function query(path, values) {
  const pairs = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `${path}?${new URLSearchParams(pairs)}`;
}

export const jobPath = (id, ...rest) => ["api/jobs", ...[id, ...rest].map(encodeURIComponent)].join("/");
