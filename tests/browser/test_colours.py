"""The colours can be told apart by everybody, on both backgrounds."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from memtap.frontend import ROOT

Colour = tuple[float, float, float]  # linear light: red, green, blue, 0 to 1

TOKENS = (ROOT / "lib" / "tokens.css").read_text()
THEMES = {"light": 1, "dark": 2}
# Complete colour blindness of each kind: Machado, Oliveira, Fernandes 2009, severity 1.0, on linear light.
SEEN_BY = {
    "everybody": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopes": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopes": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopes": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
TOLD_APART = 19  # CIE76; about 2 can just be seen side by side


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("reader", SEEN_BY)
def test_slices_of_the_pie_are_told_apart(theme: str, reader: str) -> None:
    slices = {name: seen(colour, reader) for name, colour in tokens(theme).items() if name.startswith("slice-")}
    assert len(slices) == 10
    for (one, a), (other, b) in itertools.combinations(slices.items(), 2):
        assert math.dist(lab(a), lab(b)) >= TOLD_APART, f"{one} and {other}"


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_stands_out_from_what_it_is_on(theme: str) -> None:
    colours = tokens(theme)
    for name, colour in colours.items():
        if name.startswith("slice-") or name in ("requested", "released", "control"):
            assert contrast(colour, colours["card"]) >= 3, name
    grounds = ("card", "page", "hover", "chosen", "bad-page", "warn-page", "note-page")
    pairs = [
        *itertools.product(("text", "muted"), grounds),
        ("accent", "card"),
        ("accent", "page"),
        ("warn", "card"),
        ("bad", "card"),
        ("bad", "bad-page"),
    ]
    for name, ground in pairs:
        assert contrast(colours[name], colours[ground]) >= 4.5, f"{name} on {ground}"
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5


def tokens(theme: str) -> dict[str, Colour]:
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", TOKENS)
    return {token[0]: linear(token[THEMES[theme]]) for token in found}


def linear(text: str) -> Colour:
    red, green, blue = (int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return tuple(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red, green, blue))  # type: ignore[return-value]


def seen(colour: Colour, reader: str) -> Colour:
    return tuple(sum(a * b for a, b in zip(row, colour, strict=True)) for row in SEEN_BY[reader])  # type: ignore[return-value]


def luminance(colour: Colour) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def contrast(one: Colour, other: Colour) -> float:
    """WCAG 2.2, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(colour: Colour) -> tuple[float, float, float]:
    """CIE L*a*b*, D65."""
    red, green, blue = colour
    x, y, z = (
        cube_root(max(0.0, value) / white)
        for value, white in (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue, 0.9505),
            (luminance(colour), 1.0),
            (0.0193 * red + 0.1192 * green + 0.9505 * blue, 1.089),
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def cube_root(value: float) -> float:
    return value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
