"""What is built, from what, and what happens on a machine that cannot compile."""

import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest

import fastroute

pytestmark = [pytest.mark.slow, pytest.mark.install]

ROOT = Path(__file__).parents[2]
compiled = pytest.mark.skipif(
    fastroute.IMPLEMENTATION != "cython", reason="runs pure Python: nothing here tells whether there is a compiler"
)


def files(folder: Path, *patterns: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for pattern in patterns for path in folder.glob(pattern)}


SOURCES = files(
    ROOT,
    *("setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE", "noxfile.py", "zensical.toml"),
    *("action.yml", ".pre-commit-hooks.yaml"),
    *("README.md", "CHANGES.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md", "docs/**/*.svg", "docs/**/*.txt"),
    *(
        "fastroute/**/*.py",
        "fastroute/**/*.pyx",
        "fastroute/**/*.pxd",
        "fastroute/py.typed",
        "fastroute/commands/*.html",
    ),
    *("tests/**/*.py", "tests/**/*.md", "bench/**/*.py", "bench/**/*.txt"),
    *("examples/*.py", "examples/*.html", "examples/nginx.conf", "fuzz/**/*.py", "fuzz/corpus/*/*"),
)
MODULES = files(ROOT, "fastroute/**/*.py", "fastroute/py.typed", "fastroute/commands/demo.html")
KERNELS = {path.removesuffix(".pyx") for path in files(ROOT, "fastroute/matching/*_c.pyx")}

#: What is an error, and no longer a warning, since GCC 14 and Clang 16.
NEWER_COMPILERS = "-Werror=incompatible-pointer-types -Werror=int-conversion -Werror=implicit-function-declaration"

DIRECTIVES = "# cython: language_level=3, freethreading_compatible=True\n"


