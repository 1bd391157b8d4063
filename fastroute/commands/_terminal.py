"""Output for people and for pipes: with rich on a terminal if it is installed, else as plain text."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

__all__ = ["print_table", "track"]

RICH = find_spec("rich") is not None
if TYPE_CHECKING or RICH:
    from rich import box, progress
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Item = TypeVar("Item")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Iterable[int] = ()) -> None:
    """Print rows under a header; the columns in `numbers` are aligned to the right."""
    right = set(numbers)
    if sys.stdout.isatty() and RICH:
        _print_rich(header, rows, right)
        return
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in [header, *rows]:
        cells = [
            text.rjust(width) if index in right else text.ljust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _print_rich(header: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        # As Text, because square brackets in a path are no markup.
        table.add_row(*map(Text, row))
    Console().print(table)


def track(items: Sequence[Item], label: str) -> Iterator[Item]:
    """The items; if the error output is a terminal, it shows a progress bar meanwhile."""
    if not sys.stderr.isatty():
        yield from items
    elif RICH:
        yield from progress.track(items, label, console=Console(stderr=True), transient=True)
    else:
        for done, item in enumerate(items):
            filled = 30 * done // len(items)
            print(f"\r{label} [{'#' * filled}{'.' * (30 - filled)}] {done}/{len(items)}", end="", file=sys.stderr)
            yield item
        print(f"\r{' ' * (len(label) + 50)}\r", end="", file=sys.stderr)
