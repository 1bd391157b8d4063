"""Why a route does not answer: how far a path fits into its template, and the text that was expected there.

The routes themselves decide which of them answers. Only the reason why one does not is worked out here, from the parts
of its template and its own convertors. That is slow: it looks at every way to share out the path among the parts.
"""

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.convertors import Convertor
from starlette.routing import Match

from .._starlette import get_route_path
from ..matching.template import Part, kind_of, parts
from .entries import one_line
from .trace import Attempt, Scope, trace

__all__ = ["Failure", "cut", "explain", "nearest", "nearest_route"]

_MOST = 5


class Failure(NamedTuple):
    """Why a route does not match.

    Attributes:
        position: in the path, how far it fits; a route that gets further is closer.
        reason: the text that was expected there, and the text that was found.
    """

    position: int
    reason: str


def explain(attempt: Attempt) -> Failure | None:
    """Why a route that was asked does not answer; None if it does."""
    if attempt.match is Match.FULL:
        return None
    path: str = attempt.scope["path"]
    if attempt.error is not None:
        return Failure(len(path), f"raises {type(attempt.error).__name__}: {attempt.error}")
    if attempt.match is Match.PARTIAL:
        methods = attempt.entry.methods or ["GET", "HEAD"]  # FastAPI's frontends do not tell theirs
        return Failure(len(path), f"answers {', '.join(methods)} and not {attempt.scope['method']}")
    return _explain_none(attempt, path)


def _explain_none(attempt: Attempt, path: str) -> Failure:
    entry, route_path = attempt.entry, get_route_path(dict(attempt.scope))
    offset = len(path) - len(route_path)
    if entry.kind == "host":
        host = dict(attempt.scope["headers"]).get(b"host", b"").decode("latin-1")
        return Failure(offset, f"the host is {host!r}")
    convertors = getattr(entry.route, "param_convertors", None)
    if convertors is None:
        return Failure(offset, "its own `matches` says no")
    failure = _first_failure(parts(entry.template), convertors, route_path)
    if failure is not None:
        position, expected = failure
        found = repr(cut(route_path[position:])) if position < len(route_path) else "the end"
        return Failure(offset + position, f"{expected} at position {offset + position}, found {found}")
    if {"http": "websocket", "websocket": "http"}.get(entry.kind) == attempt.scope["type"]:
        asked, answered = ("an HTTP request", "a WebSocket") if entry.kind == "websocket" else ("a WebSocket", "HTTP")
        return Failure(len(path), f"the path fits, but it answers {answered} and this is {asked}")
    digits = max(map(len, re.findall("[0-9]+", route_path)), default=0)
    if "int" in map(kind_of, convertors.values()) and digits > sys.get_int_max_str_digits() > 0:
        return Failure(len(path), f"a number of {digits} digits is more than Python converts")
    return Failure(len(path), "the path fits, but its own `matches` says no")


def _first_failure(
    template: Sequence[Part], convertors: Mapping[str, Convertor[Any]], path: str
) -> tuple[int, str] | None:
    """How far a path fits into a template, and the text expected there; None if all of it fits."""
    # Each position at which the parts read so far may end -> the words to put before an error there.
    ends: dict[int, str] = {0: ""}
    for word, convertor, _ in template:
        if convertor is None:
            after = {start + len(word): last for start, last in ends.items() if path.startswith(word, start)}
            if not after:
                start = max(ends, key=lambda start: (start + _common(path, start, word), -start))
                common = _common(path, start, word)
                return start + common, f"{ends[start]}expected {cut(word[common:])!r}"
        else:
            after = {
                end: f"after `{word}` = {cut(path[start:end])!r}: "
                for start in ends
                for end in _ends(convertors[word], path, start)
            }
            if not after:
                return max(ends), f"`{word}`: expected {_expectation(convertors[word])}"
        ends = after
    # `$` of a regex is also before one newline at the end.
    if len(path) in ends or (path.endswith("\n") and len(path) - 1 in ends):
        return None
    return max(ends), f"{ends[max(ends)]}expected the end"


def _ends(convertor: Convertor[Any], path: str, start: int) -> Collection[int]:
    """Each position at which a parameter that starts here can end."""
    regex = re.compile(convertor.regex)
    kind = kind_of(convertor)
    if kind in ("str", "int", "path"):
        # Every shorter text fits as well.
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
            return f"a text for {type(convertor).__name__} ({convertor.regex})"


def _common(path: str, start: int, text: str) -> int:
    """The length of the beginning that `path` from `start` and `text` have in common."""
    length = 0
    while length < len(text) and path.startswith(text[length], start + length):
        length += 1
    return length


def cut(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def nearest(attempts: Sequence[Attempt]) -> list[tuple[Attempt, Failure]]:
    """The routes that fit beyond the first slash; of the other type only those whose path fits."""
    near = []
    for attempt in attempts:
        failure = explain(attempt)
        other_type = attempt.entry.kind in ("http", "websocket") and attempt.entry.kind != attempt.scope["type"]
        least = len(attempt.scope["path"]) if other_type else 2
        if failure is not None and failure.position >= least:
            near.append((attempt, failure))
    return sorted(near, key=lambda pair: -pair[1].position)[:_MOST]


def nearest_route(app: Any, scope: Scope) -> str | None:
    """The route that a path fits furthest, and where it fails there, for a log.

    Args:
        app: a router or application that matches no route.
        scope: of the connection; it is not changed.

    Returns:
        One line, escaped and cut; None if no route is near.
    """
    attempts = [attempt for attempt in trace(app, scope).attempts if attempt.match is not Match.FULL]
    for attempt, failure in nearest(attempts)[:1]:
        reason = failure.reason.encode("ascii", "backslashreplace").decode()
        return f"{one_line(attempt.entry, attempt.inside)}: {reason[:200]}"
    return None
