"""The READMEs' table of faults: `python -m tests.faults.table` writes it from what the latest soak has found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.section import write

from .runs import IN_MAKE_TEST, NOTHING

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("soak.json")
MARK = "reliability"

# Each fault as its test names it, and as a reader of English and of Spanish does.
FAULTS = {
    "server killed": ("MariaDB killed under load, and started again", "MariaDB muere bajo carga y vuelve a arrancar"),
    "server stopped": ("MariaDB stopped for up to 30 s", "MariaDB parada hasta 30 s"),
    "server's disk full": ("MariaDB's disk full", "disco de MariaDB lleno"),
    "max_allowed_packet tiny": ("`max_allowed_packet` tiny", "`max_allowed_packet` diminuto"),
    "max_statement_time tiny": ("`max_statement_time` tiny", "`max_statement_time` diminuto"),
    "lock_wait_timeout tiny": ("rows and tables locked by others", "filas y tablas bloqueadas por otros"),
    "connection limit reached": ("connection limit reached", "límite de conexiones alcanzado"),
    "table altered or dropped": ("tables altered or gone under memtap", "tablas que cambian o desaparecen"),
    "rows the server would coerce": ("rows the server would coerce", "filas que el servidor alteraría"),
    "values at their limits, duckdb": ("values at their limits, DuckDB", "valores límite, DuckDB"),
    "values at their limits, mysql": ("values at their limits, MariaDB", "valores límite, MariaDB"),
    "cut at the batch row": ("connection cut at the batch's row", "conexión cortada en la fila del lote"),
    "cut within LOAD DATA": ("cut within LOAD DATA", "cortada en medio de LOAD DATA"),
    "cut before COMMIT": ("cut before COMMIT", "cortada antes de COMMIT"),
    "cut before COMMIT's answer": (
        "cut after COMMIT was sent, before its answer",
        "cortada tras enviar COMMIT, antes de su respuesta",
    ),
    "cut after COMMIT": ("cut after COMMIT's answer", "cortada tras la respuesta a COMMIT"),
    "COMMIT in flight at the repeat": (
        "an old session's COMMIT in flight at the repeat",
        "el COMMIT de otra sesión aún en camino al repetir",
    ),
    "cut anywhere": ("cut anywhere, the server away for a while", "cortada donde sea, servidor ausente un rato"),
    "every packet late": ("every packet late", "todos los paquetes con retraso"),
    "memtap killed, duckdb": ("`memtap ingest` killed, DuckDB", "`memtap ingest` muere, DuckDB"),
    "memtap killed, mysql": ("`memtap ingest` killed, MariaDB", "`memtap ingest` muere, MariaDB"),
    "memtap killed at each step, mysql": (
        "killed at each step of the protocol",
        "muere en cada paso del protocolo",
    ),
    "memtap killed at each write, duckdb": (
        "killed before, within or after a write, fsync or rename of the DuckDB file",
        "muere antes, durante o después de un write, fsync o rename del archivo DuckDB",
    ),
    "live memtap killed": ("`memtap run` killed while it spools", "`memtap run` muere mientras usa el spool"),
    "killed at each step of the spool": ("killed at each step of the spool", "muere en cada paso del spool"),
    "two memtaps, one DuckDB file": ("two memtaps on one DuckDB file", "dos memtap sobre un archivo DuckDB"),
    "two memtaps, one stream": ("two memtaps on one stream", "dos memtap sobre un mismo flujo"),
    "spool's disk full": ("the spool's disk full", "disco del spool lleno"),
    "spool read-only": ("the spool read-only", "spool de solo lectura"),
    "spool's disk fails to write": ("I/O errors on the spool's writes", "errores de E/S al escribir el spool"),
    "spool's disk fails to fsync": ("I/O errors on its fsync", "errores de E/S en su fsync"),
    "spool and memory full": ("spool and memory full", "spool y memoria llenos"),
    "DuckDB's disk full": ("DuckDB's disk full", "disco de DuckDB lleno"),
    "DuckDB's disk fails to write": ("I/O errors on DuckDB's writes", "errores de E/S al escribir DuckDB"),
    "DuckDB's disk fails to fsync": ("I/O errors on its fsync", "errores de E/S en su fsync"),
    "clock of the tap steps, duckdb": (
        "the tap's clock steps by 1 s, 1 h, 10 years, DuckDB",
        "el reloj del tap salta 1 s, 1 h, 10 años, DuckDB",
    ),
    "clock of the tap steps, mysql": ("the same, MariaDB", "lo mismo, MariaDB"),
    "memtap's clock steps, duckdb": ("memtap's own clock steps, DuckDB", "salta el reloj de memtap, DuckDB"),
    "memtap's clock steps, mysql": ("the same, MariaDB", "lo mismo, MariaDB"),
}
WORDS = (
    ("fault", "`make test`", "`make soak`", "lost", "stored twice", "all stored again, s", "restarted, s"),
    ("fallo", "`make test`", "`make soak`", "perdidos", "repetidos", "todo guardado de nuevo, s", "reiniciado, s"),
)
COUNTED = ("{n} counted", "{n} contados")
IN_FLIGHT = ("{n} in flight", "{n} en vuelo")


def lines(language: int) -> Iterator[str]:
    """Of the table in English (0) or Spanish (1)."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    yield f"| {' | '.join(WORDS[language])} |"
    yield "|---|" + "--:|" * (len(WORDS[language]) - 1)
    for name, words in FAULTS.items():
        found = results.get(name, NOTHING)
        lost = [str(found["lost"])]
        lost += [COUNTED[language].format(n=number(found["told"], language))] if found["told"] else []
        lost += [IN_FLIGHT[language].format(n=number(found["in_flight"], language))] if found["in_flight"] else []
        times = (median_and_longest(found["ready"]), median_and_longest(found["restart"]))
        cells = (words[language], IN_MAKE_TEST, found["runs"] or "-", " + ".join(lost), found["twice"], *times)
        yield f"| {' | '.join(map(str, cells))} |"


def median_and_longest(tenths: Mapping[str, int]) -> str:
    times = sorted(int(tenth) for tenth, count in tenths.items() for _ in range(count))
    return f"{times[len(times) // 2] / 10:.1f} / {times[-1] / 10:.1f}" if times else "-"


def number(value: int, language: int) -> str:
    return f"{value:,}" if language == 0 else f"{value:,}".replace(",", ".")


if __name__ == "__main__":
    for at, readme in enumerate((ROOT / "README.md", ROOT / "README.es.md")):
        write(readme, MARK, lines(at))
