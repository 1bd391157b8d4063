"""Chooses the twin of every kernel, once: all compiled or all pure, never a mixed pair."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

__all__ = [
    "IMPLEMENTATION",
    "KERNELS",
    "REASON",
    "PathMatcher",
    "RouteMatching",
    "RouteTable",
    "difference",
    "route_path",
]

KERNELS = ("matcher", "scope", "table")


def _import_error() -> ImportError | None:
    try:
        for kernel in KERNELS:
            found = Path(str(import_module(f"fastroute.matching.{kernel}_c").__file__))
            # An installation in place offers its modules to every other fastroute that lacks them.
            if found.parent != Path(__file__).parent:
                raise ImportError(f"{found} belongs to another installation")
    except ImportError as error:
        return error
    return None


def _is_set(variable: str) -> bool:
    value = os.environ.get(variable, "")
    if value not in ("", "0", "1"):
        raise ImportError(f"{variable} must be 1 or 0, not {value!r}")
    return value == "1"


def _reason_for_python() -> str | None:
    if _is_set("FASTROUTE_NO_EXTENSIONS"):
        return "FASTROUTE_NO_EXTENSIONS=1"
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name} is not CPython"
    error = _import_error()
    if error is None:
        return None
    here = Path(__file__).parent
    if not any(here.glob("*_c.pyx")):
        return f"the compiled kernels cannot be imported: {error}"
    # Only a source tree has sources of kernels: it is installed in place, or it is found because `python -m` looks in
    # the current folder first. That folder may have been deleted; then it has no path to compare.
    package = here.parent
    is_found_first = os.path.exists(package.name) and package.samefile(package.name) and not sys.flags.safe_path
    hint = "; python -P runs the installed package" if is_found_first else ""
    return f"the kernels of this source tree are not built{hint}: {error}"


def _choose() -> tuple[Literal["cython", "python"], str]:
    reason = _reason_for_python()
    if reason is None:
        return "cython", "the compiled kernels are installed"
    if _is_set("FASTROUTE_REQUIRE_EXTENSIONS"):
        raise ImportError(f"FASTROUTE_REQUIRE_EXTENSIONS=1, but fastroute would run pure Python: {reason}")
    return "python", reason


#: Which twin runs, and why.
IMPLEMENTATION, REASON = _choose()

if TYPE_CHECKING or IMPLEMENTATION == "python":
    from .matcher_py import PathMatcher
    from .scope_py import RouteMatching, route_path
    from .table_py import RouteTable, difference
else:
    from .matcher_c import PathMatcher
    from .scope_c import RouteMatching, route_path
    from .table_c import RouteTable, difference
