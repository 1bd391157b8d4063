"""The answers and close codes that a client of a route may get, as far as its declaration tells: `x-responses`."""

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import Any

from starlette.exceptions import HTTPException

from ..connection.messages import MessageTypes
from ..connection.policy import ConnectionPolicy
from ..dependencies.dependant import Dependant
from ..dependencies.fields import ParamField

__all__ = ["responses"]


def responses(
    nodes: Sequence[Dependant], schemes: Sequence[Any], policy: ConnectionPolicy | None, types: Sequence[MessageTypes]
) -> dict[str, Any]:
    """By status of the handshake's answer, or by close code: a description, and the headers of the answer.

    Args:
        nodes: the endpoint and its dependencies.
        schemes: the security schemes among them.
        policy: of the route.
        types: of the `Messages` among the parameters.
    """
    found: dict[str, Any] = {}
    said = [
        *_of_schemes(schemes),
        *_of_parameters(nodes),
        *_of_policy(policy),
        *_of_deadlines(nodes),
        *_of_messages(types),
    ]
    for code, text, headers in said:
        response = found.setdefault(code, {"description": text})
        if text not in response["description"]:
            response["description"] += f"; {text}"
        if headers:
            response["headers"] = {**response.get("headers", {}), **headers}
    return dict(sorted(found.items(), key=lambda response: int(response[0])))


_Said = tuple[str, str, dict[str, str]]


def _of_schemes(schemes: Iterable[Any]) -> Iterator[_Said]:
    for scheme in schemes:
        if getattr(scheme, "auto_error", True):
            refusal = _refusal(scheme)
            if refusal is None:
                yield "401", "not authenticated", {}
            else:
                text = refusal.detail if isinstance(refusal.detail, str) else "not authenticated"
                yield str(refusal.status_code), text, dict(refusal.headers or {})


def _refusal(scheme: Any) -> HTTPException | None:
    try:
        error = scheme.make_not_authenticated_error()
    except Exception:  # one that only works in a connection
        return None
    return error if isinstance(error, HTTPException) else None


def _of_parameters(nodes: Iterable[Dependant]) -> Iterator[_Said]:
    if any(_can_be_wrong(field) for node in nodes for field in node.fields):
        yield (
            "403",
            "a parameter is missing or wrong (a close with 1008 before the accept, and its reason says which)",
            {},
        )


def _can_be_wrong(field: ParamField) -> bool:
    schema = field.adapter.core_schema
    plain = schema["type"] in ("str", "any") and not schema.keys() - {"type", "metadata"}
    return not plain or (field.required and field.place != "path")


def _of_policy(policy: ConnectionPolicy | None) -> Iterator[_Said]:
    if policy is None:
        return
    if policy.origin_lists:
        yield "403", "the page of the client has another origin (Origin not allowed)", {}
    if _is_set(policy.accept_timeout):
        yield "408", f"not accepted within {policy.accept_timeout:g} s", {}
    if _is_set(policy.idle_timeout):
        yield "1001", f"no message for {policy.idle_timeout:g} s", {}
    if _is_set(policy.max_lifetime):
        yield "1001", f"open for {policy.max_lifetime:g} s", {}


def _is_set(seconds: float | None) -> bool:
    return seconds is not None and isfinite(seconds)


def _of_deadlines(nodes: Iterable[Dependant]) -> Iterator[_Said]:
    if any(injection.needs_life for node in nodes for injection in node.injected.values()):
        yield "401", "session expired, before the accept", {}
        yield "1008", "session expired", {}


def _of_messages(types: Iterable[MessageTypes]) -> Iterator[_Said]:
    for each in types:
        if each.rules.on_invalid == "close":
            yield "1007", "an invalid message; the reason names the field", {}
        yield "1009", f"a message larger than {each.rules.max_size} bytes", {}
