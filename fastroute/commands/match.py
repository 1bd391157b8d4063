"""`python -m fastroute match`: which route answers a path, and at which position the others fail.

The routes themselves decide which of them answers. Only the reason why one does not is worked out here, from the parts
of its template and its own convertors. That is slow: it looks at every way to share out the path among the parts.
"""

import argparse
import json
import re
import sys
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from starlette.convertors import Convertor
from starlette.routing import Match

from .._starlette import get_route_path
from ..matching.template import Part, kind_of, parts
from ._entries import Entry, entries, one_line, record
from ._loading import add_application
from ._refusals import Verdict, judge
from ._request import Request, add_request, request_of
from ._terminal import print_lines
from ._trace import Attempt, Outcome, ask, in_order, trace

__all__ = ["Failure", "add_arguments", "explain", "nearest_route", "run"]

_MOST_LINES = 5


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
        found = repr(_shortened(route_path[position:])) if position < len(route_path) else "the end"
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


def _shortened(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


# --- the command -------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser, path=request_of)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--method", type=str.upper, help="of an HTTP request (default: GET)")
    kind.add_argument("--websocket", action="store_true", help="a WebSocket instead of an HTTP request")
    add_request(parser)
    parser.add_argument("--json", action="store_true", help="print the answer as JSON, for tools")
    parser.epilog = """\
A ws:// URL, a query, a header or a cookie makes it a handshake: match says why
the parameters, the security schemes and the policy of the route would refuse
it. Dependencies of your own are not called.

exit code: 0 if a route answers, 1 if none does or it would refuse,
2 if the application could not be loaded

examples:
  python -m fastroute match main:app /items/7
  python -m fastroute match main:app /items/7 --method DELETE
  python -m fastroute match main:app 'ws://localhost/rooms/7?nick=Ann'
  python -m fastroute match main:app /rooms/7 --header 'authorization: Bearer x'"""


def run(arguments: argparse.Namespace) -> int:
    request: Request = arguments.path
    outcome = trace(arguments.app, request.scope)
    attempt = outcome.decisive
    answered = attempt is not None and attempt.match is Match.FULL
    verdict = None
    if attempt is not None and answered and request.whole:
        verdict = judge(attempt.entry.route, {**attempt.scope, **attempt.child_scope})
    if arguments.json:
        print(json.dumps(_report(request, outcome, verdict), indent=2, default=str))
    else:
        print_lines([request.title, *_lines(arguments.app, outcome, answered, verdict)])
    return 0 if answered and (verdict is None or not verdict.refusals) else 1


def _lines(app: Any, outcome: Outcome, answered: bool, verdict: Verdict | None) -> list[str]:
    attempt = outcome.decisive
    if attempt is None:
        lines = [_miss(outcome)]
    elif attempt.entry.kind == "frontend" and attempt.match is not None:
        lines = [f"  is handed to a frontend, whose files decide{'' if answered else ' between 404 and 405'}"]
    elif answered:
        lines = [f"  is answered by {one_line(attempt.entry, attempt.inside)}", *_parameters(attempt)]
        lines += [] if verdict is None else _verdict(verdict)
    else:
        failure = explain(attempt)
        assert failure is not None
        code = "405 Method Not Allowed" if attempt.match is Match.PARTIAL else "500 Internal Server Error"
        lines = [f"  is answered by {code}: {one_line(attempt.entry, attempt.inside)}", f"    {failure.reason}"]
    others = _others(outcome)
    hidden = [] if attempt is not None else _hidden(app, outcome)
    if hidden:
        lines += ["  would match if it came earlier:", *(f"    {one_line(entry)}" for entry in hidden)]
    nearest = _nearest(others)
    if nearest:
        tried = "tried" if attempt is None else "tried before"
        lines += [f"  {len(others)} routes were {tried}; the closest:" if len(others) > 1 else f"  {tried}:"]
        for other, failure in nearest:
            lines += [f"    {one_line(other.entry, other.inside)}", f"      {failure.reason}"]
    return lines


def _verdict(verdict: Verdict) -> list[str]:
    if verdict.unknown is not None:
        return [f"  may refuse it: {verdict.unknown}"]
    lines = [f"  would refuse it, by {refusal}" for refusal in verdict.refusals]
    if not lines:
        lines = ["  would not refuse it: its parameters, security schemes and policy agree"]
    if verdict.not_asked:
        lines.append(f"  was not asked, as it is your code: {', '.join(verdict.not_asked)}")
    return lines


def _others(outcome: Outcome) -> list[Attempt]:
    """The routes that were asked and do not answer."""
    return [other for other in outcome.attempts if other is not outcome.decisive and other.match is not Match.FULL]


def _miss(outcome: Outcome) -> str:
    if outcome.redirect is not None:
        return f"  is answered by a redirect to {outcome.redirect}"
    taken = [attempt for attempt in outcome.attempts if attempt.match is Match.FULL]
    if taken:
        return f"  is taken by {one_line(taken[-1].entry, taken[-1].inside)}, and no route below it matches"
    return "  is answered by no route"


def _parameters(attempt: Attempt) -> list[str]:
    params = {**attempt.scope, **attempt.child_scope}.get("path_params", {})
    return [f"    {name} = {_shortened(repr(value))}" for name, value in params.items()]


def _hidden(app: Any, outcome: Outcome) -> list[Entry]:
    """Routes that would match but were never asked, because a mount or host before them took the path."""
    asked = {id(attempt.entry.route) for attempt in outcome.attempts}
    scope = outcome.attempts[0].scope if outcome.attempts else {}
    return [
        entry
        for entry in in_order(entries(app))
        if id(entry.route) not in asked and not entry.children and ask(entry, scope).match is Match.FULL
    ]


def _nearest(attempts: Sequence[Attempt]) -> list[tuple[Attempt, Failure]]:
    """The routes that fit beyond the first slash; of the other type only those whose path fits."""
    near = []
    for attempt in attempts:
        failure = explain(attempt)
        other_type = attempt.entry.kind in ("http", "websocket") and attempt.entry.kind != attempt.scope["type"]
        least = len(attempt.scope["path"]) if other_type else 2
        if failure is not None and failure.position >= least:
            near.append((attempt, failure))
    return sorted(near, key=lambda pair: -pair[1].position)[:_MOST_LINES]


def nearest_route(app: Any, scope: MutableMapping[str, Any]) -> str | None:
    """The route that a path fits furthest, and where it fails there, for a log.

    Args:
        app: a router or application that matches no route.
        scope: of the connection; it is not changed.

    Returns:
        One line, escaped and cut; None if no route is near.
    """
    attempts = [attempt for attempt in trace(app, scope).attempts if attempt.match is not Match.FULL]
    for attempt, failure in _nearest(attempts)[:1]:
        reason = failure.reason.encode("ascii", "backslashreplace").decode()
        return f"{one_line(attempt.entry, attempt.inside)}: {reason[:200]}"
    return None


def _report(request: Request, outcome: Outcome, verdict: Verdict | None) -> dict[str, Any]:
    attempt, others = outcome.decisive, _others(outcome)
    failure = None if attempt is None else explain(attempt)
    return {
        "asked": request.title,
        "answer": None if attempt is None else record(attempt.entry, attempt.inside),
        "match": "none" if attempt is None else "error" if attempt.match is None else attempt.match.name.lower(),
        "reason": None if failure is None else failure.reason,
        "path_params": {} if attempt is None else {**attempt.scope, **attempt.child_scope}.get("path_params", {}),
        "redirect": outcome.redirect,
        "handshake": None if verdict is None else verdict._asdict(),
        "tried": len(others),
        "nearest": [
            {**record(other.entry, other.inside), "position": failure.position, "reason": failure.reason}
            for other, failure in _nearest(others)
        ],
    }
