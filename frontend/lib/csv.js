// A table as a file: RFC 4180, and nothing in it that a spreadsheet would take for a formula.

const FORMULA = /^[=+\-@\t\r]/;
const QUOTED = /[",\r\n]/;

/** The text of a file: `head` and `rows` are cells, of which numbers stay numbers. */
export function csv(head, rows) {
  return [head, ...rows].map((cells) => cells.map(cell).join(",") + "\r\n").join("");
}

/** Hand a file to the browser to keep. */
export function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** The moment as ISO 8601 to the microsecond, as files have it. */
export function isoTime(us) {
  if (us == null) return "";
  const fraction = String(Number(us) % 1_000_000).padStart(6, "0");
  return `${new Date(Math.floor(Number(us) / 1e6) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** A name for a file made now: memtap-processes-20260102T030405Z.csv */
export function fileName(what) {
  return `memtap-${what}-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "")}Z.csv`;
}

function cell(value) {
  if (value == null) return "";
  if (typeof value !== "string") return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
