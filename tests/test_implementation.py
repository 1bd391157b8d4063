from fastroute import IMPLEMENTATION


def test_selected_twin_is_known() -> None:
    assert IMPLEMENTATION in {"cython", "python"}
