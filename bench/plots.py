"""The plots and tables of docs/benchmarks.md, from the other benches: one command measures, draws and prints.

    python bench/plots.py [--quick]

Draws docs/plots/*.svg and prints the tables, with the machine and the versions they were measured on.
"""

import argparse
import asyncio
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import bench_connect
import bench_matcher
import bench_router
import bench_solver
import matplotlib
from matplotlib.figure import Figure

from fastroute.matching import matcher_c, matcher_py

PLOTS = Path(__file__).parent.parent / "docs" / "plots"
COLORS = {
    "Starlette": "#8c8c8c",
    "FastAPI": "#009485",
    "by hand": "#e3b23c",
    "fastroute pure": "#7fb3e6",
    "fastroute compiled": "#1f5fa8",
    "fastroute": "#1f5fa8",
    "floor": "#e3b23c",
}

Rows = dict[str, dict[str, float]]  # by case and by side


class Effort(NamedTuple):
    """How long to look for the least time."""

    rounds: int
    seconds: float
    passes: int  # over all cases: a machine that is busy for a while shall not decide about one of them
    sizes: Sequence[int]


FULL = Effort(30, 0.5, 4, (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000))
QUICK = Effort(3, 0.1, 1, (1, 10, 100))


def machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("starlette", "fastapi", "pydantic"))
    return f"{processor()}, {os.cpu_count()} cores, CPython {platform.python_version()}, {packages}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def matching(effort: Effort) -> Rows:
    """Nanoseconds for one path, by template."""
    rows = {}
    cases = {f"hit, {name}": case for name, case in bench_matcher.HITS.items()}
    cases |= {f"miss, {name}": case for name, case in bench_matcher.MISSES.items() if "last" in name or "wrong" in name}
    for name, (template, path) in cases.items():
        matchers = [kind(template) for kind in (bench_matcher.Starlette, matcher_py.PathMatcher, matcher_c.PathMatcher)]
        expected = matchers[0].match(path)
        matchers.append(bench_matcher.floor(expected))
        assert all(matcher.match(path) == expected for matcher in matchers), template
        times = bench_matcher.interleaved(matchers, path, effort.rounds)
        rows[name] = dict(zip(("Starlette", "fastroute pure", "fastroute compiled", "floor"), times, strict=True))
    return rows


