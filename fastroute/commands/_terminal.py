"""Output for people and for pipes: on a terminal it fits the width, and rich draws tables if it is installed."""

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import accumulate, zip_longest
from shutil import get_terminal_size
from typing import TYPE_CHECKING, TypeVar

__all__ = ["columns_of", "fitted", "print_lines", "print_table", "shortened", "shows_unicode", "track"]

RICH = find_spec("rich") is not None
if TYPE_CHECKING or RICH:
    from rich import box, progress
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

#: Narrower terminals are treated as if they had that many columns.
_LEAST = 80

Item = TypeVar("Item")


def _width() -> int | None:
    """The columns of the terminal; None for a pipe, which gets every line as long as it is."""
    return max(_LEAST, get_terminal_size().columns) if sys.stdout.isatty() else None


def shows_unicode() -> bool:
    """Whether the output can hold every character."""
    return (sys.stdout.encoding or "").lower().startswith("utf")


def columns_of(text: str) -> int:
    """How wide a text is on a terminal: Chinese, Japanese and Korean characters and emoji take two columns each."""
    return len(text) if text.isascii() else sum(map(_columns_of_character, text))


def _columns_of_character(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):  # drawn onto the one before, or not at all
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(word: str, most: int) -> str:
    """A word of at most so many columns: a longer path is cut in its middle, `/first-…/last`."""
    if columns_of(word) <= most:
        return word
    mark = "…" if shows_unicode() else "..."
    end = _start_of(word[::-1], most // 2)[::-1]
    end = end[max(end.rfind("/", 0, -1), 0) :]
    return _start_of(word, most - columns_of(mark) - columns_of(end)) + mark + end


def _start_of(word: str, most: int) -> str:
    """As many characters as have room in so many columns."""
    return word[: sum(columns <= most for columns in accumulate(map(columns_of, word)))]


def fitted(line: str, width: int) -> list[str]:
    """A line as lines of at most `width` columns: broken at spaces, the next ones indented, long words shortened."""
    if columns_of(line) <= width:
        return [line]
    indent = min(len(line) - len(line.lstrip(" ")), width // 2)
    deeper = min(indent + 4, width // 2)
    first, *words = [shortened(word, width - deeper) for word in line.strip(" ").split(" ")]
    lines = [" " * indent + first]
    for word in words:
        if columns_of(lines[-1]) + 1 + columns_of(word) <= width:
            lines[-1] += f" {word}"
        elif word:
            lines.append(" " * deeper + word)
    return [line.rstrip(" ") for line in lines]


def print_lines(lines: Iterable[str]) -> None:
    """Print lines for people, which fit the width of a terminal."""
    width = _width()
    for text in lines:
        for line in text.split("\n"):
            print("\n".join([line] if width is None else fitted(line, width)))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Iterable[int] = ()) -> None:
    """Print rows under a header; a cell may have several lines. The columns in `numbers` are aligned to the right."""
    right, width, drawn = set(numbers), _width(), sys.stdout.isatty() and RICH
    table = [[cell.split("\n") for cell in row] for row in [header, *rows]]
    columns = [list(column) for column in zip(*table, strict=True)]
    if width is not None:
        columns = _fitted_columns(columns, width - (3 if drawn else 2) * len(columns))
    widths = [_width_of(column) for column in columns]
    table = [list(row) for row in zip(*columns, strict=True)]
    if drawn:
        _print_rich(table, right, width)
        return
    for row in table:
        for line in zip_longest(*row, fillvalue=""):
            cells = [
                _padded(text, each, right=index in right)
                for index, (text, each) in enumerate(zip(line, widths, strict=True))
            ]
            print("  ".join(cells).rstrip())


def _padded(text: str, columns: int, *, right: bool) -> str:
    space = " " * (columns - columns_of(text))
    return space + text if right else text + space


def _width_of(column: Sequence[Sequence[str]]) -> int:
    return max(columns_of(line) for cell in column for line in cell)


def _fitted_columns(columns: Sequence[list[list[str]]], room: int) -> list[list[list[str]]]:
    """The columns, so that all of them together have room: each has an equal share, and the wide ones what is left."""
    fit = list(columns)
    by_width = sorted(range(len(columns)), key=lambda index: _width_of(columns[index]))
    for done, index in enumerate(by_width):
        share = max(1, room // (len(columns) - done))
        fit[index] = [[part for line in cell for part in fitted(line, share)] for cell in columns[index]]
        room -= _width_of(fit[index])
    return fit


def _print_rich(table: Sequence[Sequence[Sequence[str]]], right: set[int], width: int | None) -> None:
    header, *rows = table
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        drawn.add_column("\n".join(name), justify="right" if index in right else "left", no_wrap=True)
    for row in rows:
        # As Text, because square brackets in a path are no markup.
        drawn.add_row(*(Text("\n".join(cell)) for cell in row))
    Console(width=width).print(drawn)


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
