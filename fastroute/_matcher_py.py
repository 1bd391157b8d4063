"""PathMatcher: one path template against one path (pure twin)."""

import re
from typing import Any

from starlette.convertors import Convertor
from starlette.routing import compile_path

__all__ = ["PathMatcher"]


class PathMatcher:
    def __init__(self, path: str) -> None:
        self.path = path
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)

    path_regex: re.Pattern[str]
    path_format: str
    param_convertors: dict[str, Convertor[Any]]

    def match(self, route_path: str) -> dict[str, Any] | None:
        found = self.path_regex.match(route_path)
        if found is None:
            return None
        return {key: self.param_convertors[key].convert(value) for key, value in found.groupdict().items()}
