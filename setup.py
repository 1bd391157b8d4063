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


def is_set(variable: str) -> bool:
    value = os.environ.get(variable, "")
    if value not in ("", "0", "1"):
        raise SystemExit(f"{variable} must be 1 or 0, not {value!r}")
    return value == "1"


NO_EXTENSIONS = is_set("FASTROUTE_NO_EXTENSIONS")
REQUIRE_EXTENSIONS = is_set("FASTROUTE_REQUIRE_EXTENSIONS")
TRACE_EXTENSIONS = is_set("FASTROUTE_TRACE_EXTENSIONS")

# What has to compile and link, each with more than the one before.
TOOLCHAIN = {
    "working C compiler and linker": "int probe;\n",
    "usable stdlib.h (the headers of the C library, often packaged as libc6-dev or musl-dev)": "#include <stdlib.h>\n",
    "usable Python.h (Python's C headers, often packaged as python3-dev)": "#include <Python.h>\n",
}


class BuildKernels(build_ext):
    """Builds the kernels where there is a C toolchain; nothing else that fails may end in a pure install."""

    def run(self) -> None:
        if self.inplace:
            remove_extensions()
        super().run()

    def build_extensions(self) -> None:
        from Cython.Build import cythonize

        # Before the toolchain is asked for: an error in a .pyx is a bug, and fails on every machine.
        translated = cythonize(
            self.extensions,
            # The coverage plugin looks for the C beside the .pyx; nothing else wants it there.
            build_dir=None if TRACE_EXTENSIONS else self.build_temp,
            compiler_directives={"linetrace": TRACE_EXTENSIONS},
            force=True,
        )
        for extension, in_c in zip(self.extensions, translated, strict=True):
            extension.sources = in_c.sources
        missing = next((tool for tool, source in TOOLCHAIN.items() if not self._builds(source)), None)
        if missing is None:
            self._leave_out_folders()
            super().build_extensions()
        elif REQUIRE_EXTENSIONS:
            raise PlatformError(f"FASTROUTE_REQUIRE_EXTENSIONS=1, but there is no {missing}")
        else:
            # The wheel keeps its platform tag: no other machine shall take it for the deliberately pure one.
            self.extensions = []
            self.warn(f"fastroute is built without its compiled kernels, as there is no {missing}")

    def _leave_out_folders(self) -> None:
        """The same sources make the same file, wherever they are; the folder of the build never has the same name."""
        flags = [f"-ffile-prefix-map={folder}=." for folder in (os.getcwd(), self.build_temp)]
        if self.compiler.compiler_type == "unix" and self._builds("int probe;\n", *flags):
            for extension in self.extensions:
                extension.extra_compile_args = flags

    def _builds(self, source: str, *flags: str) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            probe, library = Path(folder, "probe.c"), Path(folder, "probe.so")
            probe.write_text(source)
            try:
                objects = self.compiler.compile([str(probe)], output_dir=folder, extra_postargs=list(flags))
                if self.compiler.compiler_type == "msvc":
                    return True  # it brings its linker
                self.compiler.link_shared_object(objects, str(library))
            except (CCompilerError, ExecError, PlatformError, OSError):
                return False
            return library.exists()


class InstallInPlace(editable_wheel):
    """A pure install has no extensions to build, so that nothing else removes those of an earlier one."""

    def run(self) -> None:
        remove_extensions()
        super().run()


def remove_extensions() -> None:
    """Remove the kernels that an earlier build left in the source tree: they would stay in use."""
    for suffix in EXTENSION_SUFFIXES:
        # At any depth: earlier versions had their kernels elsewhere.
        for extension in Path("fastroute").rglob(f"*_c{suffix}"):
            extension.unlink()


def kernels() -> list[Extension]:
    if not NO_EXTENSIONS and sys.implementation.name == "cpython":
        macros = [("CYTHON_TRACE_NOGIL", "1")] if TRACE_EXTENSIONS else []
        sources = sorted(Path("fastroute", "matching").glob("*_c.pyx"))
        return [Extension(f"fastroute.matching.{path.stem}", [str(path)], define_macros=macros) for path in sources]
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
