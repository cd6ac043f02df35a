"""The numbers that S0's prose says, from its own solutions and from real job ads."""

import contextlib
import io
import re

import numpy as np
import pytest
from lesson_tools import prose

from course import bank, lesson, progress
from course.shop import shop_rows
from course.shop_query import ask

S0 = lesson.load("s0")
PROSE = prose("s0")
ADS = [it for it in S0.cells if it.role == "demo" and "access.log" not in it.source]
GUESSES = 'mine = ["?", "?", "?", "?", "?"]'


@pytest.fixture(scope="module")
def solved():
    names = {"__name__": "__main__"}
    for exercise in S0.exercises:
        if not exercise.is_prediction and exercise.id != "guess":
            exec("import numpy as np", names)
            bank.run(exercise.solution, names, f"<s0:{exercise.id}>")
    return names


def test_the_interval_holds_the_truth_as_often_as_it_says(solved):
    rng = np.random.default_rng(0)
    held = 0
    for draw in range(200):
        lo, hi = solved["bootstrap_ci"](rng.random(200) < 0.85, 500, draw)
        held += lo <= 0.85 <= hi
    assert 180 <= held <= 198  # the bar: 90 to 99 %


def test_ten_times_the_data_is_a_third_of_the_width(solved):
    width = {}
    for n in (200, 2000):
        lo, hi = solved["bootstrap_ci"](np.arange(n) < round(0.85 * n), 2000, n)
        width[n] = 100 * (hi - lo)
    assert width[200] == pytest.approx(10, abs=1)
    assert width[2000] == pytest.approx(3, abs=0.3)
    assert "about ten points wide" in PROSE
    assert "about three points wide" in PROSE


def test_the_query_gives_what_the_loops_give(solved):
    cell = next(it for it in S0.cells if "def late_rates_slowly" in it.source)
    names = {"TODAY": "2026-03-02", "shop_rows": shop_rows}
    bank.run(cell.source, names, "<s0:slow>")
    for seed in (1, 2):
        shop = shop_rows(seed)
        rows = ask(shop, solved["late_rate"]())
        assert [it[0] for it in rows] == [
            it[0] for it in names["late_rates_slowly"](shop)
        ]
        slow = [it[1] for it in names["late_rates_slowly"](shop)]
        assert [it[1] for it in rows] == pytest.approx(slow)


def test_pay_is_dated_and_named_as_noisy():
    assert "as of 2025: about £105,000" in PROSE
    assert "Read the job description, not the title" in PROSE


def test_a_figure_without_an_answer_settles_no_prediction(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv("CROSSROADS_HOME", str(tmp_path))
    cell = next(it for it in S0.cells if 'outcome("s0.guess"' in it.source)
    names = {"np": np, "outcome": progress.outcome, "intervals": [(0.0, 0.0)] * 3}
    bank.run(cell.source, names, "<s0:outcome>")
    assert list(progress.events()) == []
    assert "Write bootstrap_ci" in capsys.readouterr().out
    names["intervals"] = [(0.8, 0.9)] * 3
    bank.run(cell.source, names, "<s0:outcome>")
    assert [it.fields["truth"] for it in progress.events()] == [10]


def read_the_ads(solved, mine=GUESSES):
    """Run the stretch's cells; return their names and what they print."""
    names = dict(solved)
    setup = next(it for it in S0.cells if it.role == "setup")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for cell in (setup, *ADS):
            bank.run(cell.source.replace(GUESSES, mine), names, f"<s0:{cell.line}>")
    return names | {"said": said.getvalue()}


def home(folder, patch):
    patch.setenv("CROSSROADS_HOME", str(folder))
    patch.setenv("MPLBACKEND", "agg")


@pytest.fixture(scope="module")
def ads(solved, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        home(tmp_path_factory.mktemp("home"), patch)
        right = 'mine = list(five["kind"])'
        return read_the_ads(solved, right) | {"log": list(progress.events())}


def test_without_the_ads_the_stretch_says_how_to_get_them(
    solved, tmp_path, monkeypatch
):
    home(tmp_path, monkeypatch)
    monkeypatch.setenv("CROSSROADS_CACHE", str(tmp_path / "empty"))
    lines = read_the_ads(solved)["said"].strip().splitlines()
    assert len(lines) == len(ADS)
    assert all("course fetch job-ads" in line for line in lines)
    assert list(progress.events()) == []


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Senior AI Engineer", "AI"),
        ("Data Scientist - Natural Language Processing & LLM", "AI"),
        ("Principal Data Engineer - QuantumBlack, AI by McKinsey", "engineer"),
        ("Data Engineer - Jesica.ai", "engineer"),
        ("Lead AI/ML Engineer", ""),
        ("Mlops Engineer", "ML"),
        ("Data Scientist / ML engineer", "ML"),
        ("Data Engineer / Data Analyst", ""),
        ("MI Analyst", ""),
    ],
)
def test_titles_are_sorted_by_what_they_name(title, kind):
    names = {}
    source = ADS[0].source.split("def read_ads")[0]
    bank.run(source, names, "<s0:kind>")
    assert names["kind"](title) == kind


