"""What lesson F1 says of numbers, and its functions against other libraries."""

import numpy as np
import pytest
from lesson_tools import prose

from course import lesson

F1 = lesson.load("f1")
PROSE = prose("f1")
LIVE = ("load_embedder", "load_local", "embedder")  # these cells need a model


def has_no_model(cell):
    """Return whether a demonstration needs no model."""
    return not any(it in cell.source for it in LIVE)


@pytest.fixture(scope="module")
def solved(run_lesson):
    """The names that a learner has at the end: the solutions, no live model."""
    return run_lesson("f1", demos=has_no_model)


def test_the_ml_build_is_scikit_learns(solved):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    desk, rows = solved["desk"], solved["draw"](5)
    texts = [desk.texts[i] for i in rows]
    asked = [desk.texts[i] for i in solved["test_rows"][:40]]
    theirs = make_pipeline(
        TfidfVectorizer(token_pattern=r"[a-z]+", sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000, tol=1e-6),
    ).fit(texts, desk.y[rows])
    mine = solved["tfidf_softmax"](texts, desk.y[rows], asked)
    assert mine == pytest.approx(theirs.predict_proba(asked), abs=1e-4)


def test_the_ai_build_without_labels_takes_the_nearest_name(solved):
    desk = solved["desk"]
    cosines = desk.vectors[solved["test_rows"]] @ desk.name_vectors.T
    assert (solved["named"].argmax(axis=1) == cosines.argmax(axis=1)).all()


def test_the_bars_hold(solved):
    curves, ns = solved["curves"], solved["NS"]
    assert curves["AI build"][0] >= 0.55  # no label at all
    assert curves["ML build"][ns.index(80)] >= 0.69
    assert curves["both jobs"][-1] >= 0.74
    assert solved["right"](solved["asked"]) < curves["AI build"][0] - 0.1


def test_the_two_builds_meet_where_the_lesson_says(solved):
    ai, ml = solved["curves"]["AI build"][1:], solved["curves"]["ML build"]
    ns = solved["NS"]
    assert ml[ns.index(10)] < solved["curves"]["AI build"][0] < ml[ns.index(20)]
    assert "Names alone are worth ten to twenty labels of each kind" in PROSE
    assert solved["crossing"] == 80
    assert "at 80 labels of each kind it is no longer clearly behind" in PROSE
    # Not by a hair: the other points are clearly on their sides of two points.
    assert (ai - ml)[ns.index(40)] > 0.025
    assert (ai - ml)[ns.index(80)] < 0.015
    assert abs(ai[-1] - ai[ns.index(40)]) < 0.01
    assert "hardly improves after 40 labels" in PROSE


def test_two_points_are_what_chance_moves(solved):
    """One standard error of the paired difference of two builds, 400 complaints."""
    fits, truth = solved["BUILDS"], solved["y_test"]
    rows, new = solved["draw"](120), solved["test_rows"]
    ok = {
        name: fit(rows, new).argmax(axis=1) == truth for name, (fit, *_) in fits.items()
    }
    for one, other in (("AI build", "both jobs"), ("ML build", "both jobs")):
        gap = ok[one].astype(float) - ok[other]
        assert 0.014 < gap.std() / np.sqrt(400) < 0.026, (one, other)


def test_the_surest_half_is_better_than_all(solved):
    for fit, *_ in solved["BUILDS"].values():
        p = fit(solved["draw"](20), solved["test_rows"])
        ok = p.argmax(axis=1) == solved["y_test"]
        _, accuracy = solved["risk_coverage"](p.max(axis=1), ok)
        assert accuracy[199] > accuracy[-1] + 0.1


def test_a_new_kind_behaves_as_the_lesson_says(solved):
    found = {
        label: solved["add_intent"](
            before, p.argmax(axis=1), solved["y_test"], solved["NEW"]
        )
        for label, (before, p) in solved["tries"].items()
    }
    name, told, five = (found[it] for it in list(found)[:3])
    assert name[0] < told[0] < five[0]
    assert found["ML: 5 labels"][0] < 0.1
    assert found["ML: 20 labels"][0] > 0.5
    assert found["ML: 80 labels"][1] > 50  # "swallows a good part of their mail"


def test_the_decision_flips_with_the_volume_and_with_the_price_of_a_label(solved):
    decide, euros = solved["decide"], solved["euros"]
    options, prices = solved["options"], solved["PRICES"]

    def said(volume, **more):
        return decide(options, volume, prices | more, euros)

    assert said(20_000)["choice"] == "AI build"
    assert said(200_000)["choice"] == "both jobs"
    assert said(20_000)["would_change_if"]["volume"] == 5
    assert said(200_000)["would_change_if"]["label"] == 10
    assert said(200_000, label=6.0)["choice"] == "AI build"
    assert said(2_000)["because"] == "building"
    assert said(200_000)["because"] == "mistakes"


def test_the_map_says_what_the_prose_says(solved):
    order, chosen = solved["order"], solved["chosen"]
    assert order[chosen[-1, 0]] == "AI build"
    assert order[chosen[0, -1]] == "both jobs"
    assert (chosen == order.index("ML build")).mean() < 0.02  # "(almost) nowhere"
    assert 0 < solved["close"].mean() < 0.5
    bill = solved["euros"](solved["options"][0], 200_000, solved["PRICES"])
    assert bill["compute"] < 0.001 * bill["total"]


def test_near_copies_are_worth_what_the_lesson_says(solved):
    leak = solved["desk"].meta["leak"]
    assert leak["most_in_one_family"] > 100
    assert "more than a hundred members" in PROSE


def test_the_examples_in_the_text_are_right(solved):
    build = {"n": 10, "accuracy": 1.0, "ms": 100, "hours": 0}
    prices = {"kinds": 8, "label": 0.5, "hour": 0, "cpu_hour": 1.0, "mistake": 0}
    bill = solved["euros"](build, 36_000, prices)
    assert (bill["labels"], bill["compute"]) == (40, pytest.approx(1))
