"""Code that is compiled once says the same as code that is compiled where it runs."""

import pytest

from autograder import compiled, submission


def value(found, names):
    code, last = found
    exec(code, names)
    return None if last is None else eval(last, names)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("x = 2\nx + 1", 3), ("x = 2", None), ("", None), ("x = 2; x", 2)],
)
def test_the_last_expression_gives_the_value(source, expected):
    names = {}
    assert value(compiled.unpacked(compiled.packed(source, "c")), names) == expected
    assert value(compiled.compiled(source, "c"), {}) == expected
    assert names.get("x", 2) == 2


def test_a_traceback_names_the_cell_and_its_line():
    code, _ = compiled.unpacked(
        compiled.packed("def f():\n    return 1 / 0\nf()", "m1")
    )
    names = {}
    exec(code, names)
    with pytest.raises(ZeroDivisionError) as caught:
        names["f"]()
    last = caught.traceback[-1]
    assert (str(last.path), last.lineno + 1) == ("<m1>", 2)


@pytest.mark.parametrize("source", ["%matplotlib inline", "x = (", "x = '\0'"])
def test_what_is_no_python_is_left_to_whoever_runs_it(source):
    assert compiled.packed(source, "c") == ""
    with pytest.raises((SyntaxError, ValueError)):
        compiled.compiled(source, "c")


def test_only_the_instructors_text_is_compiled_beforehand(example_lesson):
    from course import build

    notebook = build.source_notebook(example_lesson, 5)
    steps = submission.reference(notebook).steps
    assert {it.kind for it in steps} == {"setup", "student", "check"}
    assert all(bool(it.code) == (it.kind != "student") for it in steps)
