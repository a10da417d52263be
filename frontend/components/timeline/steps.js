// From the API's steps with activity to every step of a span, per second, ready for a chart.

const FLOWS = ["requested", "released"]; // bytes
const HELD = ["vm", "resident"]; // bytes, of one process, where a tap says it

/**
 * `answer` of api/v1/timeline; `now_s`: the present, until which the newest step has filled. Columns with a row for each
 * step: `second` (its beginning), `requested`, `released`, `calls`, `failed` (null where no tap says it) per second, and
 * `vm`, `resident` as of its end. A step without calls is a zero.
 */
export function everyStep({ window, step, columns }, now_s) {
  const [from, to] = [window.from_us / 1e6, window.to_us / 1e6];
  const length = Math.max(0, Math.round((to - from) / step));
  const second = Array.from({ length }, (_, at) => from + at * step);
  // The newest step is younger than it will be: what came in it came in less time.
  const lasted = second.map((start) => Math.min(step, Math.max(1, Math.floor(now_s - start))));
  const perSecond = (values) => {
    const filled = new Array(length).fill(0);
    columns.second.forEach((start, row) => {
      const at = Math.round((start - from) / step);
      if (at >= 0 && at < length) filled[at] = Number(values[row] ?? 0) / lasted[at];
    });
    return filled;
  };
  const told = columns.failed != null && columns.failed.some((value) => value !== null);
  const filled = {
    second,
    calls: perSecond(columns.requests.map((requests, row) => requests + columns.releases[row])),
    failed: told ? perSecond(columns.failed) : null,
  };
  for (const key of FLOWS) filled[key] = perSecond(columns[key]);
  for (const key of HELD) {
    const values = columns[key];
    filled[key] = values?.some((value) => value !== null) ? carried(columns.second, values, second) : null;
  }
  return filled;
}

/** Steps that follow each other and hold more than 0, as spans [from, to] in seconds. */
export function spansOf(values, seconds, step) {
  const spans = [];
  values.forEach((value, at) => {
    if (!value) return;
    const last = spans.at(-1);
    if (last && last[1] >= seconds[at]) last[1] = seconds[at] + step;
    else spans.push([seconds[at], seconds[at] + step]);
  });
  return spans;
}

/** For each of `wanted` the newest value until then: what is held stays held. Null before the first. */
function carried(seconds, values, wanted) {
  let at = 0;
  let newest = null;
  return wanted.map((second) => {
    for (; at < seconds.length && seconds[at] <= second; at += 1) newest = values[at] ?? newest;
    return newest === null ? null : Number(newest);
  });
}
