"""`python -m fastroute match`: which route answers a path, and for the others where they fail.

Which route answers is what the routes themselves say. Only why one does not is worked out here, from the parts of its
template and its own convertors: slowly, as it looks at every way in which the parts can share out the path.
"""

import argparse
import json
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from starlette.convertors import Convertor
from starlette.routing import Match

from .._starlette import get_route_path
from ..matching.template import Part, kind_of, parts
from ._entries import Entry, entries, facts, title
from ._loading import add_application
from ._trace import Outcome, Step, ask, connection, in_order, trace

__all__ = ["Failure", "add_arguments", "explain", "run"]

_MOST_LINES = 5


class Failure(NamedTuple):
    """Why a route does not match.

    Attributes:
        position: in the path, how far it fits; a route that gets further is nearer.
        reason: what was expected there, and what was found.
    """

    position: int
    reason: str


def explain(step: Step) -> Failure | None:
    """Why a route that was asked does not answer; None where it does."""
    if step.match is Match.FULL:
        return None
    path: str = step.scope["path"]
    if step.error is not None:
        return Failure(len(path), f"raises {type(step.error).__name__}: {step.error}")
    if step.match is Match.PARTIAL:
        return Failure(len(path), f"answers {', '.join(step.entry.methods or [])} and not {step.scope['method']}")
    return _explain_none(step, path)


def _explain_none(step: Step, path: str) -> Failure:
    entry, route_path = step.entry, get_route_path(dict(step.scope))
    offset = len(path) - len(route_path)
    if entry.kind == "host":
        host = dict(step.scope["headers"]).get(b"host", b"").decode("latin-1")
        return Failure(offset, f"the host is {host!r}")
    convertors = getattr(entry.route, "param_convertors", None)
    if convertors is None:
        return Failure(offset, "its own `matches` says no")
    template = entry.path + "/{path:path}" if entry.kind == "mount" else entry.path
    failure = _first_failure(parts(template), convertors, route_path)
    if failure is not None:
        position, expected = failure
        found = repr(_shortened(route_path[position:])) if position < len(route_path) else "the end"
        return Failure(offset + position, f"{expected} at position {offset + position}, found {found}")
    if {"http": "websocket", "websocket": "http"}.get(entry.kind) == step.scope["type"]:
        asked, answered = ("an HTTP request", "a WebSocket") if entry.kind == "websocket" else ("a WebSocket", "HTTP")
        return Failure(len(path), f"the path fits, but it answers {answered} and this is {asked}")
    digits = max(map(len, re.findall("[0-9]+", route_path)), default=0)
    if "int" in map(kind_of, convertors.values()) and digits > sys.get_int_max_str_digits() > 0:
        return Failure(len(path), f"a number of {digits} digits is more than Python converts")
    return Failure(len(path), "the path fits, but its own `matches` says no")


def _first_failure(
    template: Sequence[Part], convertors: Mapping[str, Convertor[Any]], path: str
) -> tuple[int, str] | None:
    """How far a path fits into a template, and what was expected there; None where all of it fits."""
    # Where the parts so far can have ended, and what the last parameter was then.
    ends: dict[int, str] = {0: ""}
    for text, convertor, _ in template:
        if convertor is None:
            after = {start + len(text): last for start, last in ends.items() if path.startswith(text, start)}
            if not after:
                start = max(ends, key=lambda start: (start + _common(path, start, text), -start))
                common = _common(path, start, text)
                return start + common, f"{ends[start]}expected {_shortened(text[common:])!r}"
        else:
            after = {
                end: f"after `{text}` = {_shortened(path[start:end])!r}: "
                for start in ends
                for end in _ends(convertors[text], path, start)
            }
            if not after:
                return max(ends), f"`{text}`: expected {_expectation(convertors[text])}"
        ends = after
    # `$` of a regex is also before one newline at the end.
    if len(path) in ends or (path.endswith("\n") and len(path) - 1 in ends):
        return None
    return max(ends), f"{ends[max(ends)]}expected the end"


def _ends(convertor: Convertor[Any], path: str, start: int) -> Collection[int]:
    """Where a parameter that starts here can end."""
    regex = re.compile(convertor.regex)
    kind = kind_of(convertor)
    if kind in ("str", "int", "path"):
        # All that is shorter is right as well.
        longest = regex.match(path, start)
        shortest = start if kind == "path" else start + 1
        return range(shortest, longest.end() + 1) if longest else ()
    return [end for end in range(start, len(path) + 1) if regex.fullmatch(path, start, end)]


def _expectation(convertor: Convertor[Any]) -> str:
    match kind_of(convertor):
        case "int":
            return "digits"
        case "float":
            return "a number such as 1 or 1.5"
        case "uuid":
            return "a UUID"
        case "str":
            return "at least one character other than '/'"
        case _:
            return f"what {type(convertor).__name__} takes ({convertor.regex})"


