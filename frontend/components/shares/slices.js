// From columns to at most a dozen slices: the biggest, and the others together.

const MOST_SLICES = 10; // with "other": more cannot be told apart
const SMALLEST = 0.004; // of 1: thinner slices cannot be seen

/** `columns`: id, pid, process_name, requested, most requested first; `all`: bytes that they are shares of. */
export function slicesByProcess(columns, all) {
  const rows = columns.id.slice(0, MOST_SLICES).map((id, at) => ({
    id,
    pid: columns.pid[at],
    name: columns.process_name[at],
    requested: Number(columns.requested[at]),
    processes: 1,
  }));
  const none = columns.requested.indexOf(0); // from there on nobody requested anything
  return cut(rows, all, none < 0 ? columns.id.length : none);
}

/** The same, with processes of one name taken together. */
export function slicesByName(columns, all) {
  const names = new Map();
  columns.process_name.forEach((name, at) => {
    const row = names.get(name) ?? { name, find: name, requested: 0, processes: 0 };
    row.requested += Number(columns.requested[at]);
    row.processes += columns.requested[at] ? 1 : 0;
    names.set(name, row);
  });
  const rows = [...names.values()].sort((a, b) => b.requested - a.requested);
  return cut(
    rows,
    all,
    rows.reduce((sum, { processes }) => sum + processes, 0),
  );
}

/** `rows`: the biggest, sorted; `processes`: how many requested anything, those of the rows included. */
function cut(rows, all, processes) {
  if (!all) return [];
  const shown = rows.slice(0, MOST_SLICES - 1).filter(({ requested }) => requested / all >= SMALLEST);
  const slices = shown.map((row) => ({ ...row, share: row.requested / all }));
  const left = all - shown.reduce((sum, { requested }) => sum + requested, 0);
  const others = processes - shown.reduce((sum, row) => sum + row.processes, 0);
  if (others > 0 && left > 0) slices.push({ others, requested: left, share: left / all });
  return slices;
}
