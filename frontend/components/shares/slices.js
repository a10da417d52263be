// From columns to at most a dozen slices: the biggest, and the others together.

const MOST_SLICES = 10; // with "other": more cannot be told apart
const SMALLEST = 0.004; // of 1: thinner slices cannot be seen

/** `columns`: id, pid, process_name, requested, most requested first; `all`: bytes that they are shares of. */
export function slicesByProcess(columns, all) {
  const rows = columns.id.map((id, at) => ({
    id,
    pid: columns.pid[at],
    name: columns.process_name[at],
    requested: Number(columns.requested[at]),
  }));
  return cut(rows, all, (row) => 1);
}

/** The same, with processes of one name taken together. */
export function slicesByName(columns, all) {
  const names = new Map();
  columns.process_name.forEach((name, at) => {
    const row = names.get(name) ?? { name, find: name, requested: 0, processes: 0 };
    row.requested += Number(columns.requested[at]);
    row.processes += 1;
    names.set(name, row);
  });
  return cut([...names.values()], all, (row) => row.processes);
}

function cut(rows, all, processesIn) {
  if (!all) return [];
  rows.sort((a, b) => b.requested - a.requested);
  const room = rows.length > MOST_SLICES ? MOST_SLICES - 1 : MOST_SLICES;
  const shown = rows.slice(0, room).filter(({ requested }) => requested / all >= SMALLEST);
  const rest = rows.slice(shown.length).filter(({ requested }) => requested > 0);
  const slices = shown.map((row) => ({ ...row, share: row.requested / all }));
  const left = all - shown.reduce((sum, { requested }) => sum + requested, 0);
  if (rest.length && left > 0) {
    slices.push({ others: rest.reduce((sum, row) => sum + processesIn(row), 0), requested: left, share: left / all });
  }
  return slices;
}