def _common(path: str, start: int, text: str) -> int:
    """The length of what `path` from `start` and `text` have in common."""
    length = 0
    while length < len(text) and path.startswith(text[length], start + length):
        length += 1
    return length


def _shortened(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


# --- the command -------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser)
    parser.add_argument("path", type=_path, help="as in a URL, from its slash on; %%-escapes are decoded")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--method", type=str.upper, default="GET", help="of an HTTP request (default: GET)")
    kind.add_argument("--websocket", action="store_true", help="a WebSocket instead of an HTTP request")
    parser.add_argument("--host", default="localhost", help="the Host header (default: localhost)")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON, for tools")
    parser.epilog = """\
exit code: 0 where a route answers, 1 where none does, 2 where the application could not be loaded

examples:
  python -m fastroute match main:app /items/7
  python -m fastroute match main:app /items/7 --method DELETE
  python -m fastroute match main:app /rooms/7/live --websocket --host chat.example.org"""


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} has to start with a slash")
    return unquote(text.partition("#")[0].partition("?")[0])


def run(arguments: argparse.Namespace) -> int:
    type_ = "websocket" if arguments.websocket else "http"
    scope = connection(type_, arguments.method, arguments.path, arguments.host)
    outcome = trace(arguments.app, scope)
    answered = outcome.answer is not None and outcome.answer.match is Match.FULL
    if arguments.json:
        print(json.dumps(_report(outcome), indent=2, default=str))
    else:
        asked = "WebSocket" if arguments.websocket else arguments.method
        print("\n".join([f"{asked} {arguments.path}", *_lines(arguments.app, outcome, answered)]))
    return 0 if answered else 1


def _lines(app: Any, outcome: Outcome, answered: bool) -> list[str]:
    step = outcome.answer
    if step is None:
        lines = [_miss(outcome)]
    elif answered:
        lines = [f"  is answered by {title(step.entry, step.inside)}", *_parameters(step)]
    else:
        failure = explain(step)
        assert failure is not None
        code = "405 Method Not Allowed" if step.match is Match.PARTIAL else "500 Internal Server Error"
        lines = [f"  is answered by {code}: {title(step.entry, step.inside)}", f"    {failure.reason}"]
    others = [other for other in outcome.steps if other is not step and other.match is not Match.FULL]
    hidden = [] if step is not None else _hidden(app, outcome)
    if hidden:
        lines += ["  would be answered, if it was asked earlier, by", *(f"    {title(entry)}" for entry in hidden)]
    nearest = _nearest(others)
    if nearest:
        when = "in vain" if step is None else "before"
        lines += [f"  {len(others)} routes were asked {when}; the nearest:" if len(others) > 1 else f"  asked {when}:"]
        for other, failure in nearest:
            lines += [f"    {title(other.entry, other.inside)}", f"      {failure.reason}"]
    return lines


def _miss(outcome: Outcome) -> str:
    if outcome.redirect is not None:
        return f"  is answered by a redirect to {outcome.redirect}"
    taken = [step for step in outcome.steps if step.match is Match.FULL]
    if taken:
        return f"  is taken by {title(taken[-1].entry, taken[-1].inside)}, and no route below it matches"
    return "  is answered by no route"


def _parameters(step: Step) -> list[str]:
    params = {**step.scope, **step.child_scope}.get("path_params", {})
    return [f"    {name} = {_shortened(repr(value))}" for name, value in params.items()]


def _hidden(app: Any, outcome: Outcome) -> list[Entry]:
    """Routes that were never asked, since a mount or host before them took the path."""
    asked = {id(step.entry.route) for step in outcome.steps}
    scope = outcome.steps[0].scope if outcome.steps else {}
    return [
        entry
        for entry in in_order(entries(app))
        if id(entry.route) not in asked and not entry.children and ask(entry, scope).match is Match.FULL
    ]


def _nearest(steps: Sequence[Step]) -> list[tuple[Step, Failure]]:
    """Those that fit beyond the first slash; of the other type only those whose path fits."""
    near = []
    for step in steps:
        failure = explain(step)
        other_type = step.entry.kind in ("http", "websocket") and step.entry.kind != step.scope["type"]
        least = len(step.scope["path"]) if other_type else 2
        if failure is not None and failure.position >= least:
            near.append((step, failure))
    return sorted(near, key=lambda pair: -pair[1].position)[:_MOST_LINES]


def _report(outcome: Outcome) -> dict[str, Any]:
    step = outcome.answer
    return {
        "answer": None if step is None else facts(step.entry, step.inside),
        "match": "none" if step is None else "error" if step.match is None else step.match.name.lower(),
        "path_params": {} if step is None else {**step.scope, **step.child_scope}.get("path_params", {}),
        "redirect": outcome.redirect,
        "asked": [
            {**facts(other.entry, other.inside), "position": failure.position, "reason": failure.reason}
            for other in outcome.steps
            if (failure := explain(other)) is not None
        ],
    }
