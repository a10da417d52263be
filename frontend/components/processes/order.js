// Which rows, in which order: over columns, without an object for each row.

/**
 * Indices into `columns` of the rows whose name holds `find` or whose PID begins with it, sorted by `key`; rows of which
 * nobody knows it come last.
 */
export function order(columns, { key, descending, find }) {
  const rows = matching(columns, find.trim().toLowerCase());
  const values = sortable(columns, key);
  const sign = descending ? -1 : 1;
  // Equal values stay in the API's order; BigInt and number compare as they are.
  const compare = (a, b) => (values[a] < values[b] ? -sign : values[a] > values[b] ? sign : a - b);
  const known = rows.filter((at) => values[at] != null);
  return known.sort(compare).concat(rows.filter((at) => values[at] == null));
}

function matching(columns, find) {
  const rows = [];
  for (let at = 0; at < columns.id.length; at += 1) {
    const found =
      !find ||
      columns.process_name[at].toLowerCase().includes(find) ||
      String(columns.pid[at]).startsWith(find);
    if (found) rows.push(at);
  }
  return rows;
}

function sortable(columns, key) {
  if (key === "calls") return columns.requests.map((requests, at) => requests + columns.releases[at]);
  if (key === "process_name") return columns.process_name.map((name) => name.toLowerCase());
  return columns[key] ?? columns.balance;
}
