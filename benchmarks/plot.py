"""A bar chart as SVG, written by hand: forty lines here instead of a plotting library of 40 MB."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

WIDTH, BAR, GAP, NAMES, TOP = 860, 22, 10, 260, 50
ROOM = WIDTH - NAMES - 70
_SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" font-family="sans-serif" font-size="13">'


def bars(title: str, figures: Mapping[str, float], *, mark: float) -> str:
    """One bar for each figure, on a scale from zero, and a line at `mark`."""
    height = TOP + len(figures) * (BAR + GAP) + GAP
    scale = ROOM / max([*figures.values(), mark])
    at = NAMES + mark * scale
    shapes = [
        _SVG.format(WIDTH, height),
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="24" font-size="15">{escape(title)}</text>',
    ]
    for place, (name, figure) in enumerate(figures.items()):
        top = TOP + place * (BAR + GAP)
        colour = "#2a7f62" if figure <= mark else "#b9c2cc"
        shapes += [
            f'<text x="{NAMES - 8}" y="{top + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{NAMES}" y="{top}" width="{figure * scale:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{NAMES + figure * scale + 6:.1f}" y="{top + 15}">{figure:.2f}</text>',
        ]
    shapes.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 8}" y2="{height - 6}" stroke="#333"/>')
    return "\n".join([*shapes, "</svg>"]) + "\n"
