"""`python -m fastroute match`: which route answers a path, and at which position the others fail."""

import argparse
import json
from typing import Any

from starlette.routing import Match

from ..tracing.entries import Entry, entries, one_line, record
from ..tracing.failures import cut, explain, nearest
from ..tracing.trace import Attempt, Outcome, ask, in_order, trace
from ._loading import add_application
from ._refusals import Verdict, judge
from ._request import Request, add_request, request_of
from ._terminal import print_lines

__all__ = ["add_arguments", "run"]


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
    closest = nearest(others)
    if closest:
        tried = "tried" if attempt is None else "tried before"
        lines += [f"  {len(others)} routes were {tried}; the closest:" if len(others) > 1 else f"  {tried}:"]
        for other, failure in closest:
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
    return [f"    {name} = {cut(repr(value))}" for name, value in params.items()]


def _hidden(app: Any, outcome: Outcome) -> list[Entry]:
    """Routes that would match but were never asked, because a mount or host before them took the path."""
    asked = {id(attempt.entry.route) for attempt in outcome.attempts}
    scope = outcome.attempts[0].scope if outcome.attempts else {}
    return [
        entry
        for entry in in_order(entries(app))
        if id(entry.route) not in asked and not entry.children and ask(entry, scope).match is Match.FULL
    ]


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
            for other, failure in nearest(others)
        ],
    }
