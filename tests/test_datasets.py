"""Data sets come out of the cache in the shape that their docstrings give."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from course import assets, datasets, manifest
from course.errors import AssetMissing

LOADERS = {
    "squad": datasets.load_squad,
    "ames": datasets.load_ames,
    "movielens": datasets.load_movielens,
    "sp500": datasets.load_sp500,
    "creditcard": datasets.load_creditcard,
    "complaints": datasets.load_complaints,
    "fashion-mnist": datasets.load_fashion_mnist,
    "job-ads": datasets.load_job_ads,
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSROADS_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_data_set_names_the_command_that_gets_it(cache, name):
    with pytest.raises(AssetMissing, match=f"course fetch {name}"):
        LOADERS[name]()


@pytest.mark.parametrize("name", LOADERS)
def test_a_loaders_docstring_says_shape_licence_source_and_remedy(name):
    words = LOADERS[name].__doc__
    assert re.search(r"\d[\d,]{3,}", words)
    assert f"course fetch {name}" in words
    for heading in ("Licence", "Source:", "Raises:"):
        assert heading in words or "The right to publish" in words


def item(question, answers, impossible=False):
    return {
        "question": question,
        "answers": [{"text": a} for a in answers],
        "is_impossible": impossible,
    }


def test_squads_passages_are_counted_once_and_answers_too(cache):
    said = [
        {"context": "P0", "qas": [item(" Who? ", ["A", "B", "A"])]},
        {"context": "P1", "qas": [item("When?", [], impossible=True)]},
        {"context": "P0", "qas": [item("Where?", ["C"])]},
    ]
    folder = cache / "squad"
    folder.mkdir()
    (folder / "squad.json").write_text(json.dumps({"data": [{"paragraphs": said}]}))
    assets.seal(manifest.load()["squad"], folder)
    passages, questions = datasets.load_squad()
    assert passages == ["P0", "P1"]
    assert [q.passage for q in questions] == [0, 1, 0]
    assert questions[0] == datasets.Question("Who?", 0, ("A", "B"), is_impossible=False)
    assert questions[1].is_impossible
    assert questions[1].answers == ()


def test_a_level_called_none_is_not_missing(cache):
    folder = cache / "ames"
    folder.mkdir()
    table = pd.DataFrame({"Mas_Vnr_Type": ["Stone", None], "Sale_Price": [1, 2]})
    table.to_parquet(folder / "ames.parquet")
    assets.seal(manifest.load()["ames"], folder)
    assert datasets.load_ames()["Mas_Vnr_Type"].tolist() == ["Stone", "None"]


@pytest.mark.models
def test_squad_is_the_development_set():
    passages, questions = datasets.load_squad()
    assert (len(passages), len(questions)) == (1204, 11873)
    assert sum(q.is_impossible for q in questions) == 5945
    assert all(q.is_impossible == (not q.answers) for q in questions)
    assert all(a in passages[q.passage] for q in questions for a in q.answers)


@pytest.mark.models
def test_ames_has_its_houses_and_nothing_is_missing():
    table = datasets.load_ames()
    assert table.shape == (2930, 74)
    assert "rownames" not in table
    assert not table.isna().any().any()
    named = set(re.findall(r"`([A-Z]\w+)`", datasets.load_ames.__doc__))
    assert named - {"No_Garage", "None", "AssetMissing"} <= set(table.columns)
    assert table["Sale_Price"].between(10_000, 1_000_000).all()


def load_if_there(name):
    """The optional sets are looked at where somebody has fetched them."""
    try:
        return LOADERS[name]()
    except AssetMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.models
def test_movielens_is_what_its_docstring_says():
    table = load_if_there("movielens")
    assert table.shape == (100004, 7)
    assert (table["userId"].nunique(), table["movieId"].nunique()) == (671, 9066)


@pytest.mark.models
def test_sp500_is_in_order_of_time():
    table = load_if_there("sp500")
    assert table.shape == (17346, 6)
    assert table.index.is_monotonic_increasing


@pytest.mark.models
def test_creditcard_has_its_frauds_and_its_repeats():
    table = load_if_there("creditcard")
    assert table.shape == (284807, 31)
    assert (table["Class"].sum(), table.duplicated().sum()) == (492, 1081)


@pytest.mark.models
def test_complaints_has_two_halves_and_eight_products():
    train, test = load_if_there("complaints")
    assert (train.shape, test.shape) == ((10000, 2), (3000, 2))
    assert set(test["Product"]) <= set(train["Product"])
    assert train["Product"].nunique() == 8


@pytest.mark.models
def test_fashion_mnist_has_as_many_of_each_kind():
    images = load_if_there("fashion-mnist")
    assert images.X_train.shape == (60000, 28, 28)
    assert images.X_test.shape == (10000, 28, 28)
    assert np.bincount(images.y_train).tolist() == [6000] * 10
    assert np.bincount(images.y_test).tolist() == [1000] * 10


def test_a_job_ad_keeps_its_words_whatever_they_look_like(cache):
    folder = cache / "job-ads"
    folder.mkdir()
    ad = {"job_title": "1542", "skills": ["sas", "sas"], "job_country": "Côte d'Ivoire"}
    line = json.dumps(ad, ensure_ascii=False)
    (folder / "ads.jsonl").write_text(line + "\n", encoding="utf-8")
    assets.seal(manifest.load()["job-ads"], folder)
    assert datasets.load_job_ads().to_dict("records") == [ad]


@pytest.mark.models
def test_job_ads_are_as_skewed_as_their_docstring_says():
    ads = datasets.load_job_ads()
    assert ads.shape == (18371, 5)
    assert set(ads.columns) <= set(
        re.findall(r"`(\w+)`", datasets.load_job_ads.__doc__)
    )
    assert not ads.isna().any().any()
    assert (ads["job_country"] == "South Africa").mean() == pytest.approx(
        0.56, abs=0.005
    )
    assert ads["job_country"].nunique() == 10
    assert ads["job_title_short"].nunique() == 10
    assert ads["skills"].map(len).min() == 1
    named = ads["skills"].explode()
    assert named.nunique() == 222
    assert (named == "hugging face").sum() == 3
    assert not named.str.contains("llm|gpt|openai|langchain|prompt").any()
    assert ads["skills"].map(lambda it: it == ["flow"]).sum() == 176
    assert ads["skills"].map(lambda it: len(set(it)) < len(it)).sum() == 2278
    assert ads.assign(skills=ads["skills"].map(tuple)).duplicated().sum() == 4904
