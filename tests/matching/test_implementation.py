import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

import fastroute
from fastroute.commands import info
from fastroute.matching import implementation as selector
from fastroute.matching.implementation import KERNELS

pytestmark = pytest.mark.install

PACKAGE = Path(fastroute.__file__).parent
SUFFIX = {"cython": "_c", "python": "_py"}


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("twin", SUFFIX)
def test_the_twin_is_built(twin: str) -> None:
    """Shows in the summary if the suite has run with one twin only."""
    for kernel in KERNELS:
        try:
            import_module(f"fastroute.matching.{kernel}{SUFFIX[twin]}")
        except ImportError as error:
            pytest.skip(f"no test has run with the {twin} kernels, which are not built: {error}")


@pytest.mark.slow
@pytest.mark.twins
def test_a_fresh_interpreter_runs_the_twin_it_is_told_to(implementation: str) -> None:
    fresh = python("import fastroute; print(fastroute.IMPLEMENTATION)")
    assert fresh.stdout == f"{implementation}\n", fresh.stderr


@pytest.mark.twins
def test_every_kernel_name_comes_from_the_selected_twin(implementation: str) -> None:
    twins = [import_module(f"fastroute.matching.{kernel}{SUFFIX[implementation]}") for kernel in KERNELS]
    for name in {*selector.__all__} - {"IMPLEMENTATION", "KERNELS", "REASON"}:
        [twin] = [twin for twin in twins if name in vars(twin)]
        assert getattr(selector, name) is getattr(twin, name)


@pytest.mark.twins
def test_both_twins_are_on_disk_for_every_kernel_and_for_nothing_else(implementation: str) -> None:
    on_disk = {path.name.partition(".")[0] for path in (PACKAGE / "matching").iterdir()}
    assert {name for name in on_disk if name.endswith(SUFFIX[implementation])} == {
        f"{kernel}{SUFFIX[implementation]}" for kernel in KERNELS
    }


def test_no_extensions_selects_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "1")
    monkeypatch.setenv("FASTROUTE_REQUIRE_EXTENSIONS", "0")
    assert selector._choose() == ("python", "FASTROUTE_NO_EXTENSIONS=1")


def test_another_python_selects_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "0")
    monkeypatch.setenv("FASTROUTE_REQUIRE_EXTENSIONS", "0")
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert selector._choose() == ("python", "pypy is not CPython")


@pytest.mark.slow
@pytest.mark.parametrize("missing", KERNELS)
def test_one_missing_kernel_selects_python_for_all(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "0")
    monkeypatch.setenv("FASTROUTE_REQUIRE_EXTENSIONS", "0")
    fresh = python(
        f"import sys; sys.modules['fastroute.matching.{missing}_c'] = None\n"
        "from fastroute.matching import implementation as chosen\n"
        "print(chosen.IMPLEMENTATION, chosen.REASON)\n"
        "for name in {*chosen.__all__} - {'IMPLEMENTATION', 'KERNELS', 'REASON'}:\n"
        "    assert getattr(chosen, name).__module__.endswith('_py'), name\n"
    )
    assert fresh.returncode == 0, fresh.stderr
    assert fresh.stdout.startswith("python ")


@pytest.mark.slow
@pytest.mark.parametrize("missing", KERNELS)
def test_require_extensions_refuses_to_run_without_one(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "0")
    monkeypatch.setenv("FASTROUTE_REQUIRE_EXTENSIONS", "1")
    fresh = python(f"import sys; sys.modules['fastroute.matching.{missing}_c'] = None; import fastroute")
    assert fresh.returncode == 1
    assert "ImportError: FASTROUTE_REQUIRE_EXTENSIONS=1, but fastroute would run pure Python: " in fresh.stderr


def test_require_and_no_extensions_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "1")
    monkeypatch.setenv("FASTROUTE_REQUIRE_EXTENSIONS", "1")
    with pytest.raises(ImportError, match="pure Python: FASTROUTE_NO_EXTENSIONS=1"):
        selector._choose()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is nothing to build elsewhere")
def test_a_source_tree_that_is_not_built_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "0")
    monkeypatch.setattr(selector, "KERNELS", ["absent"])
    monkeypatch.setattr(selector, "__file__", str(tmp_path / "selector.py"))
    assert str(selector._reason_for_python()).startswith("the compiled kernels cannot be imported: ")
    (tmp_path / "_absent_c.pyx").touch()
    monkeypatch.setattr(os, "getcwd", Mock(side_effect=FileNotFoundError("the current folder was deleted")))
    assert str(selector._reason_for_python()).startswith("the kernels of this source tree are not built: ")