class Tree:
    """A folder with the sources, to build in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("FASTROUTE_")}
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=clean | variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )

    def build(self, hook: str, target: Path, **variables: str) -> tuple[Path, str]:
        """Calls a hook of the build backend, as pip and build do; returns what it built, and its output."""
        program = f"from setuptools import build_meta; print(build_meta.{hook}({str(target)!r}))"
        target.mkdir(exist_ok=True)
        done = self.run("-c", program, **variables)
        assert done.returncode == 0, done.stdout
        return target / done.stdout.split()[-1], done.stdout


def copied(folder: Path) -> Tree:
    for name in SOURCES:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return Tree(folder)


def unpacked(archive: Path, target: Path) -> Tree:
    with tarfile.open(archive) as sdist:
        sdist.extractall(target, filter="data")
    return Tree(target / archive.name.removesuffix(".tar.gz"))


def names(wheel: Path) -> set[str]:
    """The files of a wheel, without its metadata; an extension without the tag of its platform."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    return {name.partition(".")[0] if name.endswith((".so", ".pyd")) else name for name in inside}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return copied(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def from_sdist(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """What somebody has who only has the sdist."""
    sdist, _ = tree.build("build_sdist", tmp_path_factory.mktemp("sdist"))
    return unpacked(sdist, tmp_path_factory.mktemp("unpacked"))


def test_the_tests_run_what_is_installed() -> None:
    """Not a checkout that happens to be in the current folder."""
    installed = distribution("fastroute")
    editable = '"editable": true' in (installed.read_text("direct_url.json") or "")
    here = Path(fastroute.__file__)
    assert editable or here == Path(str(installed.locate_file("fastroute/__init__.py"))), here


def test_sdist_holds_every_source_and_nothing_generated(from_sdist: Tree) -> None:
    inside = {path.relative_to(from_sdist.folder).as_posix() for path in from_sdist.folder.rglob("*") if path.is_file()}
    metadata = {name for name in inside if name == "PKG-INFO" or name == "setup.cfg" or ".egg-info/" in name}
    assert inside - metadata == SOURCES


@compiled
def test_wheel_from_the_sdist_holds_modules_and_kernels_only(from_sdist: Tree, tmp_path: Path) -> None:
    wheel, _ = from_sdist.build("build_wheel", tmp_path, FASTROUTE_REQUIRE_EXTENSIONS="1", CFLAGS=NEWER_COMPILERS)
    assert names(wheel) == MODULES | KERNELS
    assert not wheel.name.endswith("-none-any.whl")


def test_pure_wheel_from_the_sdist_installs_anywhere(from_sdist: Tree, tmp_path: Path) -> None:
    wheel, _ = from_sdist.build("build_wheel", tmp_path, FASTROUTE_NO_EXTENSIONS="1")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert names(wheel) == MODULES


def test_building_leaves_nothing_in_the_sources(from_sdist: Tree, tree: Tree) -> None:
    """No build folder that would hand the modules of one mode to the wheel of another."""
    after = {path.relative_to(tree.folder).as_posix() for path in tree.folder.rglob("*") if path.is_file()}
    assert after == SOURCES
    assert not [*from_sdist.folder.rglob("*.c"), *from_sdist.folder.rglob("build")]


def test_nothing_is_required_beyond_starlette_and_pydantic(tree: Tree, tmp_path: Path) -> None:
    with zipfile.ZipFile(tree.build("build_wheel", tmp_path, FASTROUTE_NO_EXTENSIONS="1")[0]) as wheel:
        wheel.extractall(tmp_path)
    requires = PathDistribution(next(tmp_path.glob("*.dist-info"))).requires or []
    plain = {line.partition(">")[0] for line in requires if "extra ==" not in line}
    assert plain == {"starlette", "pydantic"}


def test_require_and_no_extensions_exclude_each_other(tree: Tree) -> None:
    done = tree.run("setup.py", "--version", FASTROUTE_NO_EXTENSIONS="1", FASTROUTE_REQUIRE_EXTENSIONS="1")
    assert done.returncode != 0
    assert "FASTROUTE_REQUIRE_EXTENSIONS=1 needs CPython without FASTROUTE_NO_EXTENSIONS=1" in done.stdout


# A machine that cannot compile: CC is a program that always fails, or does so for some of what it is given.

needs_cython = pytest.mark.skipif(
    sys.implementation.name != "cpython" or os.name == "nt", reason="CC is what chooses the compiler elsewhere"
)


@pytest.fixture
def small(tmp_path: Path) -> Tree:
    """The sources with one kernel that is translated in no time."""
    tree = copied(tmp_path / "small")
    for source in tree.folder.glob("fastroute/**/*.pyx"):
        source.unlink()
    tree.folder.joinpath("fastroute", "matching", "answer_c.pyx").write_text(f"{DIRECTIVES}VALUE = 1\n")
    return tree


#: What a compiler does, in Python, before it writes its output, and what is missing then.
LACKING = {
    "everything": ("sys.exit('no license')", "working C compiler and linker"),
    "output": ("sys.exit()", "working C compiler and linker"),
    "linker": ("if '-shared' in sys.argv: sys.exit('no ld')", "working C compiler and linker"),
    "C library": ("if '#include' in source: sys.exit('no such file: stdlib.h')", "usable stdlib.h"),
    "headers": ("if 'Python.h' in source: sys.exit('no such file: Python.h')", "usable Python.h"),
}


@pytest.fixture
def compiler(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Lacks what its parameter says."""
    program = tmp_path / "cc"
    program.write_text(
        textwrap.dedent(f"""\
        #!{sys.executable}
        import pathlib, sys
        source = "".join(pathlib.Path(word).read_text() for word in sys.argv if word.endswith(".c"))
        {LACKING[request.param][0]}
        pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).touch()
        """)
    )
    program.chmod(0o755)
    return str(program)


@needs_cython
@pytest.mark.parametrize(
    ("compiler", "missing"), [(name, missing) for name, (_, missing) in LACKING.items()], indirect=["compiler"]
)
def test_without_a_toolchain_the_build_is_pure_and_says_so_once(
    small: Tree, tmp_path: Path, compiler: str, missing: str
) -> None:
    wheel, output = small.build("build_wheel", tmp_path / "wheel", CC=compiler)
    assert names(wheel) == MODULES
    assert output.count(f"fastroute is built without its compiled kernels, as there is no {missing}") == 1


