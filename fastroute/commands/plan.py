"""`python -m fastroute plan`: the calls of a WebSocket route for one connection, and the code generated from it."""

import argparse
import functools
import reprlib
import sys
from collections.abc import Iterator
from typing import Any

from starlette.routing import Match

from ..dependencies.codegen import Generated, generate
from ..dependencies.plan import Plan, Step, build_plan
from ..exceptions import describe
from ..routing import APIWebSocketRoute
from ..tracing.entries import one_line
from ..tracing.trace import trace
from ._loading import add_application
from ._request import Request, add_request, request_of
from ._terminal import print_lines

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser, path=functools.partial(request_of, only="websocket"))
    add_request(parser)
    parser.add_argument("--source", action="store_true", help="print the generated code as well")
    parser.epilog = """\
exit code: 0, or 1 if no route of fastroute answers, or 2 if the application
could not be loaded

examples:
  python -m fastroute plan main:app /rooms/7
  python -m fastroute plan main:app wss://chat.example.org/rooms/7 --source"""


def run(arguments: argparse.Namespace) -> int:
    request: Request = arguments.path
    decisive = trace(arguments.app, request.scope).decisive
    if decisive is None or decisive.match is not Match.FULL:
        print(f"{request.title}\n  is answered by no route", file=sys.stderr)
        return 1
    route = decisive.entry.route
    if not isinstance(route, APIWebSocketRoute):
        found = one_line(decisive.entry, decisive.inside)
        print(f"{request.title}\n  is answered by {found}", file=sys.stderr)
        print("  only an APIWebSocketRoute of fastroute has a plan", file=sys.stderr)
        return 1
    plan = build_plan(route.dependant, route.param_convertors)
    print_lines([request.title, f"  is answered by WebSocket {route.path}", *_lines(plan)])
    if arguments.source:
        print("\n".join(["", *_source(generate(plan, living=route._terms_for(plan) is not None))]))
    return 0


def _lines(plan: Plan) -> Iterator[str]:
    for index, step in enumerate(plan.steps):
        yield f"{index:3}  {_kind(plan, step)} {describe(step.dependant.call)}"
        for field in step.fields:
            sent = " or ".join(field.keys) if field.model is None else "a model of its parameters"
            yield f"       {field.name}: {field.place} {sent}, {'required' if field.required else 'optional'}"
        for name, need in step.arguments:
            yield f"       {name}: the result of {need}"


def _source(generated: Generated) -> Iterator[str]:
    """The generated code, and a legend: the code itself holds numbers where a user has names and values."""
    yield generated.source
    yield "result_N is the result of step N, value_N_M its field number M; and the constants:"
    width = max(map(len, generated.constants))
    for name, value in generated.constants.items():
        yield f"  {name:{width}}  {_meaning(name, value)}"


def _meaning(name: str, value: Any) -> str:
    if name == "endpoint":
        return describe(value.call)
    if name.startswith("call_"):
        return describe(value)
    if name.startswith("validate_"):
        return f"pydantic's validation of {value.__self__.title}"
    return reprlib.repr(value)


def _kind(plan: Plan, step: Step) -> str:
    if step is plan.steps[-1]:
        return "endpoint"
    kind = step.dependant.kind
    return f"{kind.value} ({step.dependant.lifetime})" if kind.yields else kind.value
