"""Coverage-guided: the compiled matcher against the pure one against Starlette, driven by atheris.

The pure twin and the reader of templates are instrumented, so that inputs which reach new lines or branches in them
are kept and changed further. It takes libFuzzer's arguments; without any it runs until it finds a difference:

    pip install atheris 'fastroute[fuzz]'
    python -P fuzz/fuzz_matcher.py -len_control=0 -max_len=2000 -max_total_time=600 CORPUS_FOLDER
"""

import sys

import atheris
from hypothesis import HealthCheck, given, settings

with atheris.instrument_imports(include=["fastroute.matching.matcher_py", "fastroute.matching.template"]):
    from fastroute.commands.fuzz import cases, compare
    from fastroute.strategies import path_templates


@settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(path_templates()))
def search(case: tuple[str, list[str]]) -> None:
    compare(*case)


if __name__ == "__main__":
    atheris.Setup(sys.argv, search.hypothesis.fuzz_one_input)
    atheris.Fuzz()
