"""The value of one field, by Starlette's properties, and validated: for the interpreter, and for rarer fields."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import Headers, ImmutableMultiDict
from starlette.websockets import WebSocket

from .._starlette import cookies_of
from ..params import Place
from .fields import ParamField

__all__ = ["InvalidError", "located", "missing", "read_field"]

_ABSENT: Any = object()


class InvalidError(Exception):
    """One parameter is missing or wrong."""

    def __init__(self, errors: list[Any]) -> None:
        self.errors = errors


def read_field(field: ParamField, websocket: WebSocket) -> Any:
    """The value of a field.

    Raises:
        InvalidError: the value is missing or wrong.
    """
    values = _values_at(field.place, websocket)
    if field.model is not None:
        return _read_model(field, values)
    key = next((key for key in field.keys if key in values), field.keys[0])
    return _validate(field, _value(values, key, field.sequence), (field.place, key))


def _values_at(place: Place, websocket: WebSocket) -> Mapping[str, Any]:
    if place == "path":
        return websocket.path_params
    if place == "query":
        return websocket.query_params
    if place == "header":
        return websocket.headers
    return cookies_of(websocket)


def _value(values: Mapping[str, Any], key: str, sequence: bool) -> Any:
    if sequence and isinstance(values, (ImmutableMultiDict, Headers)):
        return values.getlist(key) or _ABSENT
    value = values.get(key)
    if value is None or (sequence and len(value) == 0):
        return _ABSENT
    return value


def _validate(field: ParamField, value: Any, loc: tuple[Any, ...]) -> Any:
    if value is _ABSENT:
        if field.required:
            raise InvalidError([missing(loc)])
        value = field.default if field.default_factory is None else field.default_factory()
        if not field.validate_default:
            return value
    try:
        return field.adapter.validate_python(value, from_attributes=True)
    except ValidationError as error:
        raise InvalidError(located(error, loc)) from None


def missing(loc: tuple[Any, ...]) -> dict[str, Any]:
    """The error of a required parameter that was not sent."""
    return {"type": "missing", "loc": loc, "msg": "Field required", "input": None}


def located(error: ValidationError, loc: tuple[Any, ...]) -> list[Any]:
    """pydantic's errors, with the place they come from."""
    errors = error.errors(include_url=False)
    for found in errors:  # they are nobody else's, and a client can cause very many
        found["loc"] = loc + found["loc"]
    return errors


def _read_model(field: ParamField, values: Mapping[str, Any]) -> Any:
    """Fill a pydantic model: its own fields by their keys, then every other key that was sent."""
    model = field.model
    assert model is not None
    headers = isinstance(values, Headers)
    content: dict[str, Any] = {}
    read_keys: set[str] = set()
    sent = False
    renamed: dict[str, str] = {}
    for key in model.keys:
        sent = sent or any(request_key in values for _, request_key in key.aliases)
        alias, request_key = next((pair for pair in key.aliases if pair[1] in values), key.aliases[0])
        value = _value(values, request_key, key.sequence)
        if value is not _ABSENT:
            content[alias] = value
        if not headers:
            read_keys.add(request_key)
            continue
        read_keys.add(request_key.lower())
        # The field's own name is not accepted as an extra header if the header is called otherwise.
        read_keys.update(validated.lower() for validated, asked in key.aliases if validated != asked)
        if alias != request_key:
            renamed[key.name] = request_key
    content.update(_others(values, read_keys))
    absent = model.optional and not sent and not (model.extras and content)
    try:
        return _validate(field, _ABSENT if absent else content, (field.place,))
    except InvalidError as invalid:
        if model.loc_by_alias:
            _name_headers(invalid.errors, renamed)
        raise


def _name_headers(errors: list[Any], renamed: dict[str, str]) -> None:
    """Let errors name the header that was sent and not the field it fills."""
    for error in errors:
        place, *rest = error["loc"]
        if rest and rest[0] in renamed:
            error["loc"] = (place, renamed[rest[0]], *rest[1:])


def _others(values: Mapping[str, Any], read_keys: set[str]) -> dict[str, Any]:
    pairs = values.multi_items() if isinstance(values, ImmutableMultiDict) else values.items()
    others: dict[str, list[Any]] = {}
    for key, value in pairs:
        if key not in read_keys:
            others.setdefault(key, []).append(value)
    return {key: found[0] if len(found) == 1 else found for key, found in others.items()}
