"""`python -m fastroute routes`: the routes of an application as a tree, in the order in which they are asked."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..index import is_indexed
from ..index_router import IndexRouter
from ._entries import Entry, entries, facts
from ._loading import add_application
from ._terminal import print_table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser)
    parser.add_argument("--json", action="store_true", help="print the routes as JSON, for tools")
    parser.epilog = """\
lookup: how the router finds a route. "index": by its path; "always": asked for every path that gets there, as nothing
is known for certain about it; "scan": the router is not fastroute's and asks one route after the other.

examples:
  python -m fastroute routes main:app
  python -m fastroute routes shop.main:app --json | jq '.[].path'"""


def run(arguments: argparse.Namespace) -> int:
    tree = entries(arguments.app)
    if arguments.json:
        print(json.dumps([_as_json(entry, ()) for entry in tree], indent=2))
    else:
        print_table(("", "kind", "path", "name", "endpoint", "lookup"), list(_rows(tree, (), "")))
    return 0


def _rows(tree: Sequence[Entry], inside: tuple[Entry, ...], outer: str) -> Iterator[tuple[str, ...]]:
    for number, entry in enumerate(tree, 1):
        place = f"{outer}{number}"
        known = facts(entry, inside)
        kind = {"http": ",".join(entry.methods or ["any method"]), "websocket": "WebSocket"}.get(entry.kind, entry.kind)
        indent = "  " * place.count(".")
        path = entry.path if entry.kind == "host" else known["path"]
        yield place, kind, indent + (path or "''"), known["name"] or "", known["endpoint"] or "", _lookup(entry)
        dependencies = _dependencies(entry)
        if dependencies:
            yield "", "", f"{indent}  needs {', '.join(dependencies)}", "", "", ""
        yield from _rows(entry.children, _below(entry, inside), f"{place}.")


def _below(entry: Entry, inside: tuple[Entry, ...]) -> tuple[Entry, ...]:
    # The paths of an included router are complete.
    return inside if entry.kind == "included" else (*inside, entry)


def _lookup(entry: Entry) -> str:
    if not isinstance(entry.router, IndexRouter):
        return "scan"
    return "index" if is_indexed(entry.route) else "always"


def _dependencies(entry: Entry) -> list[str]:
    """What a WebSocket route depends on directly, in the order in which it is solved."""
    if entry.kind != "websocket":
        return []
    dependant = getattr(entry.route, "dependant", None)
    calls = [dependency.call for dependency in getattr(dependant, "dependencies", ())]
    return [getattr(call, "__qualname__", None) or type(call).__qualname__ for call in calls]


def _as_json(entry: Entry, inside: tuple[Entry, ...]) -> dict[str, Any]:
    below = _below(entry, inside)
    return {
        **facts(entry, inside),
        "lookup": _lookup(entry),
        "dependencies": _dependencies(entry),
        "routes": [_as_json(child, below) for child in entry.children],
    }