@needs_cython
def test_a_fallback_is_not_mistaken_for_the_pure_wheel(small: Tree, tmp_path: Path) -> None:
    wheel, _ = small.build("build_wheel", tmp_path, CC="false")
    assert not wheel.name.endswith("-none-any.whl")


@needs_cython
@pytest.mark.parametrize(
    ("compiler", "missing"), [(name, missing) for name, (_, missing) in LACKING.items()], indirect=["compiler"]
)
def test_required_extensions_fail_and_name_what_is_missing(small: Tree, compiler: str, missing: str) -> None:
    done = small.run("setup.py", "build_ext", CC=compiler, FASTROUTE_REQUIRE_EXTENSIONS="1")
    assert done.returncode != 0
    assert f"FASTROUTE_REQUIRE_EXTENSIONS=1, but there is no {missing}" in done.stdout


@needs_cython
@pytest.mark.parametrize("command", ["cc", "false"])
def test_an_error_in_a_kernel_fails_with_and_without_a_compiler(small: Tree, command: str) -> None:
    small.folder.joinpath("fastroute", "matching", "answer_c.pyx").write_text("cdef int number = undeclared\n")
    done = small.run("setup.py", "build_ext", CC=command)
    assert done.returncode != 0
    assert "undeclared name not builtin: undeclared" in done.stdout


# Where kernels are, and where they were before the package had folders.
@pytest.mark.parametrize("kernel", ["matching/answer_c", "_answer_c"])
@pytest.mark.parametrize("mode", [{"FASTROUTE_NO_EXTENSIONS": "1"}, {"CC": "false"}], ids=["told", "no compiler"])
def test_a_pure_install_in_place_leaves_no_older_extension_in_use(
    small: Tree, tmp_path: Path, mode: dict[str, str], kernel: str
) -> None:
    left = small.folder / "fastroute" / f"{kernel}{EXTENSION_SUFFIXES[0]}"
    left.touch()
    small.build("build_editable", tmp_path / "wheel", **mode)
    assert not left.exists()
    left.touch()
    assert small.run("setup.py", "build_ext", "--inplace", **mode).returncode == 0
    assert not left.exists()


@needs_cython
@compiled
def test_building_in_place_takes_up_a_change(small: Tree) -> None:
    program = "import sys; sys.path.insert(0, 'fastroute/matching'); import answer_c; print(answer_c.VALUE)"
    for value in ("1", "2"):
        small.folder.joinpath("fastroute", "matching", "answer_c.pyx").write_text(f"{DIRECTIVES}VALUE = {value}\n")
        built = small.run("setup.py", "build_ext", "--inplace")
        assert built.returncode == 0, built.stdout
        [extension] = small.folder.glob(f"fastroute/matching/answer_c{EXTENSION_SUFFIXES[0]}")
        os.utime(extension, (time.time() + 3600,) * 2)  # a clock that went wrong, an archive that was unpacked
        assert small.run("-c", program).stdout == f"{value}\n"


@needs_cython
@compiled
def test_the_same_sources_make_the_same_wheel(small: Tree, tmp_path: Path) -> None:
    elsewhere = Tree(Path(shutil.copytree(small.folder, tmp_path / "elsewhere")))
    first, second = (
        tree.build("build_wheel", tree.folder / "wheel", SOURCE_DATE_EPOCH="1700000000")[0].read_bytes()
        for tree in (small, elsewhere)
    )
    assert first == second


@pytest.mark.parametrize("variable", ["FASTROUTE_NO_EXTENSIONS", "FASTROUTE_REQUIRE_EXTENSIONS"])
def test_a_variable_is_one_or_zero(small: Tree, variable: str) -> None:
    done = small.run("setup.py", "--version", **{variable: "true"})
    assert done.returncode != 0
    assert f"{variable} must be 1 or 0, not 'true'" in done.stdout
