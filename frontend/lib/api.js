// The API: JSON whose integers may be of any size, errors that say what.

/** An answer that is an error. `status` is 0 where there was no answer at all. */
export class ApiError extends Error {
  constructor(status, what) {
    super(what);
    this.status = status;
  }
}

// An integer of 17 digits or more, or of 16 beginning with 9: only then can one be beyond 2^53. A fraction's digits,
// or a name's, are none; a false alarm costs time and nothing else.
const LONG_INTEGER = /[[,:]\s*-?(?:\d{17}|9\d{15})/;

/** JSON.parse, with integers beyond 2^53 as BigInt where the browser shows a number's own text. */
export function parse(text) {
  if (!LONG_INTEGER.test(text)) return JSON.parse(text);
  return JSON.parse(text, (key, value, context) => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    return /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value;
  });
}

const PATIENCE_MS = 60_000; // for an answer; a server that hangs must not hang the page

/** The address of `path` (below the page) with `query`; empty values are left out. */
export function address(path, query) {
  const url = new URL(path, document.baseURI);
  for (const [key, value] of Object.entries(query)) {
    if (value !== "" && value != null) url.searchParams.set(key, value);
  }
  return url;
}

/** GET `path` (below the page) with `query`; empty values are left out. Throws ApiError. */
export async function get(path, query = {}, patience_ms = PATIENCE_MS) {
  return (await getAged(path, query, patience_ms)).value;
}

/** The same, with its `age` in seconds; 0: there is no newer answer. */
export async function getAged(path, query = {}, patience_ms = PATIENCE_MS) {
  const [answer, text] = await ask(address(path, query), AbortSignal.timeout(patience_ms));
  if (answer.ok) return { value: parse(text), age: Number(answer.headers.get("age")) };
  throw new ApiError(answer.status, explanation(text) ?? answer.statusText);
}

async function ask(url, signal) {
  try {
    const answer = await fetch(url, { signal, headers: { accept: "application/json" } });
    return [answer, await answer.text()];
  } catch (error) {
    throw new ApiError(0, String(error.message));
  }
}

function explanation(text) {
  try {
    return JSON.parse(text).error.what;
  } catch {
    return null; // not memtap's own answer: a proxy's, say
  }
}
