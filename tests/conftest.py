"""Runs the whole suite once per twin: a fixture swaps every kernel name wherever the package uses it."""

import os
import sys
from importlib import import_module

import pytest

import fastroute
from fastroute import _implementation

TWINS = {"cython": "_c", "python": "_py"}


def _twin_error(twin: str) -> ImportError | None:
    try:
        for kernel in _implementation.KERNELS:
            import_module(f"fastroute._{kernel}{TWINS[twin]}")
    except ImportError as error:
        return error
    return None


def pytest_report_header() -> str:
    return f"fastroute {fastroute.__version__}: {fastroute.IMPLEMENTATION} ({_implementation.REASON})"


@pytest.fixture(params=list(TWINS), autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The twin under test: `cython` or `python`."""
    twin: str = request.param
    error = _twin_error(twin)
    if error is not None:
        if os.environ.get("FASTROUTE_REQUIRE_EXTENSIONS") == "1":
            pytest.fail(f"FASTROUTE_REQUIRE_EXTENSIONS=1, but a kernel is missing: {error}")
        pytest.skip(f"the {twin} kernels are not built: {error}")
    monkeypatch.setattr(_implementation, "IMPLEMENTATION", twin)
    monkeypatch.setattr(fastroute, "IMPLEMENTATION", twin)
    users = [module for name, module in sys.modules.items() if name.partition(".")[0] == "fastroute"]
    for kernel, names in _implementation.KERNELS.items():
        own = import_module(f"fastroute._{kernel}{TWINS[twin]}")
        for module in users:
            if module.__name__.endswith(("_c", "_py")):
                continue
            for name in names:
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, getattr(own, name))
    return twin
