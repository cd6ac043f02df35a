"""Tables hold one row for each thing, an empty cell for no verdict, and no formula."""

import csv
import io
import json

import verdict_tools as tools

from autograder import export
from autograder.verdicts import Status, SubmissionStatus, SubmissionVerdict

ROWS = [
    tools.row("bob", tools.failed("✗ z1.softmax: no, “really”,\nno")),
    tools.row(
        "ada", tools.verdict(tools.exercise(check=tools.GUESS), tools.exercise())
    ),
    tools.row("cy", None, key=None),
    tools.row("dot", tools.refused("not JSON")),
]


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_there_is_one_row_for_each_student_and_exercise():
    rows = table(export.exercises(ROWS))
    places = [(it["student"], it["exercise"]) for it in rows]
    assert places[:4] == [
        ("ada", tools.GUESS),
        ("ada", tools.SOFTMAX),
        ("bob", tools.GUESS),
        ("bob", tools.SOFTMAX),
    ]
    bob = rows[3]
    assert (bob["points"], bob["max_points"], bob["status"]) == ("0", "2", "failed")
    assert bob["message"].endswith("no, “really”,\nno")


def test_no_verdict_is_an_empty_cell_in_both_tables():
    for text in (export.exercises(ROWS), export.submissions(ROWS)):
        rows = [it for it in table(text) if it["student"] in ("cy", "dot")]
        assert {it["points"] for it in rows} == {""}


def test_submissions_say_points_status_and_what_is_missing():
    open_one = tools.verdict(
        tools.exercise(check=tools.GUESS),
        tools.exercise(Status.NOT_GRADED),
        status=SubmissionStatus.PARTLY_GRADED,
        reason="too slow",
    )
    (row,) = table(export.submissions([tools.row("ada", open_one)]))
    assert (row["points"], row["max_points"], row["not_graded"]) == ("1", "3", "1")
    assert (row["status"], row["reason"]) == ("partly_graded", "too slow")


def test_no_cell_is_a_formula():
    for sign in (
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " \n=1",
        "\x0b=1",
        "＝1",
    ):
        found = tools.verdict(*tools.failed(sign).exercises, reason=sign, notes=(sign,))
        for text in (export.exercises, export.submissions):
            for row in csv.reader(io.StringIO(text([tools.row(sign, found)]))):
                marks = tuple("=+-@＝\t\r\n")
                assert not [it for it in row if it.lstrip(" ").startswith(marks)]


def test_no_cell_commands_a_terminal():
    found = tools.verdict(*tools.failed("\x1b[2Jx\x9b31m\x07").exercises)
    assert "[2Jx31m" in export.exercises([tools.row("ada", found)])


def test_json_gives_the_verdicts_back():
    kept = json.loads(json.dumps(export.as_json(ROWS)))
    again = SubmissionVerdict.from_json(kept[1]["verdict"])
    assert again == ROWS[0].verdict
    assert kept[2]["verdict"] is None


def test_the_order_of_rows_does_not_matter(tmp_path):
    first = [it.read_bytes() for it in export.write(tmp_path, ROWS)]
    second = [it.read_bytes() for it in export.write(tmp_path, reversed(ROWS))]
    assert first == second
    assert len(list(tmp_path.iterdir())) == 2