@pytest.mark.slow
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is nothing to build elsewhere")
def test_a_source_tree_that_is_found_first_says_how_to_pass_it_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "0")
    monkeypatch.setenv("FASTROUTE_REQUIRE_EXTENSIONS", "0")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    shutil.copytree(PACKAGE, tmp_path / "fastroute", ignore=shutil.ignore_patterns("*_c.*", "__pycache__"))
    (tmp_path / "fastroute" / "matching" / "matcher_c.pyx").touch()
    program = "import fastroute.matching.implementation as chosen; print(chosen.REASON)"
    found = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert found.stdout.startswith(
        "the kernels of this source tree are not built; python -P runs the installed package: "
    )


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is nothing to build elsewhere")
@pytest.mark.parametrize("safe_path", [False, True])
@pytest.mark.parametrize("folder", ["", "elsewhere"])
def test_only_a_source_tree_in_the_current_folder_is_found_first(
    folder: str, safe_path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only by a Python that looks there: `python -P` does not."""
    for root in (tmp_path, tmp_path / "elsewhere"):
        (root / "fastroute" / "matching").mkdir(parents=True)
    here = tmp_path / folder / "fastroute" / "matching"
    (here / "matcher_c.pyx").touch()
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "0")
    monkeypatch.setattr(selector, "__file__", str(here / "implementation.py"))
    monkeypatch.setattr(selector, "import_module", Mock(side_effect=ImportError("absent")))
    monkeypatch.setattr(sys, "flags", SimpleNamespace(safe_path=safe_path))
    monkeypatch.chdir(tmp_path)
    is_found_first = not folder and not safe_path
    hint = "; python -P runs the installed package" if is_found_first else ""
    assert selector._reason_for_python() == f"the kernels of this source tree are not built{hint}: absent"


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is nothing to build elsewhere")
def test_compiled_kernels_are_chosen_if_all_of_them_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "0")
    monkeypatch.setenv("FASTROUTE_REQUIRE_EXTENSIONS", "1")
    here = Path(selector.__file__).parent
    there = {
        f"fastroute.matching.{kernel}_c": SimpleNamespace(__file__=str(here / f"{kernel}_c.so")) for kernel in KERNELS
    }

    def found(name: str) -> SimpleNamespace:
        if name not in there:
            raise ImportError(name)
        return there[name]

    monkeypatch.setattr(selector, "import_module", found)
    assert selector._choose() == ("cython", "the compiled kernels are installed")
    for kernel in KERNELS:
        with monkeypatch.context() as without:
            without.delitem(there, f"fastroute.matching.{kernel}_c")
            with pytest.raises(ImportError, match=f"would run pure Python: .*: fastroute.matching.{kernel}_c"):
                selector._choose()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is nothing to build elsewhere")
def test_kernels_of_another_installation_are_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTROUTE_NO_EXTENSIONS", "0")
    other = SimpleNamespace(__file__=str(tmp_path / "scope_c.so"))
    monkeypatch.setattr(selector, "import_module", lambda name: other)
    assert str(selector._reason_for_python()).endswith("scope_c.so belongs to another installation")


@pytest.mark.parametrize("variable", ["FASTROUTE_NO_EXTENSIONS", "FASTROUTE_REQUIRE_EXTENSIONS"])
def test_a_variable_is_one_or_zero(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "true")
    with pytest.raises(ImportError, match=f"{variable} must be 1 or 0, not 'true'"):
        selector._is_set(variable)
    monkeypatch.setenv(variable, "")
    assert not selector._is_set(variable)


def test_a_kernel_that_has_changed_since_it_was_built_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extension, source = tmp_path / "scope_c.cpython.so", tmp_path / "scope_c.pyx"
    monkeypatch.setitem(sys.modules, "fastroute.matching.scope_c", SimpleNamespace(__file__=str(extension)))
    extension.touch()
    assert info.changed_since_built() == []
    source.touch()
    os.utime(extension, (0, 0))
    assert info.changed_since_built() == [source]
    assert "scope_c.pyx has changed since: build again" in info.facts()["implementation"]
    os.utime(source, (0, 0))
    assert info.changed_since_built() == []
