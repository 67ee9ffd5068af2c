"""Line charts as plain geometry for a server-rendered SVG: scales, ticks, paths. No script, no Django."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 380, 150
# The plot inside the picture: room for the y labels at the right and the x labels below.
_RIGHT, _TOP, _BOTTOM = 44, 8, 20
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - _RIGHT, HEIGHT - _TOP - _BOTTOM
_MOST_POINTS = 240

Point = tuple[float, float | None]


@dataclass(frozen=True)
class Series:
    """Named values over steps; a value of None is a gap. `dots` draws marks instead of a line."""

    name: str
    points: Sequence[Point]
    dots: bool = False


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in the picture's units, and what is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A drawn series: an SVG path, or marks; `style` is the name of its class in the style sheet."""

    name: str
    style: str
    path: str
    marks: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Everything that the template writes. `label` says in words what the picture shows."""

    title: str
    caption: str
    label: str
    lines: tuple[Line, ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    now: float | None
    width: int = WIDTH
    height: int = HEIGHT
    plot_width: int = _PLOT_WIDTH
    plot_top: int = _TOP
    plot_bottom: int = HEIGHT - _BOTTOM


def line_chart(title: str, series: Sequence[Series], *, planned: int = 0) -> Chart | None:
    """A chart of these series over steps, or None when they have no value.

    `planned` is the step at which the run will end; where it lies ahead, the x axis reaches to it and the last step
    so far is marked.
    """
    shown = [one for one in series if _values(one)]
    if not shown:
        return None
    last = max(x for one in shown for x, y in one.points if y is not None)
    first = min(0.0, *(x for one in shown for x, _ in one.points))
    end = max(last, float(planned), first + 1)
    values = [y for one in shown for y in _values(one)]
    levels = ticks(min(values), max(values))
    low, high = levels[0], levels[-1]

    def x_at(x: float) -> float:
        return round((x - first) / (end - first) * _PLOT_WIDTH, 1)

    def y_at(y: float) -> float:
        return round(_TOP + (high - y) / (high - low) * _PLOT_HEIGHT, 1)

    lines = []
    for number, one in enumerate(shown):
        placed = [(x_at(x), None if y is None else y_at(y)) for x, y in _thinned(one.points)]
        marks = tuple((x, y) for x, y in placed if y is not None) if one.dots or len(placed) == 1 else ()
        lines.append(Line(one.name, "ab"[number % 2], "" if marks else _path(placed), marks))
    return Chart(
        title=title,
        caption=f"{figure(_values(shown[0])[-1])} now" if planned > last else figure(_values(shown[0])[-1]),
        label=f"{title}. " + " ".join(_told(one) for one in shown),
        lines=tuple(lines),
        y_ticks=tuple(Tick(y_at(level), figure(level, levels[1] - levels[0])) for level in levels),
        x_ticks=tuple(Tick(x_at(x), f"{x:,.0f}") for x in _steps(first, last, end)),
        now=x_at(last) if last < end else None,
    )


def ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """At most `most` + 1 round levels, 1, 2 or 5 times a power of ten apart, that enclose both ends.

    A single value gets a level below and one above it.
    """
    if high <= low:
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20):
        first, last = math.floor(low / (step * factor) + 1e-9), math.ceil(high / (step * factor) - 1e-9)
        if last - first <= most:
            break
    return [round(n * step * factor, 12) for n in range(first, last + 1)]


def figure(value: float, step: float | None = None) -> str:
    """A number as people read it; with `step`, as exactly as levels that far apart on an axis need."""
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.2g}" if step is None else f"{value:.3g}"
    if step is not None:
        return f"{value:,.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _values(series: Series) -> list[float]:
    return [y for _, y in series.points if y is not None]


def _told(series: Series) -> str:
    told = [(x, y) for x, y in series.points if y is not None]
    (first_x, first_y), (last_x, last_y) = told[0], told[-1]
    if len(told) == 1:
        return f"{series.name}: {figure(last_y)} at step {last_x:,.0f}."
    return (
        f"{series.name}: {figure(first_y)} at step {first_x:,.0f}, {figure(last_y)} at step {last_x:,.0f}, "
        f"between {figure(min(y for _, y in told))} and {figure(max(y for _, y in told))}."
    )


def _steps(first: float, last: float, end: float) -> list[float]:
    """Labelled steps: both ends, and the last step so far where it is clear of them."""
    span = end - first
    inside = [last] if min(last - first, end - last) > 0.12 * span else []
    return [first, *inside, end]


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most `_MOST_POINTS` points: means over neighbours of equal number."""
    size = math.ceil(len(points) / _MOST_POINTS)
    if size <= 1:
        return points
    thinned: list[Point] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        known = [y for _, y in part if y is not None]
        thinned.append((sum(x for x, _ in part) / len(part), sum(known) / len(known) if known else None))
    return thinned


def _path(placed: Sequence[tuple[float, float | None]]) -> str:
    commands, pen_down = [], False
    for x, y in placed:
        if y is not None:
            commands.append(f"{'L' if pen_down else 'M'}{x:g} {y:g}")
        pen_down = y is not None
    return " ".join(commands)
