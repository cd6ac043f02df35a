"""What lesson A4 says of numbers, of its data, and of the real models."""

import math
import re

import numpy as np
import pytest
from lesson_tools import prose

PROSE = prose("a4")


@pytest.fixture(scope="module")
def solved(run_lesson):
    """The names that a learner has at the end: the solutions, no live model."""
    return run_lesson("a4")


@pytest.fixture(scope="module")
def shown(run_lesson):
    """The names after every demonstration: both models, all questions."""
    return run_lesson("a4", demos=True)


def test_the_worked_example_of_bm25_is_right(solved):
    docs = [["lamp", "lamp", "oak"], ["lamp", "brass"], ["oak"]]
    scores = solved["bm25"](["lamp"], docs)
    assert np.round(scores, 3).tolist() == [0.578, 0.470, 0]
    assert round(5 / (2 + 1.5 * 1.375), 3) == 1.231
    assert round(math.log(1 + 1.5 / 2.5), 3) == 0.470
    assert "The scores are 0.578, 0.470 and 0." in PROSE


def test_repetition_saturates_as_the_lesson_says(solved):
    def fraction(f):
        return f * 2.5 / (f + 1.5)

    assert [round(fraction(f), 2) for f in (1, 2)] == [1, 1.43]
    assert fraction(10**6) < 2.5
    assert "1 for $f=1$, 1.43 for $f=2$" in PROSE


def test_the_idf_is_never_negative_and_the_classical_one_is(solved):
    docs = [["the"]] * 9 + [["moon"]]
    assert solved["bm25"](["the"], docs)[0] > 0
    assert math.log((10 - 9 + 0.5) / (9 + 0.5)) < 0


def test_the_worked_example_of_recall_is_right(solved):
    assert solved["recall_mrr"](np.array([1, 4, 0, 2]), 3) == (0.5, 0.4375)


def test_the_worked_example_of_fusion_is_right(solved):
    got = solved["fuse"]([[0, 7, 2, 0], [0.3, 0.1, 0.9, -0.2]])
    want = [1 / 62, 1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 0]
    assert np.allclose(got, want)


def test_the_worked_example_of_the_gate_is_right(solved):
    s, known = np.array([0.2, 0.4, 0.3, 0.6]), np.array([False, False, True, True])
    tau, f1 = solved["gate"]((s, known), (s, known))
    assert 0.4 < tau <= 0.6
    assert f1 == pytest.approx(4 / 5)
    one = s < 0.25
    assert 2 * 1 / (2 * 1 + np.sum(~one & ~known)) == pytest.approx(2 / 3)


def test_the_worked_example_of_chunks_is_right(solved):
    assert solved["chunks"](range(9), 4, 1) == [(0, 4), (3, 7), (6, 9)]
    assert solved["chunks"](range(10), 4, 1) == [(0, 4), (3, 7), (6, 10)]


def test_words_keeps_codes_and_prices_whole(solved):
    text = "What does E-47 mean? A cell, CR1632, costs 4.90 euro."
    got = solved["words"](text)
    assert got[2] == "e-47"
    assert {"cr1632", "4.90", "euro"} <= set(got)


def test_seven_unanswerable_questions_are_in_the_dev_half(solved):
    asked = solved["book"].questions
    assert sum(q.kind == "unanswerable" for q in asked[::2]) == 7
    assert "seven unanswerable questions" in PROSE


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(2400)
class TestShown:
    """The lesson's own figures, with a margin to what was measured."""

    def found(self, shown, name, kind, k):
        ranks = shown["ranks_of"](shown["retrievers"][name])[shown["kind_of"] == kind]
        return round(shown["recall_mrr"](ranks, k)[0] * len(ranks))

    def test_the_learners_vectors_are_the_embedders(self, shown):
        texts = [page.full for page in shown["book"].pages[:9]]
        assert np.allclose(
            shown["embed"](texts), shown["minilm"].encode(texts), atol=1e-5
        )

    def test_meaning_wins_on_paraphrases_and_fusion_hurts(self, shown):
        found = [
            self.found(shown, name, "paraphrase", 3)
            for name in ("MiniLM", "BM25", "fusion")
        ]
        assert found == pytest.approx([32, 8, 14], abs=1)
        said = re.search(r"(\d+) times in 40, BM25\s+(\d+) times.*?(\d+) times", PROSE)
        assert [int(n) for n in said.groups()] == [32, 8, 14]
        assert shown["gap"] < -0.3

    def test_all_retrievers_find_codes(self, shown):
        for name in shown["retrievers"]:
            assert self.found(shown, name, "code", 3) >= 24
            assert self.found(shown, name, "code", 1) >= 22

    def test_bm25_scores_are_of_another_scale(self, shown):
        assert 15 < shown["bm"].max() < 20

    def test_the_gate_stops_what_is_off_topic_and_lets_pass_what_is_near(self, shown):
        stopped, about, known = (
            shown["nearest"] < shown["tau"],
            shown["about"],
            shown["known"],
        )
        assert stopped[~known & ~about].all()
        assert stopped[~known & about].sum() <= 3
        assert stopped[known].sum() <= 6
        assert 0.35 <= shown["f1_test"] <= 0.8

    def test_the_model_knows_nothing_without_a_page_and_reads_codes_with_one(
        self, shown
    ):
        code = shown["kinds"] == "code"
        right = shown["right"]
        assert right["no page"].mean() <= 0.05
        assert right["right page"][code].mean() >= 0.7
        assert right["first page"][code].mean() >= 0.65
        assert right["right page"][~code].mean() <= 0.5
        assert right["first three"].mean() <= right["first page"].mean()

    def test_on_squad_the_old_method_wins_and_the_gate_fails(self, shown):
        found = shown["squad_found"]
        assert found["BM25"] - found["MiniLM"] >= 0.08
        assert found["BM25"] >= 0.78
        assert 0.5 <= shown["wins"] <= 0.7
        assert shown["squad_f1"] - shown["always"] <= 0.08

    def test_the_shop_is_invented_so_the_model_has_not_read_it(self, shown):
        assert not shown["right"]["no page"].any()