@pytest.mark.slow
@pytest.mark.models
def test_the_ads_are_counted_as_the_prose_says(ads):
    table, once = ads["ads"], ads["once"]
    assert f"{len(table):,} real job ads" in PROSE
    countries = table["job_country"].value_counts(normalize=True)
    assert countries["South Africa"] > 0.5
    assert len(countries) == 10  # South Africa, Saudi Arabia and eight more
    assert 1 - len(once) / len(table) == pytest.approx(1 / 3, abs=0.01)
    assert once["kind"].value_counts()[["AI", "ML"]].tolist() == [56, 260]
    assert "56 ads against 260" in PROSE
    top = once.groupby("kind")["job_country"].agg(lambda it: it.value_counts().index[0])
    assert (top["AI"], top["ML"]) == ("Saudi Arabia", "South Africa")
    assert re.search(r"AI pattern: 101 ads; 15 name an employer", ads["said"])


@pytest.mark.slow
@pytest.mark.models
def test_the_difference_in_aws_is_one_of_countries_and_that_in_pytorch_is_not(ads):
    everywhere, two = ads["shares"].values()

    def percent(found, skill):
        return [round(found[kind][skill][0]) for kind in ("ML", "AI", "scientist")]

    assert percent(everywhere, "aws")[:2] == [47, 23]
    assert percent(two, "aws")[:2] == [26, 21]
    assert percent(two, "pytorch")[:2] == [43, 21]
    assert percent(two, "r") == [10, 45, 42]
    for words in (
        "47 % of the ML ads ask for it and 23 % of the AI ads",
        "26 against 21 %",
        "43 against 21 %",
        "(45 and 42 %), not like the ML ads (10 %)",
    ):
        assert words in PROSE
    for skill, overlap in {"aws": True, "pytorch": True, "r": False}.items():
        (_, ml_low, ml_high), (_, low, high) = (two[it][skill] for it in ("ML", "AI"))
        assert (max(ml_low, low) < min(ml_high, high)) == overlap
    assert "of 33 AI ads only, so that the intervals overlap" in PROSE
    assert (ads["two"]["kind"] == "AI").sum() == 33


@pytest.mark.slow
@pytest.mark.models
def test_a_share_and_its_interval_are_counted_by_hand(ads):
    once = ads["once"]
    lists = [s for s, k in zip(once["skills"], once["kind"], strict=True) if k == "AI"]
    p, n, z = np.mean(["python" in it for it in lists]), len(lists), 1.959964
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    got = ads["share"](once, "AI", "python")
    assert got == pytest.approx([100 * p, 100 * (middle - half), 100 * (middle + half)])


@pytest.mark.slow
@pytest.mark.models
def test_what_two_ads_share_is_counted_by_hand(ads):
    X, kinds, once = ads["X"], ads["kinds"], ads["once"]
    lists = once[once["kind"] == "AI"]["skills"].tolist()
    by_sets = [[len(a & b) / len(a | b) for b in lists] for a in lists]
    some = X[kinds == "AI"]
    assert np.allclose(ads["likeness"](some, some), by_sets)
    within = np.mean([r for i, row in enumerate(by_sets) for r in row[:i]])
    with_ml = ads["likeness"](some, X[kinds == "ML"]).mean()
    assert within == pytest.approx(with_ml, abs=0.005)
    assert "Two AI ads have no more in common than an AI ad and an ML ad" in PROSE


