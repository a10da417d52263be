"""Puts the figures into the READMEs, between their `reads` marks: python -m benchmarks.reads.report"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.section import write as put

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("results.json")
GOAL, LOADER_GOAL = 1.2, 0.9

ENGLISH = {
    "head": "Milliseconds of the processors that a read takes with more and more stored calls of 10,000 processes;",
    "goal": "the last column is the largest size's by the smallest one's, which is to be at most {goal:g}",
    "read": "read",
    "loader": "the loader's rate, of that into an empty store (goal: ≥ {goal:g})",
    "size": "bytes a call, sums included",
    "end": "Medians of {n} repetitions; {where}, by `make reads`; all figures, with each statement's plan, are in"
    " [benchmarks/reads/results.json](benchmarks/reads/results.json).",
    "cores": "cores",
    "load": "at a load of {load} by others",
}
SPANISH = {
    "head": "Milisegundos de procesador que cuesta una lectura con más y más llamadas guardadas de 10.000 procesos;",
    "goal": "la última columna es la del tamaño mayor entre la del menor, que ha de ser como mucho {goal:g}",
    "read": "lectura",
    "loader": "ritmo del cargador, respecto al de un almacén vacío (meta: ≥ {goal:g})",
    "size": "bytes por llamada, sumas incluidas",
    "end": "Medianas de {n} repeticiones; {where}, con `make reads`; todas las cifras, con el plan de cada consulta,"
    " están en [benchmarks/reads/results.json](benchmarks/reads/results.json).",
    "cores": "núcleos",
    "load": "con una carga ajena de {load}",
    "process table": "tabla de procesos",
    "totals": "totales",
    "shares, 1 min": "partes, 1 min",
    "shares, all": "partes, todo",
    "history of one, 1 min by 1 s": "historia de uno, 1 min a 1 s",
    "history of one, all by 1 h": "historia de uno, todo a 1 h",
    "what each held at a moment": "lo que tenía cada uno en un momento",
    "newest page": "página más nueva",
    "page in the middle": "página del medio",
    "page at the beginning": "página del principio",
    "page of one, newest": "página de uno, la más nueva",
    "page of one, middle": "página de uno, en medio",
    "page of munmap, middle": "página de munmap, en medio",
    "page of a length, none": "página de una longitud, ninguna",
    "page of one and a length, none": "página de uno y una longitud, ninguna",
    "page of failed, none": "página de fallidas, ninguna",
}


def section(found: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[str]:
    """Lines of Markdown; `words` has the texts, and translates the reads' names."""
    yield words["head"]
    yield words["goal"].format(goal=GOAL) + "."
    where = ""
    for side in found.values():
        sizes = side["sizes"]
        yield ""
        yield (
            "| "
            + " | ".join([f"{side['name']}: {words['read']}", *(f"{each['calls']:,}" for each in sizes), "ratio"])
            + " |"
        )
        yield "|---" + "|---:" * (len(sizes) + 1) + "|"
        for read in sizes[0]["cpu_ms"]:
            times = [each["cpu_ms"][read] for each in sizes]
            cells = [f"{ms:.1f}" for ms in times] + [f"{times[-1] / times[0]:.2f}"]
            yield f"| {words.get(read, read)} | " + " | ".join(cells) + " |"
        rates = [each["calls_per_cpu_s"]["filled"] / each["calls_per_cpu_s"]["empty"] for each in sizes]
        loader = words["loader"].format(goal=LOADER_GOAL)
        yield f"| {loader} | " + " | ".join(f"{rate:.2f}" for rate in rates) + " | |"
        yield f"| {words['size']} | " + " | ".join(f"{each['bytes'] / each['calls']:.1f}" for each in sizes) + " | |"
        machine = side["machine"]
        where = f"{machine['cpu']}, {machine['cores']} {words['cores']}, {side['date'].split()[0]}"
        where += f", {words['load'].format(load=machine['load'])}"
    yield ""
    least = min(side["repetitions"] for side in found.values())
    yield words["end"].format(n=least, where=where)


def read() -> dict[str, Any]:
    """The results that are kept, by store; none yet: empty."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found


def keep(found: Mapping[str, Any], root: Path = ROOT) -> None:
    FILE.write_text(json.dumps(found, indent=1) + "\n")
    write(found, root)


def write(found: Mapping[str, Any], root: Path = ROOT) -> None:
    for name, words in (("README.md", ENGLISH), ("README.es.md", SPANISH)):
        put(root / name, "reads", section(found, words))


if __name__ == "__main__":
    write(read())
