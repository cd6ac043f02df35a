"""The handbook holds what lesson A4 relies on."""

import re
from collections import Counter

import pytest

from course.handbook import KINDS, load_handbook, states

BOOK = load_handbook()
ANSWERABLE = BOOK.of_kind("paraphrase", "code")


def test_there_are_sixty_pages_and_eighty_questions_of_three_kinds():
    assert len(BOOK.pages) == 60
    assert Counter(q.kind for q in BOOK.questions) == {
        "paraphrase": 40,
        "code": 25,
        "unanswerable": 15,
    }
    assert BOOK.licence.startswith("CC0-1.0")


def test_nine_of_the_unanswerable_questions_are_about_the_shop():
    about = [q.about_shop for q in BOOK.of_kind("unanswerable")]
    assert about == [True] * 9 + [False] * 6


def test_nothing_occurs_twice():
    for values in (
        [p.id for p in BOOK.pages],
        [p.title for p in BOOK.pages],
        [p.text for p in BOOK.pages],
        [q.id for q in BOOK.questions],
        [q.text.casefold() for q in BOOK.questions],
    ):
        assert len(set(values)) == len(values)


def test_each_page_has_sixty_to_seventy_five_words():
    for page in BOOK.pages:
        assert 60 <= len(page.text.split()) <= 75, page.id


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda q: q.id)
def test_the_answer_is_on_its_page_and_on_no_other(question):
    holders = [p.id for p in BOOK.pages if states(p.full, question.answers)]
    assert holders == [question.page]
    assert states(BOOK.pages[BOOK.index[question.page]].text, question.answers[:1])


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda q: q.id)
def test_the_question_does_not_give_its_answer_away(question):
    assert not states(question.text, question.answers)


@pytest.mark.parametrize("question", BOOK.of_kind("code"), ids=lambda q: q.id)
def test_a_code_question_names_a_code_of_its_page(question):
    codes = set(re.findall(r"\b[A-Z]+-?\d+\b", question.text))
    page = BOOK.pages[BOOK.index[question.page]]
    assert codes
    assert all(code in page.text for code in codes)


@pytest.mark.parametrize("question", BOOK.of_kind("unanswerable"), ids=lambda q: q.id)
def test_what_an_unanswerable_question_asks_for_is_on_no_page(question):
    assert question.page is None
    assert question.absent
    assert question.answers == ()
    everything = "\n".join(page.full for page in BOOK.pages).casefold()
    assert not any(it.casefold() in everything for it in question.absent)


def test_paraphrases_share_few_words_with_their_page():
    def content(text):
        return {w for w in re.findall(r"[a-z]+", text.casefold()) if len(w) > 4}

    shared = [
        len(content(q.text) & content(BOOK.pages[BOOK.index[q.page]].full))
        for q in BOOK.of_kind("paraphrase")
    ]
    assert sum(shared) / len(shared) < 1


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="use paraphrase, code"):
        BOOK.of_kind("hard")
    assert len(BOOK.of_kind(*KINDS)) == 80


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("It costs 26.40 euro.", "26.40 euro", True),
        ("It costs 126.40 euro.", "26.40 euro", False),
        ("It costs 4.90 euro", "4.9 euro", False),
        ("a 46-cm lamp", "46 cm", True),
        ("Within 380 days", "38 days", False),
        ("SIX working\ndays", "six working days", True),
        ("1,150 lumens", "150 lumens", False),
        ("", "64", False),
    ],
)
def test_a_fact_is_found_as_whole_words_only(text, answer, found):
    assert states(text, [answer]) is found