@pytest.mark.slow
@pytest.mark.models
def test_what_the_list_can_and_cannot_see(ads):
    said = ads["said"]
    assert "14% of the pairs share no skill" in re.sub(r"\s+", " ", said)
    assert "one pair in seven shares nothing" in PROSE
    deep = re.search(r"In the title is AI or ML: (\d+)%", said)
    assert int(deep[1]) < 33
    assert "fewer than one in three say AI or ML" in PROSE
    assert "222 words; about language models: ['hugging face']" in said
    assert "Of the 222 words" in PROSE
    assert "ChatGPT / OpenAI' asks for: c++, excel, php, python, vba" in said


@pytest.mark.slow
@pytest.mark.models
def test_copies_flatter_the_model_as_much_as_the_prose_says(ads):
    percent = [100 * it for it in ads["scores"].values()]
    assert "With all copies, 82 % are right; with each ad once 76 %" in PROSE
    assert "never seen 70 %" in PROSE
    assert percent == pytest.approx([82, 76, 70, 70], abs=1)
    base = ads["base"]
    assert 100 * base == pytest.approx(42, abs=0.5)
    assert base == (ads["once"].query("kind != ''")["kind"] == "engineer").mean()
    assert base + 0.1 < min(ads["scores"].values())


@pytest.mark.slow
@pytest.mark.models
def test_no_two_ads_that_are_nearly_alike_stand_on_both_sides(ads):
    X, groups = ads["X"], ads["families"](ads["X"], 0.85)
    test = ads["group_split"](groups, 0.3, 0)
    assert ads["likeness"](X[test], X[~test]).max() < 0.85


@pytest.mark.slow
@pytest.mark.models
def test_the_pair_of_this_course_is_among_the_two_told_apart_worst(ads):
    auc = ads["auc"]
    worst = sorted(auc, key=auc.get)[:2]
    assert set(worst) == {("AI", "ML"), ("AI", "scientist")}
    for pair, said in {
        ("AI", "ML"): "*AI* or *ML*: 0.69",
        ("AI", "scientist"): "*AI* or *data scientist*: 0.64",
        ("ML", "analyst"): "hardly ever confused (AUC 0.96)",
    }.items():
        assert said in PROSE
        assert auc[pair] == pytest.approx(float(said.strip(")")[-4:]), abs=0.015)
    some = (ads["X"], ads["kinds"], ads["groups"])
    least = [ads["told_apart"](*some, "AI", it).min() for it in ("ML", "scientist")]
    assert max(least) < 0.6  # hardly better than a coin


@pytest.mark.slow
@pytest.mark.models
def test_the_model_plays_the_learners_game(ads):
    assert "the model gets 2.4 of 5" in PROSE
    assert ads["won"] == pytest.approx(2.4, abs=0.15)
    assert sorted(ads["five"]["kind"]) == sorted(ads["PATTERNS"])


@pytest.mark.slow
@pytest.mark.models
def test_the_stretch_is_logged_once_the_learner_has_guessed(ads):
    assert "5 of 5" in ads["said"]
    assert [(it.event, it.key) for it in ads["log"]] == [("stretch", "s0")]


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.parametrize("mine", [GUESSES, 'mine = ["AI", "AI", "ML", "ML", "x"]'])
def test_half_a_guess_reveals_and_logs_nothing(
    ads, mine, tmp_path, monkeypatch, capsys
):
    home(tmp_path, monkeypatch)
    cell = next(it for it in ADS if GUESSES in it.source)
    bank.run(cell.source.replace(GUESSES, mine), dict(ads), "<s0:mine>")
    said = capsys.readouterr().out
    assert "must occur once" in said
    assert not any(title in said for title in ads["five"]["job_title"])
    assert list(progress.events()) == []


@pytest.mark.slow
@pytest.mark.models
def test_an_unwritten_group_split_is_named(ads, capsys):
    names = ads | {"group_split": lambda ids, frac, seed: np.zeros(len(ids), bool)}
    bank.run(ADS[-1].source, names, "<s0:model>")
    assert "section 5" in capsys.readouterr().out
