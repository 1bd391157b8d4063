"""Chooses the twin of every kernel, once: all compiled or all pure, never a mixed pair."""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Literal

__all__ = ["IMPLEMENTATION", "KERNELS", "REASON", "PathMatcher", "child_scope", "route_path"]

#: The kernels and the names each of its twins exports.
KERNELS = {
    "matcher": ("PathMatcher",),
    "scope": ("route_path", "child_scope"),
}


def _choose() -> tuple[Literal["cython", "python"], str]:
    required = os.environ.get("FASTROUTE_REQUIRE_EXTENSIONS") == "1"
    if os.environ.get("FASTROUTE_NO_EXTENSIONS") == "1":
        reason = "FASTROUTE_NO_EXTENSIONS=1"
    elif sys.implementation.name != "cpython":
        reason = f"{sys.implementation.name} is not CPython"
    else:
        try:
            for kernel in KERNELS:
                import_module(f"fastroute._{kernel}_c")
        except ImportError as error:
            reason = f"the compiled kernels cannot be imported: {error}"
        else:
            return "cython", "the compiled kernels are installed"
    if required:
        raise ImportError(f"FASTROUTE_REQUIRE_EXTENSIONS=1, but fastroute would run pure Python: {reason}")
    return "python", reason


IMPLEMENTATION, REASON = _choose()

if TYPE_CHECKING or IMPLEMENTATION == "python":
    from ._matcher_py import PathMatcher
    from ._scope_py import child_scope, route_path
else:
    from ._matcher_c import PathMatcher
    from ._scope_c import child_scope, route_path
