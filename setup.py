"""Adds the compiled kernels to the build; everything else about the package is in pyproject.toml."""

import os
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError

NO_EXTENSIONS = os.environ.get("FASTROUTE_NO_EXTENSIONS") == "1" or sys.implementation.name != "cpython"
REQUIRE_EXTENSIONS = os.environ.get("FASTROUTE_REQUIRE_EXTENSIONS") == "1"


class BuildKernels(build_ext):
    """Builds the kernels where a C toolchain works; only a missing toolchain may fall back to pure Python."""

    def build_extensions(self) -> None:
        missing = self._missing_toolchain()
        if missing is None:
            super().build_extensions()
        elif REQUIRE_EXTENSIONS:
            raise PlatformError(f"FASTROUTE_REQUIRE_EXTENSIONS=1, but the kernels cannot be compiled: {missing}")
        else:
            self.extensions.clear()
            self.warn(f"fastroute is installed without its compiled kernels, it will be slower: {missing}")

    def _missing_toolchain(self) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder, "probe.c")
            probe.write_text("#include <Python.h>\n")
            try:
                self.compiler.compile([str(probe)], output_dir=folder)
            except (CCompilerError, ExecError, PlatformError, OSError) as error:
                return f"no working C compiler with Python's headers ({error})"
        return None


def kernels() -> list[Extension]:
    if NO_EXTENSIONS:
        if REQUIRE_EXTENSIONS:
            raise SystemExit("FASTROUTE_REQUIRE_EXTENSIONS=1 needs CPython and no FASTROUTE_NO_EXTENSIONS=1")
        return []
    from Cython.Build import cythonize

    return cythonize("fastroute/_*_c.pyx", build_dir=tempfile.mkdtemp(prefix="fastroute-"))


setup(ext_modules=kernels(), cmdclass={"build_ext": BuildKernels})
