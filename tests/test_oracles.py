"""The table of oracles says which distance is above its bound, and fails for it."""

import sys
import types
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def oracles(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("NBGRADER_EXECUTION", "1")
    import oracles

    return oracles


def a_module(oracles, monkeypatch, distance):
    module = types.ModuleType("oracle_mx")
    row = oracles.Row("mx", "AP", 0.51, "sklearn", 0.5, distance, 0.01, 2.0, 0.5)
    module.rows = lambda: [row]
    monkeypatch.setitem(sys.modules, "oracle_mx", module)


def test_a_distance_within_its_bound_is_a_line_of_the_table(
    oracles, monkeypatch, capsys
):
    a_module(oracles, monkeypatch, 0.01)
    assert oracles.main(["mx"]) == 0
    last = capsys.readouterr().out.strip().split("\n")[-1]
    assert last.startswith("| MX | AP | 0.51 | sklearn | 0.5 | 1.0e-02 | 1e-02 |")
    assert last.endswith("| 2 | 0.5 | 4 |")


@pytest.mark.parametrize("distance", [0.011, float("nan")])
def test_a_distance_above_its_bound_is_marked_and_fails(
    oracles, monkeypatch, capsys, distance
):
    a_module(oracles, monkeypatch, distance)
    assert oracles.main(["mx"]) == 1
    assert "**above**" in capsys.readouterr().out


FOUND = sorted(path.stem for path in BENCHMARKS.glob("oracle_m*.py"))


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.parametrize("name", FOUND)
def test_every_lesson_is_within_its_bounds(oracles, name, capsys):
    assert oracles.main([name.removeprefix("oracle_")]) == 0, capsys.readouterr().out
