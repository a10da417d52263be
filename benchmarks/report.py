"""Puts the results into the READMEs, between their `benchmarks` marks, and into docs/benchmarks.svg:
python -m benchmarks.report
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import results
from benchmarks.plot import plot
from benchmarks.results import Results
from benchmarks.section import write as put

ROOT = Path(__file__).parents[1]

SPANISH = {
    "work": "trabajo",
    "against": "frente a",
    "times as fast": "veces más rápido",
    "goal": "meta",
    "peak of memory of `memtap ingest`": "máximo de memoria de `memtap ingest`",
    "at most": "a lo sumo",
    "Lines per second, on a logarithmic scale": "Líneas por segundo, en escala logarítmica",
    "cores": "núcleos",
    "Medians of {n} or more interleaved repetitions, as ratios of the repetitions; every result was checked before its"
    " time counted. Measured on {machine}, {date}, by `make bench`; all figures are in"
    " [benchmarks/results.json](benchmarks/results.json).": "Medianas de {n} o más repeticiones intercaladas, como"
    " cocientes de las repeticiones; cada resultado se comprobó antes de contar su tiempo. Medido en {machine}, {date},"
    " con `make bench`; todas las cifras están en [benchmarks/results.json](benchmarks/results.json).",
    "parse format 1 to columns": "leer el formato 1 a columnas",
    "parse format 2, names in quotes (bytes/s)": "leer el formato 2, nombres entre comillas (bytes/s)",
    "parse format 2, names in hexadecimal (bytes/s)": "leer el formato 2, nombres en hexadecimal (bytes/s)",
    "parse + ledger, 20,000 live processes": "leer con 20.000 procesos vivos",
    "parse + ledger, 20,000 processes and their beginnings": "leer con 20.000 procesos y sus comienzos",
    "columns to LOAD DATA text": "columnas a texto de LOAD DATA",
    "memtap ingest into null://, whole process": "`memtap ingest` a null://, proceso entero",
    "memtap ingest into DuckDB, whole process": "`memtap ingest` a DuckDB, proceso entero",
    "memtap ingest into MariaDB, whole process": "`memtap ingest` a MariaDB, proceso entero",
    "C, a loop that trusts its input": "C, un bucle que se fía de su entrada",
    "C, fgets + sscanf": "C, fgets + sscanf",
    "Python re, to columns": "Python re, a columnas",
    "Python re, findall alone": "Python re, solo findall",
    "memchr, newlines alone": "memchr, solo los saltos de línea",
    "memtap, format 1": "el formato 1",
    "memtap, parse and ledger": "leer y llevar las cuentas",
    "memtap, parse alone": "solo leer",
    "DuckDB, from ready Arrow tables": "DuckDB, de tablas Arrow ya hechas",
    "LOAD DATA LOCAL INFILE, ready-made files": "LOAD DATA LOCAL INFILE, ficheros ya hechos",
    "mysqlclient executemany": "executemany de mysqlclient",
    "C, one INSERT a row, autocommit": "C, un INSERT por fila, autocommit",
    "rsyslog, ommysql": "rsyslog, ommysql",
}
ENGLISH = {
    "memtap, format 1": "format 1",
    "memtap, parse and ledger": "parse and ledger",
    "memtap, parse alone": "parse alone",
    "memtap ingest into null://, whole process": "`memtap ingest` into null://, whole process",
    "memtap ingest into DuckDB, whole process": "`memtap ingest` into DuckDB, whole process",
    "memtap ingest into MariaDB, whole process": "`memtap ingest` into MariaDB, whole process",
}
INTRODUCTION = next(text for text in SPANISH if text.startswith("Medians"))


def section(found: Results, words: dict[str, str]) -> Iterator[str]:
    """Lines of Markdown; `words` translates what stands in it."""

    def say(text: str) -> str:
        return words.get(text, text)

    machine = found.machine
    where = f"{machine['cpu']}, {machine['cores']} {say('cores')}, Linux {machine['kernel'].split('-')[0]}"
    least = min(len(each.seconds) for each in found.measurements)
    yield say(INTRODUCTION).format(n=least, machine=where, date=found.date.split()[0])
    yield ""
    yield f"![{say('Lines per second, on a logarithmic scale')}](docs/benchmarks.svg)"
    yield ""
    yield f"| {say('work')} | {say('against')} | {say('times as fast')} | {say('goal')} |"
    yield "|---|---|---:|---:|"
    for each in found.comparisons:
        goal = "" if each.goal is None else f"≥ {each.goal:g}"
        yield f"| {say(each.claim)} | {say(each.peer)} | {_digits(each.ratio)} | {goal} |"
    if found.peaks:
        yield ""
        yield f"| {say('peak of memory of `memtap ingest`')} | MB | {say('at most')} |"
        yield "|---|---:|---:|"
        for peak in found.peaks:
            yield f"| {peak.what} | {peak.peak_bytes / 1e6:.0f} | {peak.goal_bytes / 1e6:.0f} |"


def _digits(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def write(found: Results, root: Path = ROOT) -> None:
    """Regenerates everything that shows figures."""
    title = "memtap: lines per second"
    (root / "docs" / "benchmarks.svg").write_text(plot(found.measurements, title))
    for name, words in (("README.md", ENGLISH), ("README.es.md", SPANISH)):
        readme = root / name
        if readme.exists():
            put(readme, "benchmarks", section(found, words))


if __name__ == "__main__":
    if not results.FILE.exists():
        sys.exit(f"there is no {results.FILE.name} yet: make bench")
    write(results.read())
