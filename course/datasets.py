"""The course's data sets, loaded from the cache that `course fetch` fills.

Each loader raises `AssetMissing`, with the command that gets it, when its data set
is not there. Heavy libraries are imported when a loader is called.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from course import assets

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Question:
    """A question about one passage.

    Attributes:
        passage: its passage's index in the list of passages.
        answers: the different answers that people marked; empty if there is none.
        is_impossible: the passage does not hold the answer, though it looks so.
    """

    question: str
    passage: int
    answers: tuple[str, ...]
    is_impossible: bool


@dataclass(frozen=True)
class Images:
    """Grey pictures with their classes.

    Attributes:
        X_train: shape (60000, 28, 28), uint8, 0 = black.
        y_train: shape (60000,), uint8, 0..9.
        X_test: shape (10000, 28, 28), uint8.
        y_test: shape (10000,), uint8.
        names: the ten classes' names.
    """

    X_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    X_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]
    names: tuple[str, ...]


FASHION = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "trainer",
    "bag",
    "ankle boot",
)


def load_squad() -> tuple[list[str], list[Question]]:
    """Return SQuAD 2.0's development set: 1,204 passages, 11,873 questions.

    5,945 of the questions cannot be answered from their passage. Licence: CC BY-SA
    4.0.

    Returns:
        passages: Wikipedia paragraphs, each once, in the file's order.
        questions: in the file's order.

    Raises:
        AssetMissing: run `course fetch squad`.

    Source: Rajpurkar, Jia & Liang (2018), arXiv:1806.03822.
    """
    text = (assets.path("squad") / "squad.json").read_text("utf-8")
    index: dict[str, int] = {}
    questions = []
    for article in json.loads(text)["data"]:
        for paragraph in article["paragraphs"]:
            passage = index.setdefault(paragraph["context"], len(index))
            questions += [
                Question(
                    question=item["question"].strip(),
                    passage=passage,
                    answers=tuple(dict.fromkeys(a["text"] for a in item["answers"])),
                    is_impossible=item["is_impossible"],
                )
                for item in paragraph["qas"]
            ]
    return list(index), questions


def load_ames() -> "pd.DataFrame":
    """Return the houses sold in Ames, Iowa, 2006-2010, shape (2930, 74).

    Used by the lessons: `Sale_Price` (US dollars, the target), `Gr_Liv_Area` (living
    area above ground, square feet), `Lot_Area` (square feet), `Total_Bsmt_SF`
    (basement, square feet), `Garage_Cars`, `Year_Built`, `Overall_Cond`,
    `Neighborhood`, `Latitude`, `Longitude`. Nothing is missing: what a house has not
    is a level of its own (`No_Garage`, `None`). Licence: MIT, as part of the R
    package modeldata.

    Raises:
        AssetMissing: run `course fetch ames`.

    Source: De Cock (2011), Ames, Iowa: alternative to the Boston housing data,
    Journal of Statistics Education 19(3).
    """
    # Two columns have a level called "None", which the packaging took for missing.
    return _table("ames", "ames").fillna(
        {"Mas_Vnr_Type": "None", "Misc_Feature": "None"}
    )


def load_movielens() -> "pd.DataFrame":
    """Return ratings of films, one per row, shape (100004, 7).

    Columns: `movieId`, `title`, `year`, `genres` (parted by |), `userId` (671),
    `rating` (0.5 to 5 stars), `timestamp` (seconds since 1970). Licence: GroupLens,
    no commercial use without permission.

    Raises:
        AssetMissing: run `course fetch movielens`.

    Source: Harper & Konstan (2015), The MovieLens datasets, doi:10.1145/2827872.
    """
    return _table("movielens", "movielens")


def load_sp500() -> "pd.DataFrame":
    """Return the S&P 500 index per trading day, shape (17346, 6), 1950 to 2018.

    Indexed by `Date`; `Open`, `High`, `Low`, `Close`, `Adj.Close` (points), `Volume`
    (shares). The right to publish prices is not stated: use them, do not copy them.

    Raises:
        AssetMissing: run `course fetch sp500`.

    Source: OpenIntro, https://www.openintro.org/data/index.php?data=sp500_1950_2018
    """
    import pandas as pd

    table = _table("sp500", "sp500")
    table["Date"] = pd.to_datetime(table["Date"])
    return table.set_index("Date").sort_index()


def load_creditcard() -> "pd.DataFrame":
    """Return two days of card payments, shape (284807, 31), 492 of them frauds.

    `Class` is 1 for a fraud; `Amount` is in euros, `Time` in seconds from the first
    payment; `V1` ... `V28` are principal components, so that nobody is recognised.
    1,081 rows repeat others: drop them before splitting, or they are in both halves.
    Licence: ODbL 1.0 (database), DbCL 1.0 (contents).

    Raises:
        AssetMissing: run `course fetch creditcard`.

    Source: Dal Pozzolo et al. (2015), doi:10.1109/SSCI.2015.33.
    """
    return _table("creditcard", "creditcard")


def load_complaints() -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Return complaints to banks for training (10000, 2) and testing (3000, 2).

    Each row is a text and one of 8 products. How the sample was drawn is not known.
    Licence: US public domain.

    Raises:
        AssetMissing: run `course fetch complaints`.

    Source: Consumer Financial Protection Bureau, Consumer Complaint Database.
    """
    return _table("complaints", "train"), _table("complaints", "test")


def load_fashion_mnist() -> Images:
    """Return Fashion-MNIST: 60,000 + 10,000 pictures of ten kinds of clothes.

    Licence: MIT.

    Raises:
        AssetMissing: run `course fetch fashion-mnist`.

    Source: Xiao, Rasul & Vollgraf (2017), arXiv:1708.07747.
    """
    with np.load(assets.path("fashion-mnist") / "arrays.npz") as arrays:
        return Images(
            X_train=arrays["train-images-idx3-ubyte"],
            y_train=arrays["train-labels-idx1-ubyte"],
            X_test=arrays["t10k-images-idx3-ubyte"],
            y_test=arrays["t10k-labels-idx1-ubyte"],
            names=FASHION,
        )


def load_job_ads() -> "pd.DataFrame":
    """Return job ads of 2023, mostly from Africa, shape (18371, 5).

    Columns: `job_title`; `job_title_short`, one of ten kinds that a classifier chose;
    `job_country`; `skills`, a list; `job_no_degree_mention`. Licence: Apache-2.0, as
    the author publishes the whole; the package that carries this part states none.

    Not a sample of any market. The search was for data jobs; 56 % of the ads are from
    South Africa, the rest from nine countries of Africa and Saudi Arabia; how they
    were drawn is not known, and the rows bear no date. `skills` are the hits of a list
    of words in the ad: 222 occur, none of them about language models but Hugging Face
    (3 ads); "flow" and "go" are mostly the English words. Every ad has a hit. 4,904
    rows equal an earlier one, and some lists name a skill twice.

    Raises:
        AssetMissing: run `course fetch job-ads`.

    Source: Barousse, https://huggingface.co/datasets/lukebarousse/data_jobs
    """
    import pandas as pd

    file = assets.path("job-ads") / "ads.jsonl"
    return pd.read_json(file, lines=True, dtype=False)


def _table(name: str, file: str) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_parquet(assets.path(name) / f"{file}.parquet")
