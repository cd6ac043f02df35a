"""The tickets hold what lessons A2 and A6 rely on."""

import re
from collections import Counter

import pytest

from course.tickets import INTENTS, SPLITS, VOICES, load_tickets

TICKETS = load_tickets()


def words(text):
    return set(re.findall(r"[a-z]+", text.casefold()))


def test_there_are_thirty_tickets_of_each_of_eight_intents():
    assert Counter(t.intent for t in TICKETS.all) == dict.fromkeys(INTENTS, 30)
    assert tuple(TICKETS.meanings) == INTENTS
    assert TICKETS.licence.startswith("CC0-1.0")


def test_every_split_has_ten_tickets_of_each_intent():
    seen = Counter((t.split, t.intent) for t in TICKETS.all)
    assert seen == {(s, i): 10 for s in SPLITS for i in INTENTS}
    assert sum(len(TICKETS.of_split(s)) for s in SPLITS) == 240


def test_no_ticket_occurs_twice():
    plain = [" ".join(re.findall(r"\w+", t.text.casefold())) for t in TICKETS.all]
    assert len(set(plain)) == 240
    assert len(TICKETS.index) == 240


def test_a_situation_has_every_voice_once_and_is_on_one_side_only():
    groups = {}
    for t in TICKETS.all:
        groups.setdefault((t.intent, t.situation), []).append(t)
    assert len(groups) == 48
    for group in groups.values():
        assert [t.voice for t in group] == list(VOICES)
        assert len({t.split for t in group}) == 1


def test_no_two_tickets_of_different_splits_are_nearly_the_same():
    for a in TICKETS.all:
        for b in TICKETS.all:
            if a.split < b.split and min(len(words(a.text)), len(words(b.text))) > 4:
                shared = len(words(a.text) & words(b.text))
                assert shared / len(words(a.text) | words(b.text)) < 0.5, (a.id, b.id)


def test_most_tickets_do_not_say_their_label():
    says = [t.intent in words(t.text) for t in TICKETS.all]
    assert sum(says) / len(says) < 0.1


def test_a_label_is_the_place_of_the_intent():
    assert [INTENTS[t.label] for t in TICKETS.all] == [t.intent for t in TICKETS.all]


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="use train, dev, test"):
        TICKETS.of_split("exam")
