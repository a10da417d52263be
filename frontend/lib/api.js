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

/** GET `path` (below the page) with `query`; empty values are left out. Throws ApiError. */
export async function get(path, query = {}) {
  const address = new URL(path, document.baseURI);
  for (const [key, value] of Object.entries(query)) {
    if (value !== "" && value != null) address.searchParams.set(key, value);
  }
  let answer;
  try {
    answer = await fetch(address, { headers: { accept: "application/json" } });
  } catch (error) {
    throw new ApiError(0, String(error.message));
  }
  const text = await answer.text();
  if (answer.ok) return parse(text);
  throw new ApiError(answer.status, explanation(text) ?? answer.statusText);
}

function explanation(text) {
  try {
    return JSON.parse(text).error.what;
  } catch {
    return null; // not memtap's own answer: a proxy's, say
  }
}