def routing(effort: Effort) -> dict[str, dict[int, dict[str, float]]]:
    """Microseconds for a request through the router, by answer and number of routes."""
    found: dict[str, dict[int, dict[str, float]]] = {"last route": {}, "no route": {}}
    for size in effort.sizes:
        table = bench_router.synthetic_table(size)
        sides = [side for side in bench_router.router_sides(table) if side.name in COLORS]
        wanted = {"last route": (table[-1], size - 1), "no route": ("/api/{id}/nothing", None)}
        times = 20 if size > 500 else 200
        for answer, one in wanted.items():
            rounds = max(3, effort.rounds // 4) if size > 500 else effort.rounds
            found[answer][size] = bench_router.best_times(sides, [one] * times, rounds)
    return found


def real_tables(effort: Effort) -> Rows:
    """Microseconds for a lookup, over all routes of real APIs."""
    rows = {}
    for name in ("github", "kubernetes"):
        table = bench_router.real_table(name)
        sides = [side for side in bench_router.starlette_sides(table) if side.name in COLORS]
        hits = [(path, number) for number, path in enumerate(table)]
        for answer, wanted in (("hit", hits), ("miss", bench_router.misses(table))):
            times = bench_router.best_times(sides, wanted, max(3, effort.rounds // 8))
            rows[f"{name}, {len(table)} routes, {answer}"] = times
    return rows


def solving(effort: Effort) -> Rows:
    """Microseconds for a connection in process, by kind of endpoint."""
    rows: Rows = {case.name: {} for case in bench_solver.CASES}
    for _ in range(effort.passes):
        for case in bench_solver.CASES:
            for side, seconds in asyncio.run(bench_solver.measure(case, effort.seconds)).items():
                row, name = rows[case.name], side.removesuffix(", bare")
                row[name] = min(row.get(name, float("inf")), seconds * 1e6)
    return rows


def connecting(effort: Effort) -> tuple[Rows, Rows]:
    """Microseconds of a server's processor for a connection, and connections for each second."""
    rows: tuple[Rows, Rows] = ({}, {})
    for case in bench_connect.chosen(bench_connect.CHOSEN):
        found = bench_connect.measure(case, effort.rounds // 3, 40 * effort.passes)
        rows[0][case.name] = {side.removesuffix(", bare"): cpu * 1e6 for side, (cpu, _) in found.items()}
        rows[1][case.name] = {side.removesuffix(", bare"): rate for side, (_, rate) in found.items()}
    return rows


def draw_dots(file: str, title: str, unit: str, rows: Rows, sides: Sequence[str]) -> None:
    """A line for each case: bars would lie, as a scale of powers has no zero for them to begin at."""
    figure = Figure(figsize=(8, 1 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for side in sides:
        axes.plot([row[side] for row in rows.values()], range(len(rows)), "o", color=COLORS[side], label=side)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel=f"{unit}, lower is better")
    axes.xaxis.set_major_formatter("{x:,g}")
    finish(figure, axes, file, title)


def draw_lines(file: str, title: str, unit: str, found: dict[str, dict[int, dict[str, float]]]) -> None:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for (answer, by_size), style in zip(found.items(), ("-", "--"), strict=True):
        for side in next(iter(by_size.values())):
            times = [sides[side] for sides in by_size.values()]
            axes.plot(list(by_size), times, style, color=COLORS[side], label=f"{side}, {answer}")
    axes.set(xscale="log", yscale="log", xlabel="routes", ylabel=f"{unit}, lower is better")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_formatter("{x:,g}")
    finish(figure, axes, file, title)


def finish(figure: Figure, axes: Any, file: str, title: str) -> None:
    axes.set_title(title, fontsize="medium", loc="left")
    axes.grid(axis="both", which="major", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    figure.text(1, 0, machine(), ha="right", va="top", fontsize=6, color="#666666")
    # Nothing in the file but what was measured tells one run from another.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastroute"}):
        figure.savefig(PLOTS / file, metadata={"Date": None}, bbox_inches="tight")


def table(
    title: str, rows: Rows, sides: Sequence[str], ratios: Sequence[tuple[str, str]], digits: int
) -> Iterator[str]:
    """A table in Markdown; `ratios` are pairs of sides."""
    head = [title, *sides, *(f"{one} / {two}" for one, two in ratios)]
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'--:|' * (len(head) - 1)}"
    for name, row in rows.items():
        cells = [f"{row[side]:.{digits}f}" for side in sides]
        cells += [
            f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}" for ratio in (row[one] / row[two] for one, two in ratios)
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see whether it works, not how fast")
    effort = QUICK if parser.parse_args().quick else FULL
    PLOTS.mkdir(exist_ok=True)
    print(machine())

    by_template = matching(effort)
    sides = ["Starlette", "fastroute pure", "fastroute compiled", "floor"]
    draw_dots("matching.svg", "One template against one path", "nanoseconds", by_template, sides)
    slow_fast = [("Starlette", "fastroute compiled"), ("Starlette", "fastroute pure")]
    print("", *table("ns for one path", by_template, sides, slow_fast, 0), sep="\n")

    with redirect_stdout(None):  # which peers are left out is of no matter here
        by_size, by_table = routing(effort), real_tables(effort)
    draw_lines("routing.svg", "A request through the router", "microseconds", by_size)
    for answer, sizes in by_size.items():
        rows = {f"{size:,} route{'s' if size > 1 else ''}": times for size, times in sizes.items()}
        print("", *table(f"us for a request, {answer}", rows, sides[:3], slow_fast, 2), sep="\n")
    print("", *table("us for a lookup", by_table, sides[:3], slow_fast, 2), sep="\n")

    by_endpoint = solving(effort)
    sides = ["Starlette", "by hand", "FastAPI", "fastroute"]
    draw_dots("solving.svg", "One connection, in process", "microseconds", by_endpoint, sides[1:])
    slow_fast = [("fastroute", "by hand"), ("FastAPI", "fastroute")]
    print("", *table("us for a connection, in process", by_endpoint, sides, slow_fast, 2), sep="\n")

    processor, rate = connecting(effort)
    print("", *table("us of the server's processor for a connection", processor, sides, slow_fast, 0), sep="\n")
    print("", *table("connections / s", rate, sides, [("fastroute", "FastAPI")], 0), sep="\n")


if __name__ == "__main__":
    main()
