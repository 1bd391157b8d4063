"""Adds the compiled kernels to the build; everything else about the package is in pyproject.toml."""

import os
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.editable_wheel import editable_wheel
from setuptools.errors import CCompilerError, ExecError, PlatformError

NO_EXTENSIONS = os.environ.get("FASTROUTE_NO_EXTENSIONS") == "1"
REQUIRE_EXTENSIONS = os.environ.get("FASTROUTE_REQUIRE_EXTENSIONS") == "1"
TRACE_EXTENSIONS = os.environ.get("FASTROUTE_TRACE_EXTENSIONS") == "1"

TOOLCHAIN = {
    "working C compiler": "int probe;\n",
    "Python.h (Python's C headers, often packaged as python3-dev)": "#include <Python.h>\n",
}


class BuildKernels(build_ext):
    """Builds the kernels where there is a C toolchain; nothing else that fails may end in a pure install."""

    def build_extensions(self) -> None:
        from Cython.Build import cythonize

        # Before the toolchain is asked for: an error in a .pyx is a bug, and fails on every machine.
        translated = cythonize(
            self.extensions,
            # The coverage plugin looks for the C beside the .pyx; nothing else wants it there.
            build_dir=None if TRACE_EXTENSIONS else self.build_temp,
            compiler_directives={"linetrace": TRACE_EXTENSIONS},
        )
        for extension, in_c in zip(self.extensions, translated, strict=True):
            extension.sources = in_c.sources
        missing = self._missing_tool()
        if missing is None:
            super().build_extensions()
        elif REQUIRE_EXTENSIONS:
            raise PlatformError(f"FASTROUTE_REQUIRE_EXTENSIONS=1, but there is no {missing}")
        else:
            # The wheel keeps its platform tag: no other machine shall take it for the deliberately pure one.
            self.extensions = []
            self.warn(f"fastroute is built without its compiled kernels, as there is no {missing}")

    def _missing_tool(self) -> str | None:
        for tool, source in TOOLCHAIN.items():
            with tempfile.TemporaryDirectory() as folder:
                probe = Path(folder, "probe.c")
                probe.write_text(source)
                try:
                    self.compiler.compile([str(probe)], output_dir=folder)
                except (CCompilerError, ExecError, PlatformError, OSError):
                    return tool
        return None


class InstallInPlace(editable_wheel):
    """What an earlier build left beside the sources would else stay in use, in a pure install too."""

    def run(self) -> None:
        for suffix in EXTENSION_SUFFIXES:
            for extension in Path("fastroute").glob(f"_*_c{suffix}"):
                extension.unlink()
        super().run()


def kernels() -> list[Extension]:
    if not NO_EXTENSIONS and sys.implementation.name == "cpython":
        macros = [("CYTHON_TRACE_NOGIL", "1")] if TRACE_EXTENSIONS else []
        sources = sorted(Path("fastroute").glob("_*_c.pyx"))
        return [Extension(f"fastroute.{path.stem}", [str(path)], define_macros=macros) for path in sources]
    if REQUIRE_EXTENSIONS:
        raise SystemExit("FASTROUTE_REQUIRE_EXTENSIONS=1 needs CPython without FASTROUTE_NO_EXTENSIONS=1")
    return []


# A build folder that is kept would hand modules of another branch or mode to the next wheel.
with tempfile.TemporaryDirectory(prefix="fastroute-") as build_base:
    setup(
        ext_modules=kernels(),
        cmdclass={"build_ext": BuildKernels, "editable_wheel": InstallInPlace},
        options={"build": {"build_base": build_base}, "egg_info": {"egg_base": build_base}},
    )
