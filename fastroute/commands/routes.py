"""`python -m fastroute routes`: the routes of an application as a tree, in the order in which they are asked."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..indexing.index import is_indexed
from ..indexing.index_router import IndexRouter
from ..narrowing.leaves import found_by_path
from ..narrowing.routers import NarrowedRouter
from ..tracing.entries import Entry, entries, record
from ._loading import add_application
from ._terminal import print_table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser)
    parser.add_argument("--json", action="store_true", help="print the routes as JSON, for tools")
    parser.epilog = """\
lookup: how the router finds a route. "index": by its path. "always": asked for
every path that gets there, because nothing is known for certain about the
route. "scan": the router has no index and asks one route after the other.

examples:
  python -m fastroute routes main:app
  python -m fastroute routes shop.main:app --json | jq '.[].path'"""


def run(arguments: argparse.Namespace) -> int:
    tree = entries(arguments.app)
    if arguments.json:
        print(json.dumps([_as_json(entry, ()) for entry in tree], indent=2))
    elif not tree:
        print("no routes")
    else:
        print_table(("", "kind", "path", "name", "endpoint", "lookup"), list(_rows(tree, (), "")))
    return 0


def _rows(
    tree: Sequence[Entry], inside: tuple[Entry, ...], outer: str, including: Any = None
) -> Iterator[tuple[str, ...]]:
    for number, entry in enumerate(tree, 1):
        router = including or entry.router
        numbers = f"{outer}{number}"
        known = record(entry, inside)
        indent = "  " * numbers.count(".")
        path = entry.path if entry.kind == "host" else known["path"]
        endpoint = known["endpoint"] or ""
        yield numbers, entry.label, indent + (path or "''"), known["name"] or "", endpoint, _lookup(entry, router)
        dependencies = _dependencies(entry)
        if dependencies:
            yield "", "", f"{indent}  needs {', '.join(dependencies)}", "", "", ""
        below = router if entry.kind == "included" else None
        yield from _rows(entry.children, entry.around_children(inside), f"{numbers}.", below)


def _lookup(entry: Entry, router: Any) -> str:
    """How a router finds a route of its own, or of a router that it includes."""
    if isinstance(router, NarrowedRouter):
        found = found_by_path(entry.route)
    elif isinstance(router, IndexRouter):
        found = is_indexed(entry.route)
    else:
        return "scan"
    return "index" if found else "always"


def _dependencies(entry: Entry) -> list[str]:
    """The direct dependencies of a WebSocket route, in the order in which they are called."""
    if entry.kind != "websocket":
        return []
    calls = [dependency.call for dependency in getattr(entry.dependant, "dependencies", ())]
    return [getattr(call, "__qualname__", None) or type(call).__qualname__ for call in calls]


def _as_json(entry: Entry, inside: tuple[Entry, ...], including: Any = None) -> dict[str, Any]:
    below, router = entry.around_children(inside), including or entry.router
    including = router if entry.kind == "included" else None
    return {
        **record(entry, inside),
        "lookup": _lookup(entry, router),
        "dependencies": _dependencies(entry),
        "routes": [_as_json(child, below, including) for child in entry.children],
    }
