"""The matrix, on the installed wheel of the sdist: `nox`. A Python that is not here is skipped with a message.

The loop of a contributor: `nox -s quick`, `nox -s lint`, `nox -s interpreter`. `-R` reuses what they installed.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests"]

MATRIX = [
    *((python, mode) for python in ("3.11", "3.12", "3.13", "3.14", "3.14t", "3.15") for mode in ("compiled", "pure")),
    # The oldest pydantic knows no newer Python.
    *((python, "oldest") for python in ("3.11", "3.12", "3.13")),
    ("pypy3.11", "pure"),
]
COMPILED = {"FASTROUTE_REQUIRE_EXTENSIONS": "1"}
PURE = {"FASTROUTE_NO_EXTENSIONS": "1"}

if shutil.which("pyenv"):
    # Its shims run only the versions that are switched on: switch on all of them.
    versions = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=True).stdout
    os.environ["PYENV_VERSION"] = ":".join(reversed(versions.split()))


def oldest() -> list[str]:
    """The floors of the run-time dependencies, pinned."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    return [requirement.replace(">=", "==") for requirement in project["dependencies"]]


def unpacked_sdist(session: nox.Session) -> Path:
    """The sources as somebody has them who has no checkout."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)
    session.install("build")
    session.run("python", "-m", "build", "--sdist", "--outdir", str(folder), silent=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@nox.session
@nox.parametrize("python,mode", MATRIX)
def tests(session: nox.Session, mode: str) -> None:
    """The suite, on the wheel that is built from the sdist; `oldest` has the floors of the dependencies."""
    session.env.update(PURE if mode == "pure" else COMPILED)
    tree = unpacked_sdist(session)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(tree.parent), str(tree), silent=True)
    [wheel] = tree.parent.glob("*.whl")
    session.install(f"{wheel}[test]", *(oldest() if mode == "oldest" else []))
    session.chdir(tree)
    session.run("fastroute", "info")
    session.run("pytest", *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """The tests that start no server, build nothing and do not generate for long, installed pure: half a minute.

    On asyncio, with our own markers, and with a fifth of the generated examples. `.ci/run` has all of them, trio as
    well, and FastAPI's markers on our route (`moved`).
    """
    session.env.update(PURE | {"FASTROUTE_HYPOTHESIS_PROFILE": "quick"})
    session.install(".[test]")
    session.run("pytest", "--quiet", "-m", "not slow", "-k", "not trio and not moved", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types: ruff, mypy and pyright."""
    session.env.update(PURE)
    session.install(".[test,lint]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("pyright")


@nox.session
def interpreter(session: nox.Session) -> None:
    """FastAPI's behaviour, on the interpreter of plans instead of the code that is generated from them."""
    session.env.update(PURE)
    session.install(".[test]")
    session.run("pytest", "--quiet", "--engine=interpreter", "tests/parity", *session.posargs)


@nox.session
def servers(session: nox.Session) -> None:
    """Every way a connection can end, on every server; the options are those of tests/servers/matrix.py."""
    session.env.update(PURE)
    session.install(".[servers]")
    session.run("python", "tests/servers/matrix.py", *session.posargs)


@nox.session
def asyncapi(session: nox.Session) -> None:
    """The official parser of AsyncAPI, from npm, on the README, the examples and generated applications."""
    session.env.update(PURE)
    session.install(".[test,examples]")
    folder = str(Path(session.create_tmp()).resolve())
    session.run("npm", "install", "--silent", "--prefix", folder, "@asyncapi/parser@3.6.6", external=True)
    session.env["FASTROUTE_ASYNCAPI_PARSER"] = folder
    session.run("pytest", "tests/asyncapi/test_official_parser.py", *session.posargs)


# Cython cannot be traced on Python 3.13 and newer.
@nox.session(python="3.12")
def coverage(session: nox.Session) -> None:
    """Every line of the .py and the .pyx, in one run of a traced build in place."""
    # Tracing is slow, and a line that only a hundredth example reaches has no test.
    session.env.update({"FASTROUTE_TRACE_EXTENSIONS": "1", "FASTROUTE_HYPOTHESIS_PROFILE": "quick"})
    tree = unpacked_sdist(session)
    session.chdir(tree)
    session.install("--editable", ".[test]", "coverage>=7.10")
    session.run("coverage", "run", "-m", "pytest", "-q", "-n", "2", *session.posargs)
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def recipes(session: nox.Session) -> None:
    """The recipes of the cookbook and the comparison, with the libraries that they are about."""
    session.env.update(PURE)
    session.install(".[test,examples,comparison]")
    session.run("pytest", "tests/test_recipes.py", "tests/test_comparison.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The docs site in the folder `site`, and what must be true of it."""
    session.env.update(PURE)
    # Pinned: its releases change how pages look and what they load, and these are the pages that were looked at.
    session.install(".[test]", "zensical==0.0.73", "mkdocstrings-python>=2")
    session.run("zensical", "build", "--clean", "--strict")
    session.run("pytest", "tests/test_docs.py", "tests/packaging/test_site.py", *session.posargs)


# --- proof: under load, faults and hostile input; docs/how-it-is-tested.md has the figures ---------------------------


@nox.session
def hostile(session: nox.Session) -> None:
    """Growth and time of what a client can send and a developer can declare, with each twin."""
    session.env.update(COMPILED)
    session.install(".[test]")
    session.run("python", "proof/hostile.py", *session.posargs)
    session.run("python", "proof/hostile.py", *session.posargs, env=PURE | {"FASTROUTE_REQUIRE_EXTENSIONS": "0"})


#: The oldest that installs beside our Starlette, the last that copies routes, and the steps of included routers since.
FASTAPI_RELEASES = ["0.133.0", "0.136.3", "0.137.2", "0.138.2", "0.150.0", "newest"]


@nox.session
@nox.parametrize("release", FASTAPI_RELEASES)
def fastapi(session: nox.Session, release: str) -> None:
    """The tests that meet FastAPI's own routers, on one release of FastAPI."""
    session.env.update(PURE)
    session.install(".[test]", "fastapi" if release == "newest" else f"fastapi=={release}")
    session.run("pytest", "tests/router", "-k", "narrowing or (included and fastapi)", *session.posargs)


def sdist_of(session: nox.Session, package: str) -> Path:
    """The sources of the installed release of a package, as they are on PyPI."""
    folder = Path(session.create_tmp(), package).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    script = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    version = str(session.run("python", "-c", script, silent=True)).strip()
    options = ["--quiet", "--no-binary", package, "--no-deps", "--dest", str(folder)]
    session.run("python", "-m", "pip", "download", *options, f"{package}=={version}")
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@nox.session
@nox.parametrize("suite", ["starlette", "fastapi-websockets", "fastapi"])
def peers(session: nox.Session, suite: str) -> None:
    """The suites of Starlette and FastAPI, from their sdists, with our parts in the place of theirs."""
    session.env.update(PURE)
    session.install("pip>=25.1", ".", "fastapi")
    tree = sdist_of(session, suite.partition("-")[0])
    plugins = str(Path("tests", "peers").resolve())
    session.env["PYTHONPATH"] = f"{plugins}{os.pathsep}{tree}"
    if suite == "starlette":
        session.install(".[test]", "starlette[full]", "httpx2[zstd]", "blockbuster", "opentelemetry-sdk")
        # Not on its own package beside the tests, but on the one that is installed.
        shutil.rmtree(tree / "starlette")
        session.chdir(tree)
        for plugin in ("accelerated_starlette", "router_in_starlette"):
            session.run("pytest", "-q", "-p", plugin, *session.posargs)
        return
    session.install("--group", f"{tree / 'pyproject.toml'}:tests", f"{tree}[all]")
    session.chdir(tree)
    # FastAPI stops a test after 20 s, which a machine with other work on it may need.
    options = ["-q", "--timeout=300"]
    if suite == "fastapi":
        selection = session.posargs or ["tests", "--ignore=tests/benchmarks", "--ignore=tests/memory_benchmarks"]
        session.run("pytest", *options, "-p", "accelerated_fastapi", *selection)
        return
    files = [path for path in sorted(Path("tests").rglob("test_*.py")) if "websocket" in path.read_text().lower()]
    session.run("pytest", *options, "-p", "route_in_fastapi", *(session.posargs or map(str, files)))


@nox.session
def chaos(session: nox.Session) -> None:
    """Real servers and clients, and all that can go wrong between them: `-- --seconds 600 --seed 1`."""
    session.env.update(COMPILED)
    session.install(".[test]", "hypercorn")
    session.run("python", "proof/servers_alone.py")
    session.run("python", "proof/chaos.py", *session.posargs)


#: With what the kernels are built for `sanitize`; the first finding ends the process.
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"


@nox.session
def sanitize(session: nox.Session) -> None:
    """The kernels under the sanitizers of gcc, what they leak, and the warnings of compilers: `-- --seconds 600`."""
    session.env.update(COMPILED)
    session.install("setuptools>=77", "cython>=3.1")
    session.run("python", "proof/warnings_of_c.py")
    flags = {"CFLAGS": f"-O1 -g -fno-omit-frame-pointer {SANITIZERS}", "LDFLAGS": SANITIZERS}
    session.install(".[test]", env=flags)
    session.run("python", "proof/sanitize.py", *session.posargs)
    session.install("--force-reinstall", "--no-deps", ".")
    session.run("python", "proof/leaks.py")
    if debug := shutil.which("python3-dbg"):
        # It counts references, in itself and in the kernels that are built for it.
        folder = Path(session.create_tmp(), "debug").resolve()
        session.run(debug, "-m", "venv", "--without-pip", str(folder), external=True)
        python = str(folder / "bin" / "python")
        session.run("python", "-m", "pip", "--python", python, "install", "--quiet", ".")
        session.run(python, "proof/leaks.py", external=True)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Coverage-guided fuzzing, ten minutes for each target: `-- --seconds 60 --target origin`."""
    session.env.update(COMPILED)
    session.install(".[test]", "atheris>=3")
    session.run("python", "fuzz/run.py", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """The slope of memory under load, with a plot: `-- --seconds 3600`."""
    session.env.update(COMPILED)
    session.install(".[test]")
    session.run("python", "proof/soak.py", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Small changes to four folders, each of which a test must notice: `-- --seconds 1200 --seed 1 --only matching`."""
    session.env.update(PURE)
    session.install(".[test]", "coverage>=7.10")
    session.run("python", "proof/mutants.py", *session.posargs)


@nox.session
def upstream(session: nox.Session) -> None:
    """The suite on the newest Starlette, FastAPI and pydantic, pre-releases included."""
    session.env.update(COMPILED)
    session.install(".[test]")
    session.install("--upgrade", "--pre", "starlette", "fastapi", "pydantic")
    session.run("pip", "freeze")
    session.run("pytest", "-q", "--ignore=tests/packaging", *session.posargs)


@nox.session(python=["3.15t", "3.14t", "3.13t", "3.11"])
def threads(session: nox.Session) -> None:
    """Many threads at once, without a GIL and with one: the tests of threads, and routers that change meanwhile."""
    session.env.update(COMPILED | ({"PYTHON_GIL": "0"} if str(session.python).endswith("t") else {}))
    # These have wheels for it; newer ones would be compiled, from Rust.
    older = ["pydantic==2.12.3", "hypothesis<6.156"] if session.python == "3.13t" else []
    session.install("--prefer-binary", ".", "fastapi", "httpx", "httpx2", "hypothesis", "pytest", "trio", *older)
    session.run("pytest", "-q", "tests/router/test_threads.py", "tests/matching", "tests/router/test_index.py")
    session.run("python", "proof/threads.py", *session.posargs)
