"""Why a handshake would be refused: asks the policy, the security schemes and the parameters of a WebSocket route.

Dependencies of the user do not run, so nothing is said about handshakes that these would refuse.
"""

from typing import Any, NamedTuple, NoReturn

from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket

from .. import _fastapi
from .._starlette import header_pairs
from ..connection.origins import origin_headers, passes, sent_origin
from ..connection.outgoing import errors_as_text
from ..dependencies.plan import Step, build_plan
from ..dependencies.values import InvalidError, read_field
from ..exceptions import DeclarationError
from ..routing import APIWebSocketRoute
from ..tracing.entries import location
from ..tracing.trace import Scope

__all__ = ["Verdict", "judge"]


class Verdict(NamedTuple):
    """What is known of a handshake.

    Attributes:
        refusals: the reasons to refuse it; the first one is the answer that the client gets.
        not_asked: the dependencies that may refuse it as well, but are code of the user.
        unknown: why the parameters and schemes could not be asked; None if they were.
    """

    refusals: list[str]
    not_asked: list[str]
    unknown: str | None = None


def judge(route: Any, scope: Scope) -> Verdict:
    """Ask a WebSocket route, without calling it.

    Args:
        route: the route that answers; one of FastAPI is asked as if it were ours.
        scope: of the connection, with what the route and those around it added.
    """
    try:
        ours = _fastapi.socket_as(APIWebSocketRoute, route)
    except DeclarationError as error:
        return Verdict([], [], str(error))
    if not isinstance(ours, APIWebSocketRoute):
        return Verdict(
            [], [], f"a {type(route).__name__} does not declare its parameters, as an APIWebSocketRoute does"
        )
    websocket = WebSocket(dict(scope), _unreachable, _unreachable)
    by_policy, by_scheme, by_parameter, not_asked = _origins(ours, scope), [], [], []
    overrides = getattr(ours.dependency_overrides_provider, "dependency_overrides", None)
    *dependencies, endpoint = build_plan(ours.dependant, ours.param_convertors, overrides).steps
    for step in dependencies:
        by_parameter += _parameters(step, websocket)
        if _is_known_scheme(step.dependant.call):
            by_scheme += _scheme(step.dependant.call, websocket)
        else:
            not_asked.append(location(step.dependant.call))
    by_parameter += _parameters(endpoint, websocket)
    # A scheme refuses at once; the errors of parameters are collected.
    return Verdict([*by_policy, *by_scheme, *by_parameter], not_asked)


def _origins(route: APIWebSocketRoute, scope: Scope) -> list[str]:
    origin = sent_origin(header_pairs(scope))
    if route.policy is None or origin is None or passes(route.policy.origin_lists, origin):
        return []
    found = ", ".join(origin_headers(scope["headers"]))
    return [f"its policy: the origin {found!r} is not among its origins (403)"]


def _parameters(step: Step, websocket: WebSocket) -> list[str]:
    found = []
    for field in step.fields:
        try:
            read_field(field, websocket)
        except InvalidError as invalid:
            found.append(f"a parameter of {location(step.dependant.call)}: {errors_as_text(invalid.errors)}")
        except Exception as error:
            raised = f"raises {type(error).__name__}: {error}"
            found.append(f"a parameter of {location(step.dependant.call)}: the validation of {field.name!r} {raised}")
    return found


def _is_known_scheme(call: Any) -> bool:
    """Whether it is a scheme as one of the frameworks ships it; a class derived from one is code of the user."""
    package = type(call).__module__.partition(".")[0]
    return _fastapi.is_security_scheme(call) and package in ("fastapi", "fastroute")


def _scheme(scheme: Any, websocket: WebSocket) -> list[str]:
    try:
        scheme(websocket).send(None)  # it awaits nothing
    except StopIteration:
        return []
    except HTTPException as refusal:
        return [f"{type(scheme).__name__}: {refusal.detail} ({refusal.status_code})"]
    except Exception as error:
        return [f"{type(scheme).__name__}: raises {type(error).__name__}: {error}"]
    raise AssertionError(f"{scheme!r} of a framework awaits something")


async def _unreachable(*arguments: Any) -> NoReturn:
    raise AssertionError("nobody is connected")
