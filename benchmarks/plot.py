"""The plot of a run: every contender's lines a second, by work, on a logarithmic scale. Plain SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from benchmarks.race import Measurement

WIDTH, LEFT, RIGHT = 900, 330, 110  # LEFT: for names; RIGHT: for figures
BAR, GAP, HEAD = 18, 6, 34
LEAST = 1_000  # lines/s, where the scale begins

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.axis { fill: #59636e; font-size: 11px }
.grid { stroke: #d1d9e0 }
.ours { fill: #0b6e99 }
.peer { fill: #a8b1bb }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .axis { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .ours { fill: #4cb7e0 }
  .peer { fill: #6b7480 }
}
"""


def plot(measurements: Sequence[Measurement], title: str) -> str:
    """SVG text. Bars of memtap's own are coloured; works are in the order given, the fastest first in each."""
    most = 10 ** math.ceil(math.log10(max(each.rate("lines") for each in measurements)))
    scale = _scale(most)
    body: list[str] = []
    y = 10.0
    for row in dict.fromkeys(each.row for each in measurements):
        y += HEAD
        body.append(f'<text class="head" x="8" y="{y - 10:.0f}">{escape(row)}</text>')
        of_row = [each for each in measurements if each.row == row]
        for each in sorted(of_row, key=lambda each: -each.rate("lines")):
            body += _bar(each, y, scale)
            y += BAR + GAP
    height = y + 34
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            *_axis(most, scale, y),
            *body,
            "</svg>",
            "",
        ]
    )


def _scale(most: float) -> Callable[[float], float]:
    """Pixels of a bar."""
    return lambda rate: max(
        1.0, (WIDTH - LEFT - RIGHT) * math.log10(max(rate, LEAST) / LEAST) / math.log10(most / LEAST)
    )


def _bar(each: Measurement, y: float, scale: Callable[[float], float]) -> list[str]:
    rate = each.rate("lines")
    kind = "ours" if each.contender.startswith("memtap") else "peer"
    width = scale(rate)
    return [
        f'<text x="{LEFT - 8}" y="{y + 13:.0f}" text-anchor="end">{escape(each.contender)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{y:.0f}" width="{width:.1f}" height="{BAR}" rx="2"/>',
        f'<text x="{LEFT + width + 6:.1f}" y="{y + 13:.0f}">{short(rate)}/s</text>',
    ]


def _axis(most: float, scale: Callable[[float], float], y: float) -> list[str]:
    lines: list[str] = []
    step = float(LEAST)
    while step <= most:
        x = LEFT + (scale(step) if step > LEAST else 0)
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="30" y2="{y:.0f}"/>')
        lines.append(f'<text class="axis" x="{x:.1f}" y="{y + 16:.0f}" text-anchor="middle">{short(step)}</text>')
        step *= 10
    return lines


def short(rate: float) -> str:
    """Two or three digits and k or M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= size:
            value = rate / size
            return f"{value:.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.1f} {unit}"
    return f"{rate:.0f}"
