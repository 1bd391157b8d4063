"""Runs a test that depends on a kernel once per built twin: a fixture swaps every kernel name wherever it is used."""

import gc
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest
from engines import ENGINES
from hypothesis import HealthCheck, settings

import fastroute
from fastroute import routing
from fastroute.commands import info
from fastroute.indexing import index
from fastroute.matching import implementation as selector

pytest.register_assert_rewrite("oracle")

TWINS = {"cython": "_c", "python": "_py"}

# No profile watches the clock: the machine may be busy. All but "long" draw the same examples in every run.
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", settings.get_profile("ci"), derandomize=False, max_examples=5_000)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)
settings.load_profile(os.environ.get("FASTROUTE_HYPOTHESIS_PROFILE", "ci"))


def _kernels(twin: str) -> dict[str, ModuleType]:
    return {name: import_module(f"fastroute.matching.{name}{TWINS[twin]}") for name in selector.KERNELS}


def _built() -> dict[str, dict[str, ModuleType]]:
    # FASTROUTE_REQUIRE_EXTENSIONS=1 has made the import of fastroute fail already where they are missing.
    try:
        return {twin: _kernels(twin) for twin in TWINS}
    except ImportError:
        return {"python": _kernels("python")}


BUILT = _built()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=list(ENGINES), default="generated", help="what routes run (%(default)s)")


def pytest_configure(config: pytest.Config) -> None:
    # Not by a fixture: modules of tests make routes when they are imported.
    routing.compile_plan = ENGINES[config.getoption("engine")]
    config.addinivalue_line("markers", "twins: depends on a kernel, so it runs once with each twin that is built")
    config.addinivalue_line(
        "markers", "slow: starts a server or another Python, builds, waits for timeouts, or generates for long"
    )
    config.addinivalue_line("markers", "install: depends on how fastroute is installed, compiled or pure")
    config.addinivalue_line("markers", "generated: about the generated code, which the interpreter does not have")
    if changed := info.changed_since_built():
        names = ", ".join(map(str, changed))
        raise pytest.UsageError(f"changed since they were built in place: {names}; build again (pip install -e .)")


def pytest_report_header(config: pytest.Config) -> list[str]:
    facts = [f"{label}: {text}" for label, text in info.facts().items()]
    return [*facts, f"tests marked `twins` run with: {', '.join(BUILT)}", f"routes run: {config.getoption('engine')}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("engine") != "generated":
        about_code = [item for item in items if item.get_closest_marker("generated")]
        config.hook.pytest_deselected(items=about_code)
        items[:] = [item for item in items if item not in about_code]


def pytest_collection_finish() -> None:
    # Frameworks and tests stay until the end. A collection of garbage that looks at them takes half a second.
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.collect()
        gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("twins"):
        metafunc.parametrize("implementation", list(BUILT), indirect=True)


@pytest.fixture(autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The twin under test, `cython` or `python`, here and in every Python that the test starts."""
    twin: str = getattr(request, "param", fastroute.IMPLEMENTATION)
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "1" if twin == "python" else "0")
    monkeypatch.setenv("FASTROUTE_REQUIRE_EXTENSIONS", "1" if twin == "cython" else "0")
    if twin != fastroute.IMPLEMENTATION:
        _swap(twin, monkeypatch)
    return twin


def _swap(twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selector, "IMPLEMENTATION", twin)
    monkeypatch.setattr(fastroute, "IMPLEMENTATION", twin)
    # The route has its `matches` from a class of the kernel, and the index knows it by that function.
    monkeypatch.setattr(routing.APIWebSocketRoute, "matches", BUILT[twin]["scope"].RouteMatching.matches)
    monkeypatch.setitem(index._MATCHES, routing.APIWebSocketRoute, routing.APIWebSocketRoute.matches)
    for kernel in BUILT[twin].values():
        for name in filter(kernel.__dict__.__contains__, selector.__all__):
            for module in _users():
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, getattr(kernel, name))


def _users() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "fastroute" and not name.endswith(("_c", "_py")):
            yield module
