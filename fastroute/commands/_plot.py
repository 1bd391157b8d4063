"""The plot of `python -m fastroute bench`: cost over the number of routes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(file: Path, costs: Sequence[Any], caption: str) -> None:
    """Draw the costs as a file whose name ends in .svg, .png or anything else that matplotlib knows.

    Args:
        costs: `bench.Cost` for each number of routes.
        caption: the machine and versions they were measured with.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    routes = [cost.routes for cost in costs]
    for side, name, color in (("starlette", "Starlette", "tab:gray"), ("fastroute", "fastroute", "tab:blue")):
        for answer, style in (("hit", "-"), ("miss", "--")):
            micros = [getattr(cost, f"{side}_{answer}") * 1e6 for cost in costs]
            axes.plot(routes, micros, style, color=color, marker=".", label=f"{name}, {answer}")
    axes.set(xscale="log", yscale="log", xlabel="routes", ylabel="microseconds to the endpoint, lower is better")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_title(caption, fontsize="small")
    axes.grid(which="major", alpha=0.3)
    axes.legend()
    figure.savefig(file)
