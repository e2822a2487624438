"""docs/coverage.md says what the tests say, and no name is without its tests."""

from __future__ import annotations

from testing.coverage import scan
from testing.coverage.table import NO_MISUSE, NO_NUMBERS, gaps, implemented, untrue


def test_the_page_holds():
    assert not untrue(), "run python -m testing.coverage"


def test_every_name_is_tested():
    for kind, names in gaps().items():
        assert not names, f"{kind}: {', '.join(sorted(names))}"


def test_exceptions_are_names():
    assert {*NO_MISUSE, *NO_NUMBERS} <= set(implemented())


def test_what_counts_as_a_test(tmp_path, monkeypatch):
    monkeypatch.setattr("testing.coverage.scan.ROOT", tmp_path)
    module = tmp_path / "testing" / "test_x.py"
    module.parent.mkdir()
    module.write_text(
        "TABLE = {'exp': 1}\n"
        "def program():\n    return T.exp2(1)\n"
        "def test_numbers():\n    assert program()\n"
        "def test_by_name():\n    assert getattr(T, 'sin')\n"
        "def test_compiles():\n    program()\n"
        "@pytest.mark.parametrize('name', TABLE)\n"
        "def test_misuse(name):\n    with pytest.raises(ValueError):\n        T.Kernel(1)\n"
    )
    known = frozenset(("exp", "exp2", "sin", "Kernel"))
    found = {t.place.split("::")[1]: (set(t.names), t.misuse) for t in scan.tests_of(module, known)}
    assert found == {"test_numbers": ({"exp2"}, False), "test_by_name": ({"sin"}, False), "test_misuse": ({"exp"}, True)}
