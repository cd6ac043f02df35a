# ---
# jupyter:
#   crossroads:
#     id: m8
#     track: ml_track
#     title: Ship the model
#     partner: a8
#     assets: []
#     cpu_s: 60
# ---

# %% [markdown]
# # M8 · Ship the model
#
# *Day 8, the machine-learning engineer's last half-day.* The fraud model of
# day 2 was good enough for a meeting. From Monday it is to judge every payment
# in the lamp shop's till, at three in the morning, too, and in a year's time,
# when nobody remembers how it was trained. Between "the notebook says 0.60"
# and that lies today's work.
#
# A model in service fails in other ways than a model in a notebook. It gets
# its columns in another order. It is read from a file that runs a stranger's
# code. The world changes and no error is raised. The new version is better on
# average and worse where it hurts. You write one guard against each:
#
# {{exercises}}
#
# At the end your functions answer over HTTP, in a real web service on this
# machine, are logged in a real experiment tracker, and are deployed by a real
# shell script that is run twice. The payments are simulated (`course.fraud`),
# so for once we know on which day the world changed, and how.

# %% setup
import io
import json
import pickle
import sqlite3

import numpy as np

from course import fraud
from course.feedback import (
    check,
    expect,
    expect_close,
    expect_equal,
    expect_prediction,
    expect_raises,
    expect_type,
    expect_unchanged,
    fail,
)
from course.hints import hint, parsons
from course.plots import BLACK, BLUE, GREEN, ORANGE, RED, figure, show
from course.progress import again, outcome


def table_of(payments):
    """Return a database with the table payments(id, terminal, day, fraud)."""
    con = sqlite3.connect(":memory:")
    con.execute(
        "CREATE TABLE payments (id INT, terminal INT, day REAL, fraud INT)"
    )
    con.executemany("INSERT INTO payments VALUES (?, ?, ?, ?)", payments)
    return con


def small_model():
    """Return a model with three columns, made up, to look at."""
    return {
        "version": "v1",
        "columns": ["amount", "night", "terminal_risk"],
        "mu": np.array([53.0, 0.1, 0.02]),
        "sd": np.array([41.0, 0.3, 0.13]),
        "w": np.array([-4.0, 0.9, 0.3, 1.1]),  # bias first
        "threshold": 0.5,
    }


# %% [markdown]
# ## Predict
#
# A model is trained on four quiet weeks. Every week a monitor compares the
# *amounts* of that week with those of the training weeks. Then, in week 17,
# one of two things happens:
#
# - *prices*: everything costs 30 % more, and a quarter of the payments move to
#   new shops on the internet;
# - *fraudsters*: they change their ways. They leave a terminal after 4 days
#   instead of 28, and hide in small payments. Honest customers go on as ever.
#
# **In which of the two does the monitor of amounts ring?** Set `guess` to
# `"prices"`, `"fraudsters"`, `"both"` or `"neither"`, and `confidence` to a
# number from 0 (no idea) to 1 (certain). And ask yourself which of the two
# costs more.

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "both", 0.5
### END SOLUTION

# %% check="guess"
with check("m8.guess"):
    options = ["prices", "fraudsters", "both", "neither"]
    expect_prediction("m8.guess", guess, confidence, options)

# %% right="guess"
guess, confidence = "prices", 0.9

# %% right="guess"
guess, confidence = "neither", 0

# %% wrong="guess" says="must be one of; fraudsters"
guess, confidence = "concept", 0.5

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "prices", 90

# %% [markdown]
# ## The artefact: what exactly is "the model"?
#
# Not the weights. It is *everything between the raw row and the decision*: the
# names of the columns **in their order**, the means and deviations that
# standardised them, the weights, the threshold, a version. Leave one out and
# somebody will fill it in from memory.
#
# A worked example: an amount of 200 euros at night at a terminal where 5 % of
# the known payments were frauds. Offline, the row is standardised first. A
# service that was given the weights alone multiplies them with raw euros.

# %%
m = small_model()
row = np.array([200.0, 1.0, 0.05])
z = m["w"][0] + (row - m["mu"]) / m["sd"] @ m["w"][1:]
z_raw = m["w"][0] + row @ m["w"][1:]
print(f"offline {1 / (1 + np.exp(-z)):.3f}")
print(f"served without the scaler {1 / (1 + np.exp(-z_raw)):.3f}")

# %% [markdown]
# **And not a pickle.** Python's `pickle` is the easy way, and it is a
# *program*: to read one is to run it. The next cell makes a "model" of a
# few dozen bytes, which calls a function of its maker's choice while it is being read. A
# harmless one, here.

# %%


class Surprise:
    """A "model" that calls len("a stranger's code") when it is read."""

    def __reduce__(self):
        return (len, ("a stranger's code",))


stranger = pickle.dumps(Surprise())
print(f"{len(stranger)} bytes; reading them gives {pickle.loads(stranger)}")

# %% [markdown]
# Numbers and text need no program. An `.npz` file is a zip of plain arrays,
# with every bit of a float64 in it. What is not an array goes in as JSON text.
#
# ## Exercise 1: pack and unpack
#
# `pack(model)` returns the bytes of an `.npz` with four parts: `mu`, `sd`, `w`
# (float64, unchanged), and `header`, a JSON text with the keys `format` (the
# number 1), `version`, `columns`, `threshold`. (Write it into an `io.BytesIO`
# with `np.savez` and return `getvalue()`.)
#
# `unpack(blob)` returns the dict as it was: `version`, `columns`, `mu`, `sd`,
# `w`, `threshold`. It must never unpickle, and must raise `ValueError` if
# `format` is not 1: better no model than a misread one.


# %% exercise="pack" points=2 minutes=9 difficulty=2
def pack(model):
    """Return the model as the bytes of an .npz; nothing in it is pickled."""
    # 1. header: what is not an array, as JSON   2. arrays: unchanged
    ### BEGIN SOLUTION
    words = {name: model[name] for name in ("version", "columns", "threshold")}
    arrays = {name: model[name] for name in ("mu", "sd", "w")}
    file = io.BytesIO()
    np.savez(file, header=json.dumps({"format": 1, **words}), **arrays)
    return file.getvalue()
    ### END SOLUTION
    return b""  # replace this line


def unpack(blob):
    """Return the model that was packed; ValueError if its format is not 1."""
    # 3. read: without pickle   4. refuse: another format
    ### BEGIN SOLUTION
    with np.load(io.BytesIO(blob), allow_pickle=False) as parts:
        arrays = {name: parts[name] for name in ("mu", "sd", "w")}
        words = json.loads(str(parts["header"]))
    if words.pop("format") != 1:
        raise ValueError("this artefact's format is not 1")
    return {**words, **arrays}
    ### END SOLUTION
    return small_model()  # replace this line


# %% check="pack"
with check("m8.pack"):

    def a_model(rng, n_columns):
        return {
            "version": f"v{rng.integers(2, 99)}",
            "columns": [f"column_{i}" for i in range(n_columns)][::-1],
            "mu": rng.normal(50, 20, n_columns),
            "sd": rng.uniform(5, 20, n_columns),
            "w": rng.normal(0, 1, n_columns + 1),
            "threshold": float(rng.uniform(0.1, 0.9)),
        }

    def score_of(model, x):
        z = model["w"][0] + (x - model["mu"]) / model["sd"] @ model["w"][1:]
        return float(1 / (1 + np.exp(-z)))

    def parts_of(blob):
        """Read a packed model's parts here; each complaint has its reason."""
        expect_type(blob, bytes, "pack(model)")
        expect(
            blob[:1] != b"\x80",
            "this is a pickle: whoever reads it runs the code that is in it. "
            "Use np.savez for the arrays and JSON for the rest.",
        )
        expect(
            blob[:2] == b"PK",
            "the bytes are not an .npz, which is a zip file: np.savez(file, "
            "...) and then file.getvalue().",
        )
        try:
            with np.load(io.BytesIO(blob), allow_pickle=False) as found:
                return {name: found[name] for name in found.files}
        except ValueError:
            fail(
                "there is a pickle inside of the .npz: np.savez pickles what "
                "is not an array of numbers or text (a dict becomes an object "
                "array). Put the words in as JSON text."
            )

    def judge_pack(model, what):
        kept = {k: np.copy(model[k]) for k in ("mu", "sd", "w")}
        parts = parts_of(pack(model))
        for name in ("mu", "sd", "w", "header"):
            if name not in parts:
                x = model["mu"] + 1.5 * model["sd"]
                bare = dict(model, mu=0 * x, sd=0 * x + 1)
                why = (
                    "The scaler belongs to the model: the same row gets "
                    f"{score_of(model, x):.2f} offline and "
                    f"{score_of(bare, x):.2f} served."
                )
                fail(
                    f"{what}: the part {name!r} was left out of the .npz. "
                    + (why if name in ("mu", "sd") else "See the list above.")
                )
        for name, value in kept.items():
            expect_unchanged(model[name], value, f"model[{name!r}]")
            same = np.array_equal(parts[name], value)
            expect(
                same,
                f"{what}: {name!r} was changed on the way into the file "
                f"(type {parts[name].dtype}): rounded weights give other "
                "scores than those that were tested. Keep float64, every bit.",
            )
        try:
            header = json.loads(str(parts["header"]))
        except ValueError:
            fail(
                f"{what}: the header is not JSON: {str(parts['header'])[:60]}."
                " str() of a dict has single quotes; use json.dumps."
            )
        expect(
            isinstance(header, dict) and header.get("format") == 1,
            f"{what}: the header must say format 1: next year's reader has to "
            "know what it reads.",
        )
        for name in ("version", "columns", "threshold"):
            expect(name in header, f"{what}: the header lacks {name!r}.")
            expect_equal(
                header[name],
                model[name],
                f"{what}: the header's {name}",
                mistakes={
                    "the columns were sorted. Their order is that of the "
                    "weights: keep it.": sorted(model["columns"])
                },
            )

    def made_here(model, form=1, **other):
        names = ("version", "columns", "threshold")
        head = {"format": form, **{k: model[k] for k in names}}
        arrays = {k: model[k] for k in ("mu", "sd", "w")} | other
        target = io.BytesIO()
        np.savez(target, header=np.array(json.dumps(head)), **arrays)
        return target.getvalue()

    def judge_unpack(model, what):
        got = unpack(made_here(model))
        expect_type(got, dict, f"{what}: unpack(blob)")
        for name in ("version", "columns", "threshold"):
            expect(name in got, f"{what}: unpack lost {name!r}.")
            expect_equal(got[name], model[name], f"{what}: {name} of unpack")
        for name in ("mu", "sd", "w"):
            expect(name in got, f"{what}: unpack lost {name!r}.")
            expect_close(
                got[name], model[name], f"{what}: {name} of unpack", rtol=1e-15
            )

    rng = np.random.default_rng(1)
    first = a_model(rng, 3)
    judge_pack(first, "three columns")
    judge_unpack(first, "three columns")
    expect_raises(
        ValueError,
        lambda: unpack(made_here(first, form=2)),
        "an artefact of format 2 must be refused with ValueError: its parts "
        "may mean something else.",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n_columns in (1, 2, 13):
        some = a_model(rng, n_columns)
        judge_pack(some, f"{n_columns} columns")
        judge_unpack(some, f"{n_columns} columns")
    planted = np.array([{"w": 1}], dtype=object)
    expect_raises(
        ValueError,
        lambda: unpack(made_here(first, w=planted)),
        "the hidden test planted a pickle in the part w, and unpack read it: "
        "a stranger's code would have run. Load with allow_pickle=False, "
        "which raises ValueError.",
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="pack"
# Sketch: two dicts, one of words, one of arrays. The words become one text with
# `json.dumps`, which `np.savez` stores as an array of text. On the way back,
# `np.load` gives the parts by name; `str(...)` turns the header into text
# again.

# %% [markdown] hint="pack"
# ```python
# file = io.BytesIO()                                       # pack
# np.savez(file, header=json.dumps({"format": 1, ...}),
#          mu=..., sd=..., w=...)
# return file....
#
# with np.load(io.BytesIO(blob), allow_pickle=...) as parts:    # unpack
#     words = json.loads(str(parts[...]))
#     ...
# if words.pop("format") != 1:
#     raise ...
# ```


# %% right="pack"
def pack(model):
    buf = io.BytesIO()
    head = json.dumps(
        dict(
            format=1,
            threshold=model["threshold"],
            columns=list(model["columns"]),
            version=model["version"],
        )
    )
    np.savez_compressed(
        buf,
        w=model["w"],
        sd=model["sd"],
        mu=model["mu"],
        header=np.array(head),
    )
    buf.seek(0)
    return buf.read()


def unpack(blob):
    z = np.load(io.BytesIO(blob))
    head = json.loads(z["header"].item())
    assert_format = head.get("format")
    if assert_format != 1:
        raise ValueError(f"format {assert_format}")
    out = {k: head[k] for k in ["version", "columns", "threshold"]}
    for k in ["mu", "sd", "w"]:
        out[k] = z[k]
    return out


# %% wrong="pack" says="this is a pickle; runs the code"
def pack(model):
    return pickle.dumps(model)


def unpack(blob):
    return pickle.loads(blob)


# %% wrong="pack" says="pickle inside of the .npz; JSON"
def pack(model):
    file = io.BytesIO()
    head = {k: model[k] for k in ("version", "columns", "threshold")}
    arrays = {k: model[k] for k in ("mu", "sd", "w")}
    np.savez(file, header={"format": 1, **head}, **arrays)
    return file.getvalue()


def unpack(blob):
    parts = np.load(io.BytesIO(blob), allow_pickle=True)
    return {**parts["header"].item(), "w": parts["w"]}


# %% wrong="pack" says="left out; scaler belongs; offline and; served"
def pack(model):
    file = io.BytesIO()
    head = {k: model[k] for k in ("version", "columns", "threshold")}
    np.savez(file, header=json.dumps({"format": 1, **head}), w=model["w"])
    return file.getvalue()


def unpack(blob):
    parts = np.load(io.BytesIO(blob))
    return {**json.loads(str(parts["header"])), "w": parts["w"]}


# %% wrong="pack" says="rounded weights; float64"
def pack(model):
    file = io.BytesIO()
    head = {k: model[k] for k in ("version", "columns", "threshold")}
    arrays = {k: model[k].astype(np.float32) for k in ("mu", "sd", "w")}
    np.savez(file, header=json.dumps({"format": 1, **head}), **arrays)
    return file.getvalue()


# %% wrong="pack" says="columns were sorted; order"
def pack(model):
    file = io.BytesIO()
    head = {
        "format": 1,
        "version": model["version"],
        "columns": sorted(model["columns"]),
        "threshold": model["threshold"],
    }
    arrays = {k: model[k] for k in ("mu", "sd", "w")}
    np.savez(file, header=json.dumps(head), **arrays)
    return file.getvalue()


# %% wrong="pack" says="single quotes; json.dumps"
def pack(model):
    file = io.BytesIO()
    head = {k: model[k] for k in ("version", "columns", "threshold")}
    arrays = {k: model[k] for k in ("mu", "sd", "w")}
    np.savez(file, header=str({"format": 1, **head}), **arrays)
    return file.getvalue()


# %% wrong="pack" says="format 2 must be refused"
def pack(model):
    file = io.BytesIO()
    head = {k: model[k] for k in ("version", "columns", "threshold")}
    arrays = {k: model[k] for k in ("mu", "sd", "w")}
    np.savez(file, header=json.dumps({"format": 1, **head}), **arrays)
    return file.getvalue()


def unpack(blob):
    parts = np.load(io.BytesIO(blob))
    arrays = {k: parts[k] for k in ("mu", "sd", "w")}
    return {**json.loads(str(parts["header"])), **arrays}


# %% wrong="pack" says="planted a pickle; allow_pickle=False"
def pack(model):
    file = io.BytesIO()
    head = {k: model[k] for k in ("version", "columns", "threshold")}
    arrays = {k: model[k] for k in ("mu", "sd", "w")}
    np.savez(file, header=json.dumps({"format": 1, **head}), **arrays)
    return file.getvalue()


def unpack(blob):
    parts = np.load(io.BytesIO(blob), allow_pickle=True)
    arrays = {k: parts[k] for k in ("mu", "sd", "w")}
    head = json.loads(str(parts["header"]))
    if head["format"] != 1:
        raise ValueError("format")
    return {**head, **arrays}


# %% [markdown]
# ## One code path
#
# **Training-serving skew** is the name for every difference between the score
# that was tested and the score that is served. It has three classic roots: the
# columns come in another order; the scaler is fitted again, on the request;
# what is missing is quietly filled with 0. Each gives plausible numbers. The
# cure is one function that both sides call, that finds its columns **by name**
# and refuses what it cannot judge.
#
# ## Exercise 2: predict rows
#
# In: `model`, as `unpack` returns it; `rows`, a list of at least one dict from
# column name to number, as a web service gets them. Further keys may be there
# and do not matter. Out: the probabilities, shape `(N,)`: standardise, then
# $1/(1+e^{-z})$ with $z = w_0 + \sum_j w_j x_j$. If a row lacks a column or
# has a value that is not finite, raise `ValueError` with the column's name.


# %% exercise="predict_rows" points=2 minutes=8 difficulty=2
def predict_rows(model, rows):
    """Return each row's probability of fraud, shape (N,)."""
    # 1. columns: by name, in the model's order; refuse what is missing
    # 2. standardise: with the model's mu and sd
    # 3. score
    ### BEGIN SOLUTION
    names = model["columns"]
    X = np.array([[row.get(name, np.nan) for name in names] for row in rows])
    for name, column in zip(names, X.T):
        if not np.isfinite(column).all():
            raise ValueError(f"no usable number in the column {name}")
    z = model["w"][0] + (X - model["mu"]) / model["sd"] @ model["w"][1:]
    return np.exp(-np.logaddexp(0, -z))
    ### END SOLUTION
    return np.zeros(len(rows))  # replace this line


# %% check="predict_rows"
with check("m8.predict_rows"):
    from scipy.special import expit

    def slow_score(model, row):
        """One row, one column at a time."""
        z = float(model["w"][0])
        for name, mu, sd, w in zip(
            model["columns"], model["mu"], model["sd"], model["w"][1:]
        ):
            z += w * (row[name] - mu) / sd
        return float(expit(z))

    def skewed(model, rows):
        """What typical mistakes give."""
        X = np.array([list(row.values())[: len(model["mu"])] for row in rows])
        by_name = np.array([[r[c] for c in model["columns"]] for r in rows])
        w, mu, sd = model["w"], model["mu"], model["sd"]
        right = (by_name - mu) / sd
        spread = by_name.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        own = (by_name - by_name.mean(axis=0)) / spread
        ordered = np.array([[r[c] for c in sorted(r)][: len(mu)] for r in rows])
        return {
            "the columns were taken in the order in which the row has them. A "
            "caller may send them in any order: look each up by name, in the "
            "order of model['columns'].": expit(w[0] + (X - mu) / sd @ w[1:]),
            "the columns were taken in alphabetical order; the weights are in "
            "that of model['columns'].": expit(
                w[0] + (ordered - mu) / sd @ w[1:]
            ),
            "the scaler is missing: the raw values were multiplied with "
            "weights that belong to standardised ones.": expit(
                w[0] + by_name @ w[1:]
            ),
            "the scaler was fitted again on these rows, so the same payment "
            "gets another score in other company. Use the model's mu and "
            "sd.": expit(w[0] + own @ w[1:]),
            "these are z, not probabilities: apply 1 / (1 + exp(-z)).": w[0]
            + right @ w[1:],
            "the bias w[0] is missing.": expit(right @ w[1:]),
            "the bias was taken from the end: w[0] is the bias.": expit(
                w[-1] + right @ w[:-1]
            ),
            "these are decisions. Return probabilities: the threshold is "
            "somebody else's business, and changes.": (
                expit(w[0] + right @ w[1:]) >= model["threshold"]
            ).astype(float),
            "these are probabilities of an honest payment: the sign of z is "
            "turned.": expit(-(w[0] + right @ w[1:])),
        }

    def judge_rows(model, rows, what):
        before = [dict(row) for row in rows]
        got = predict_rows(model, rows)
        expect_equal(rows, before, "rows after the call")
        expect_close(
            got,
            [slow_score(model, row) for row in rows],
            what,
            rtol=1e-9,
            atol=1e-12,
            mistakes=skewed(model, rows),
        )

    def judge_refusal(model, row, name, how):
        try:
            got = predict_rows(model, [row])
        except ValueError as error:
            expect(
                name in str(error),
                f"a row {how} must raise ValueError with the name {name!r} in "
                f"its message, so that the caller can mend it; it says "
                f"{str(error)!r}.",
            )
        except Exception as error:
            kind = "KeyError" if isinstance(error, KeyError) else "an error"
            fail(
                f"a row {how} raised {kind}. Raise ValueError with the name of "
                "the column: the service turns it into an answer that the "
                "caller understands."
            )
        else:
            fail(
                f"a row {how} got the score {np.ravel(got)[:1]}: a number "
                "that was made up. Raise ValueError with the column's name."
            )

    tiny = {
        "version": "v1",
        "columns": ["risk", "amount"],
        "mu": np.array([0.1, 50.0]),
        "sd": np.array([0.2, 40.0]),
        "w": np.array([-1.0, 2.0, 0.5]),
        "threshold": 0.5,
    }
    judge_rows(
        tiny,
        [{"amount": 90.0, "risk": 0.3}, {"amount": 10.0, "risk": 0.2}],
        "two rows",
    )
    judge_rows(tiny, [{"amount": 20.0, "id": 7, "risk": 0.0}], "one row")
    judge_refusal(tiny, {"amount": 20.0}, "risk", "without the column risk")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    names = ["b", "a", "d", "c", "e"]
    five = {
        "version": "v2",
        "columns": names,
        "mu": rng.normal(size=5),
        "sd": rng.uniform(0.5, 2, 5),
        "w": rng.normal(size=6),
        "threshold": 0.4,
    }
    rows = [
        {k: float(rng.normal()) for k in rng.permutation(names)}
        for _ in range(9)
    ]
    judge_rows(five, rows, "nine rows, each in another order")
    judge_rows(five, rows[:1], "one row alone")
    far = [{k: 400.0 * np.sign(w) for k, w in zip(names, five["w"][1:])}]
    far += [{k: -v for k, v in far[0].items()}]
    judge_rows(five, far, "two rows far from the rest")
    judge_rows(five, [{k: 1 for k in names}], "whole numbers")
    for bad in (float("nan"), float("inf")):
        judge_refusal(five, {**rows[0], "d": bad}, "d", f"with {bad} in d")
    ### END HIDDEN TESTS

# %% [markdown] hint="predict_rows"
# Sketch: a table `X`, one row per dict, one column per name in
# `model["columns"]`, nan where a row has no such key. Then look whether each
# column is finite; if one is not, raise with its name. Standardise the table
# with what the model brings, and apply weights and sigmoid.

# %% [markdown] hint="predict_rows"
# ```python
# names = model["columns"]
# X = np.array([[row.get(name, ...) for name in ...] for row in rows])
# for name, column in zip(names, X.T):
#     if not ...:
#         raise ValueError(...)
# z = model["w"][0] + ... @ model["w"][1:]
# return ...
# ```


# %% right="predict_rows"
def predict_rows(model, rows):
    import math

    out = []
    for row in rows:
        z = float(model["w"][0])
        for i, name in enumerate(model["columns"]):
            if name not in row or not math.isfinite(row[name]):
                raise ValueError("column " + name)
            x = (row[name] - model["mu"][i]) / model["sd"][i]
            z += float(model["w"][i + 1] * x)
        out.append(0.5 * (1 + math.tanh(z / 2)))
    return out


# %% right="predict_rows"
def predict_rows(model, rows):
    import pandas as pd

    frame = pd.DataFrame(rows).reindex(columns=model["columns"])
    bad = ~np.isfinite(frame).all(axis=0)
    if bad.any():
        raise ValueError(f"unusable: {list(frame.columns[bad])}")
    X = (frame.to_numpy(float) - model["mu"]) / model["sd"]
    z = np.column_stack([np.ones(len(X)), X]) @ model["w"]
    return 1 / (1 + np.exp(-np.clip(z, -700, 700)))


# %% wrong="predict_rows" says="order in which the row has them; by name"
def predict_rows(model, rows):
    X = np.array([list(row.values()) for row in rows], float)
    z = model["w"][0] + (X - model["mu"]) / model["sd"] @ model["w"][1:]
    return 1 / (1 + np.exp(-z))


# %% wrong="predict_rows" says="fitted again; other company"
def predict_rows(model, rows):
    X = np.array([[r[c] for c in model["columns"]] for r in rows], float)
    sd = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(sd > 0, sd, 1)
    return 1 / (1 + np.exp(-model["w"][0] - X @ model["w"][1:]))


# %% wrong="predict_rows" says="scaler is missing; raw values"
def predict_rows(model, rows):
    X = np.array([[r[c] for c in model["columns"]] for r in rows], float)
    return 1 / (1 + np.exp(-model["w"][0] - X @ model["w"][1:]))


# %% wrong="predict_rows" says="made up; ValueError"
def predict_rows(model, rows):
    X = np.array([[r.get(c, 0) for c in model["columns"]] for r in rows], float)
    z = model["w"][0] + (X - model["mu"]) / model["sd"] @ model["w"][1:]
    return 1 / (1 + np.exp(-z))


# %% wrong="predict_rows" says="KeyError; name of the column"
def predict_rows(model, rows):
    X = np.array([[r[c] for c in model["columns"]] for r in rows], float)
    z = model["w"][0] + (X - model["mu"]) / model["sd"] @ model["w"][1:]
    return 1 / (1 + np.exp(-z))


# %% wrong="predict_rows" says="nan in d; made up"
def predict_rows(model, rows):
    for c in model["columns"]:
        if any(c not in r for r in rows):
            raise ValueError(c)
    X = np.array([[r[c] for c in model["columns"]] for r in rows], float)
    z = model["w"][0] + (X - model["mu"]) / model["sd"] @ model["w"][1:]
    return 1 / (1 + np.exp(-z))


# %% wrong="predict_rows" says="decisions; threshold"
def predict_rows(model, rows):
    X = np.array([[r[c] for c in model["columns"]] for r in rows], float)
    z = model["w"][0] + (X - model["mu"]) / model["sd"] @ model["w"][1:]
    return (1 / (1 + np.exp(-z)) >= model["threshold"]).astype(float)


# %% [markdown]
# ## Features where the data are
#
# Where do the numbers in a row come from? In a company, from a database. A
# column such as "frauds known at this terminal" is best computed there, for
# training and for serving by *the same query*. SQL's **window functions** do
# it: for each row, look at a window of other rows and keep the row.
#
# ```sql
# SUM(fraud) OVER (PARTITION BY terminal ORDER BY day
#                  RANGE BETWEEN 28 PRECEDING AND 7 PRECEDING)
# ```
#
# `PARTITION BY` says *whose* rows, `ORDER BY day` along what, and the frame
# which part. `RANGE` counts in the unit of the order, days; `ROWS` would count
# rows. The end of the frame carries the lesson of day 2: a bank learns only
# some 7 days later that a payment was a fraud. A frame that ends at
# `CURRENT ROW` reads the label that the model is meant to predict.
#
# ## Exercise 3: known risk, by SQL
#
# In: `payments`, a list of tuples `(id, terminal, day, fraud)`. Out: a list of
# tuples `(id, known, frauds)`, in the order of `id`: how many payments at the
# same terminal lie from 28 to 7 days before this one (ends included), and how
# many of these were frauds (0 if there are none). `table_of(payments)` gives a
# database with the table `payments`; `.execute(query).fetchall()` asks it.


# %% exercise="terminal_risk" points=2 minutes=9 difficulty=3
def terminal_risk(payments):
    """Return [(id, known, frauds), ...] in the order of id."""
    # 1. window: the same terminal, 28 to 7 days before
    # 2. count and sum over it; an empty sum is NULL: COALESCE(..., 0)
    ### BEGIN SOLUTION
    query = """
        SELECT id, COUNT(*) OVER known, COALESCE(SUM(fraud) OVER known, 0)
        FROM payments
        WINDOW known AS (
            PARTITION BY terminal ORDER BY day
            RANGE BETWEEN 28 PRECEDING AND 7 PRECEDING
        )
        ORDER BY id
    """
    return table_of(payments).execute(query).fetchall()
    ### END SOLUTION
    return [(payment[0], 0, 0) for payment in payments]  # replace this line


# %%
few = [(1, 5, 0.0, 1), (2, 5, 3.0, 0), (3, 5, 9.5, 0), (4, 6, 9.6, 0)]
print("target [(1, 0, 0), (2, 0, 0), (3, 1, 1), (4, 0, 0)]")
try:
    print("yours ", terminal_risk(few))
except Exception as error:
    print("yours ", error)

# %% check="terminal_risk"
with check("m8.terminal_risk"):

    def slow_risk(payments, low=28.0, high=7.0, anywhere=False):
        """For each payment, look at all others with a pencil."""
        out = []
        for number, terminal, day, _ in sorted(payments):
            known = [
                p
                for p in payments
                if (p[1] == terminal or anywhere)
                and day - low <= p[2] <= day - high
            ]
            out.append((number, len(known), sum(p[3] for p in known)))
        return out

    def rows_preceding(payments):
        """What ROWS instead of RANGE gives."""
        out = []
        for number, terminal, day, _ in sorted(payments):
            line = sorted(
                (p[2], p[0], p[3]) for p in payments if p[1] == terminal
            )
            at = line.index((day, number, _))
            seen = line[max(0, at - 28) : max(0, at - 6)]
            out.append((number, len(seen), sum(s[2] for s in seen)))
        return out

    def judge_risk(payments, what):
        want = slow_risk(payments)
        got = terminal_risk(payments)
        expect_type(got, (list, tuple), "terminal_risk(payments)")
        if len(got) != len(want):
            fail(
                f"{what}: {len(got)} rows came back, there are {len(want)} "
                "payments. GROUP BY folds rows together, and an inner join "
                "loses those without a past; a window keeps every row."
            )
        rows = []
        for it in got:
            expect(
                isinstance(it, (tuple, list)) and len(it) == 3,
                f"{what}: each row must be (id, known, frauds).",
            )
            if it[2] is None or it[1] is None:
                fail(
                    f"{what}: payment {it[0]} has None: the sum over no rows "
                    "is NULL in SQL. COALESCE(..., 0) makes it 0."
                )
            rows.append(tuple(it))
        if rows != want and sorted(rows) == sorted(want):
            fail(
                f"{what}: the rows are not in the order of id. Without an "
                "ORDER BY at the end, a database may return them as it likes."
            )
        all_past = slow_risk(payments, 28.0, -0.0)
        no_own = [
            (i, n - 1, s - f)
            for (i, n, s), (*_, f) in zip(all_past, sorted(payments))
        ]
        expect_equal(
            rows,
            want,
            what,
            mistakes={
                "the window ends at the payment itself, so its own label is "
                "among the frauds that it is to be judged by. The bank learns "
                "it 7 days later: end at 7 PRECEDING.": all_past,
                "the window ends just before the payment. Labels of the last "
                "7 days are not known yet: end at 7 PRECEDING.": no_own,
                "there is no PARTITION BY terminal: these are the frauds of "
                "all terminals.": slow_risk(payments, anywhere=True),
                "ROWS counts rows, RANGE counts days: 7 PRECEDING must mean "
                "seven days.": rows_preceding(payments),
                "the window reaches back to the beginning; begin at 28 "
                "PRECEDING.": slow_risk(payments, 1e9),
                "the window has only the last 7 days, the ones that are not "
                "known yet.": slow_risk(payments, 7.0, 0.0),
            },
        )

    handful = [
        (1, 5, 0.0, 1),
        (2, 5, 3.0, 0),
        (3, 5, 9.5, 1),
        (4, 6, 9.6, 0),
        (5, 5, 10.0, 0),
        (6, 5, 30.5, 1),
    ]
    judge_risk(handful, "six payments")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    many = [
        (i, int(rng.integers(4)), float(d), int(rng.random() < 0.3))
        for i, d in enumerate(np.sort(rng.uniform(0, 60, 150)).round(3))
    ]
    judge_risk(many, "150 payments")
    judge_risk([many[i] for i in rng.permutation(150)], "the same, shuffled")
    # Whole days: many payments at once, and the ends of the window count.
    whole = [
        (i, int(rng.integers(2)), float(rng.integers(40)), int(i % 3 == 0))
        for i in range(60)
    ]
    judge_risk(whole, "60 payments on whole days")
    ### END HIDDEN TESTS

# %% [markdown] hint="terminal_risk"
# Sketch: it is one `SELECT` from `payments`: the id, a `COUNT(*)` and a
# `SUM(fraud)`, both `OVER` the same window. The window's frame is written in
# the text above. `COALESCE` turns an empty sum into 0, and the query ends with
# the order of the rows.

# %% [markdown] hint="terminal_risk"
# ```python
# query = """
#     SELECT id, COUNT(*) OVER known, COALESCE(SUM(...) OVER known, ...)
#     FROM payments
#     WINDOW known AS (
#         PARTITION BY ... ORDER BY ...
#         RANGE BETWEEN ... PRECEDING AND ... PRECEDING
#     )
#     ORDER BY ...
# """
# return table_of(payments).execute(query).fetchall()
# ```


# %% right="terminal_risk"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT a.id, COUNT(b.id), IFNULL(SUM(b.fraud), 0) "
            "FROM payments a LEFT JOIN payments b "
            "ON a.terminal = b.terminal "
            "AND b.day BETWEEN a.day - 28 AND a.day - 7 "
            "GROUP BY a.id ORDER BY a.id"
        )
        .fetchall()
    )


# %% right="terminal_risk"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT id, (SELECT COUNT(*) FROM payments b WHERE b.terminal ="
            " a.terminal AND b.day >= a.day - 28 AND b.day <= a.day - 7),"
            " (SELECT TOTAL(fraud) FROM payments b WHERE b.terminal ="
            " a.terminal AND b.day >= a.day - 28 AND b.day <= a.day - 7)"
            " FROM payments a ORDER BY id"
        )
        .fetchall()
    )


# %% wrong="terminal_risk" says="own label; 7 days later"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT id, COUNT(*) OVER w, SUM(fraud) OVER w FROM payments "
            "WINDOW w AS (PARTITION BY terminal ORDER BY day RANGE BETWEEN "
            "28 PRECEDING AND CURRENT ROW) ORDER BY id"
        )
        .fetchall()
    )


# %% wrong="terminal_risk" says="just before the payment; not known yet"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT id, COUNT(*) OVER w, IFNULL(SUM(fraud) OVER w, 0) "
            "FROM payments WINDOW w AS (PARTITION BY terminal ORDER BY day "
            "RANGE BETWEEN 28 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) "
            "ORDER BY id"
        )
        .fetchall()
    )


# %% wrong="terminal_risk" says="no PARTITION BY; all terminals"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT id, COUNT(*) OVER w, IFNULL(SUM(fraud) OVER w, 0) "
            "FROM payments WINDOW w AS (ORDER BY day RANGE BETWEEN "
            "28 PRECEDING AND 7 PRECEDING) ORDER BY id"
        )
        .fetchall()
    )


# %% wrong="terminal_risk" says="ROWS counts rows; seven days"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT id, COUNT(*) OVER w, IFNULL(SUM(fraud) OVER w, 0) "
            "FROM payments WINDOW w AS (PARTITION BY terminal ORDER BY day "
            "ROWS BETWEEN 28 PRECEDING AND 7 PRECEDING) ORDER BY id"
        )
        .fetchall()
    )


# %% wrong="terminal_risk" says="None; COALESCE"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT id, COUNT(*) OVER w, SUM(fraud) OVER w "
            "FROM payments WINDOW w AS (PARTITION BY terminal ORDER BY day "
            "RANGE BETWEEN 28 PRECEDING AND 7 PRECEDING) ORDER BY id"
        )
        .fetchall()
    )


# %% wrong="terminal_risk" says="rows came back; keeps every row"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT a.id, COUNT(*), SUM(b.fraud) FROM payments a "
            "JOIN payments b ON a.terminal = b.terminal "
            "AND b.day BETWEEN a.day - 28 AND a.day - 7 "
            "GROUP BY a.id ORDER BY a.id"
        )
        .fetchall()
    )


# %% wrong="terminal_risk" says="not in the order of id; ORDER BY"
def terminal_risk(payments):
    return (
        table_of(payments)
        .execute(
            "SELECT id, COUNT(*) OVER w, IFNULL(SUM(fraud) OVER w, 0) "
            "FROM payments WINDOW w AS (PARTITION BY terminal ORDER BY day "
            "RANGE BETWEEN 28 PRECEDING AND 7 PRECEDING)"
        )
        .fetchall()
    )


# %% [markdown]
# ## Has the world moved?
#
# Two things can change under a model. Write $p(x)$ for what the rows look like
# and $p(y \mid x)$ for what they mean.
#
# - **Covariate drift**: $p(x)$ changes, $p(y\mid x)$ stays. Prices rise.
# - **Concept drift**: $p(y\mid x)$ changes. The same row means something else.
#
# The first can be seen at once, without a single label. For the second you
# need labels, and for those you wait. To see the first, cut the reference
# sample into bins of equal counts and compare shares: $p_k$ of the reference,
# $q_k$ of now. The **population stability index** adds up
#
# $$\text{PSI} = \sum_k (q_k - p_k) \log\frac{q_k}{p_k}
#   = \mathrm{KL}(q \,\|\, p) + \mathrm{KL}(p \,\|\, q) \;\ge\; 0,$$
#
# as splitting the product shows: it is Kullback and Leibler's divergence in
# both directions. Each term is positive, as $q_k - p_k$ and the log have the
# same sign. Three decisions make it work:
#
# 1. **edges** from the reference alone, its quantiles $1/B, \dots, (B-1)/B$;
#    the two outer bins are open, so nothing falls beside them;
# 2. **shares** with half a count added to each bin, $(n_k + \tfrac12) / (n +
#    \tfrac B2)$: an empty bin would make the logarithm infinite;
# 3. **sum**.
#
# By hand: reference 0, 1, …, 7, two bins, edge 3.5, shares 4.5/9 each. Now 1,
# 4, 5, 6: shares 1.5/5 and 3.5/5. $\text{PSI} = -0.2 \log 0.6 + 0.2 \log 1.4 =
# 0.169$.
#
# ## Exercise 4: PSI
#
# In: `ref` and `cur`, arrays of numbers; `bins`. Out: the PSI, one number. A
# value on an edge belongs to the bin above it.


# %% exercise="psi" points=2 minutes=8 difficulty=2
def psi(ref, cur, bins):
    """Return the population stability index of cur against ref."""
    # 1. edges: inner quantiles of ref
    # 2. shares: counts + 1/2 over n + bins/2, of ref and of cur
    # 3. sum
    ### BEGIN SOLUTION
    edges = np.quantile(ref, np.arange(1, bins) / bins)
    shares = []
    for x in (ref, cur):
        counts = np.bincount(np.digitize(x, edges), minlength=bins)
        shares.append((counts + 0.5) / (len(x) + bins / 2))
    p, q = shares
    return float(np.sum((q - p) * np.log(q / p)))
    ### END SOLUTION
    return 0.0  # replace this line


# %% check="psi"
with check("m8.psi"):

    def slow_psi(ref, cur, bins, *, edges=None, half=0.5, both=True):
        """Bin by bin."""
        if edges is None:
            edges = [np.quantile(ref, k / bins) for k in range(1, bins)]
        ends = [-np.inf, *edges, np.inf]
        total = 0.0
        for low, high in zip(ends[:-1], ends[1:]):
            p = (np.sum((ref >= low) & (ref < high)) + half) / (
                len(ref) + half * bins
            )
            q = (np.sum((cur >= low) & (cur < high)) + half) / (
                len(cur) + half * bins
            )
            total += (q - p) * np.log(q / p) if both else q * np.log(q / p)
        return float(total)

    def inside(x, ref):
        return x[(x >= ref.min()) & (x <= ref.max())]

    def judge_psi(ref, cur, bins, what):
        kept = ref.copy(), cur.copy()
        got = psi(ref, cur, bins)
        expect_unchanged(ref, kept[0], "ref")
        expect_unchanged(cur, kept[1], "cur")
        if np.ndim(got) == 0 and not np.isfinite(float(got)):
            fail(
                f"{what}: the PSI is {float(got)}. A bin is empty in one of "
                "the two: add half a count to each bin before the logarithm."
            )
        own = [np.quantile(cur, k / bins) for k in range(1, bins)]
        every = np.concatenate([ref, cur])
        equal = np.linspace(ref.min(), ref.max(), bins + 1)[1:-1]
        span = np.linspace(every.min(), every.max(), bins + 1)[1:-1]
        shared = [np.quantile(every, k / bins) for k in range(1, bins)]
        expect_close(
            got,
            slow_psi(ref, cur, bins),
            what,
            rtol=1e-5,
            atol=1e-9,
            mistakes={
                "the edges are quantiles of cur. They move along with what "
                "they are to measure: take them from ref, once and for "
                "all.": slow_psi(ref, cur, bins, edges=own),
                "the edges come from ref and cur together; take them from ref "
                "alone: next week's PSI must use the same.": slow_psi(
                    ref, cur, bins, edges=shared
                ),
                "the bins have equal widths. Take quantiles of ref: with a "
                "long tail, equal widths put nearly all in one bin.": slow_psi(
                    ref, cur, bins, edges=equal
                ),
                "the bins have equal widths over both samples; take quantiles "
                "of ref.": slow_psi(ref, cur, bins, edges=span),
                "values beyond those of ref were dropped, the very ones that "
                "are new. The outer bins are open.": lambda: slow_psi(
                    ref, inside(cur, ref), bins
                ),
                "this is KL in one direction only: multiply the log by q - "
                "p.": slow_psi(ref, cur, bins, both=False),
                "a whole count was added to each bin; half a one is "
                "asked.": slow_psi(ref, cur, bins, half=1.0),
                "nothing was added to the counts. Add half a count to each "
                "bin.": lambda: slow_psi(ref, cur, bins, half=0.0),
                "nearly nothing was added to the counts, so an empty bin "
                "outweighs all others. Add half a count.": slow_psi(
                    ref, cur, bins, half=1e-6
                ),
                "the sign is turned.": -slow_psi(ref, cur, bins),
            },
        )

    eight = np.arange(8.0)
    rng = np.random.default_rng(3)
    was, now = rng.normal(size=204), rng.normal(0.5, 1.3, size=123)
    judge_psi(was, now, 5, "PSI of two samples, 5 bins")
    judge_psi(eight, np.array([1.0, 4.0, 5.0, 6.0]), 2, "PSI of the example")
    far = np.array([20.0, 21.0, 30.0])
    judge_psi(was, far, 4, "PSI when all of cur is larger than ref")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, m, bins in [(504, 333, 10), (52, 9, 3), (1004, 2000, 20)]:
        was = rng.lognormal(size=n)
        judge_psi(was, rng.lognormal(0.2, 1.1, m), bins, f"{bins} bins")
    judge_psi(was, was.copy(), 10, "a sample against itself")
    judge_psi(-was, -2 * was[:50], 6, "negative values")
    ### END HIDDEN TESTS

# %% [markdown] hint="psi"
# Sketch: `np.quantile(ref, ...)` with the shares 1/B to (B − 1)/B gives the
# inner edges. `np.digitize(x, edges)` gives each value its bin, 0 to B − 1,
# and `np.bincount(..., minlength=bins)` counts.

# %% [markdown] hint="psi"
# ```python
# edges = np.quantile(..., np.arange(1, bins) / bins)     # 1. edges
# shares = []
# for x in (ref, cur):                                    # 2. shares
#     counts = np.bincount(np.digitize(x, edges), minlength=...)
#     shares.append((counts + ...) / (len(x) + ...))
# p, q = shares
# return float(np.sum(...))                               # 3. sum
# ```


# %% right="psi"
def psi(ref, cur, bins):
    inner = np.quantile(ref, np.linspace(0, 1, bins + 1)[1:-1])
    ends = np.concatenate([[-np.inf], inner, [np.inf]])
    p = np.histogram(ref, ends)[0] + 0.5
    q = np.histogram(cur, ends)[0] + 0.5
    p, q = p / p.sum(), q / q.sum()
    return (q * np.log(q / p)).sum() + (p * np.log(p / q)).sum()


# %% right="psi"
def psi(ref, cur, bins):
    from bisect import bisect_right

    cuts = [float(np.quantile(ref, k / bins)) for k in range(1, bins)]
    n, m = [0.5] * bins, [0.5] * bins
    for x in ref:
        n[bisect_right(cuts, x)] += 1
    for x in cur:
        m[bisect_right(cuts, x)] += 1
    total = 0.0
    for a, b in zip(n, m):
        a, b = a / sum(n), b / sum(m)
        total += (b - a) * float(np.log(b / a))
    return total


# %% wrong="psi" says="quantiles of cur; once and for all"
def psi(ref, cur, bins):
    edges = np.quantile(cur, np.arange(1, bins) / bins)
    p = np.bincount(np.digitize(ref, edges), minlength=bins) + 0.5
    q = np.bincount(np.digitize(cur, edges), minlength=bins) + 0.5
    p, q = p / p.sum(), q / q.sum()
    return np.sum((q - p) * np.log(q / p))


# %% wrong="psi" says="empty; half a count"
def psi(ref, cur, bins):
    edges = np.quantile(ref, np.arange(1, bins) / bins)
    p = np.bincount(np.digitize(ref, edges), minlength=bins) / len(ref)
    q = np.bincount(np.digitize(cur, edges), minlength=bins) / len(cur)
    if np.all(q > 0):
        p = np.bincount(np.digitize(ref, edges), minlength=bins) + 0.5
        q = np.bincount(np.digitize(cur, edges), minlength=bins) + 0.5
        p, q = p / p.sum(), q / q.sum()
    return np.sum((q - p) * np.log(q / p))


# %% wrong="psi" says="nothing was added; half a count"
def psi(ref, cur, bins):
    edges = np.quantile(ref, np.arange(1, bins) / bins)
    p = np.bincount(np.digitize(ref, edges), minlength=bins) / len(ref)
    q = np.bincount(np.digitize(cur, edges), minlength=bins) / len(cur)
    return np.sum((q - p) * np.log(q / p))


# %% wrong="psi" says="equal widths; quantiles of ref"
def psi(ref, cur, bins):
    edges = np.linspace(ref.min(), ref.max(), bins + 1)[1:-1]
    p = np.bincount(np.digitize(ref, edges), minlength=bins) + 0.5
    q = np.bincount(np.digitize(cur, edges), minlength=bins) + 0.5
    p, q = p / p.sum(), q / q.sum()
    return np.sum((q - p) * np.log(q / p))


# %% wrong="psi" says="beyond those of ref were dropped; open"
def psi(ref, cur, bins):
    ends = np.quantile(ref, np.arange(bins + 1) / bins)
    p = np.histogram(ref, ends)[0] + 0.5
    q = np.histogram(cur, ends)[0] + 0.5
    p, q = p / p.sum(), q / q.sum()
    return np.sum((q - p) * np.log(q / p))


# %% wrong="psi" says="one direction; q - p"
def psi(ref, cur, bins):
    edges = np.quantile(ref, np.arange(1, bins) / bins)
    p = np.bincount(np.digitize(ref, edges), minlength=bins) + 0.5
    q = np.bincount(np.digitize(cur, edges), minlength=bins) + 0.5
    p, q = p / p.sum(), q / q.sum()
    return np.sum(q * np.log(q / p))


# %% [markdown]
# ## When to wake somebody
#
# A monitor that cries wolf is switched off in its third week. Two habits make
# monitors cry wolf.
#
# *Significance.* A test asks whether two samples may come from exactly one
# distribution. They never do: weeks have holidays, sales, weather. With
# $n = 10^5$ payments a difference of three per cent of a standard deviation has
# a p-value near 0. The test is right, and useless: you do not want to know
# *whether* there is a difference but whether it is larger than the usual ones.
#
# *Folklore.* "PSI above 0.1 is a warning, above 0.25 an alarm" knows neither
# your bins nor your weeks. The usual difference can be measured:
#
# 1. **measure** the PSI of each week against the reference, with 10 bins;
# 2. **limit**: mean plus $z$ standard deviations (with $n - 1$) of the PSIs of
#    the first `calm` weeks, in which nothing was wrong;
# 3. **twice**: ring in a week after the calm ones if it *and the week before*
#    are above the limit. One strange week is a sale. A drift stays.
#
# The price is one week: a drift is caught in its second.
#
# ## Exercise 5: the alarm
#
# In: `ref`, an array; `weeks`, a list of arrays; `calm`, how many weeks at the
# beginning were quiet; `z`. Out: the list of the numbers of the weeks in which
# it rings, counted from 0 in `weeks`. Use your `psi`.


# %% exercise="alarm" points=2 minutes=8 difficulty=2
def alarm(ref, weeks, calm, z):
    """Return the numbers of the weeks, from `calm` on, in which it rings."""
    # 1. measure   2. limit: from the calm weeks   3. twice
    ### BEGIN SOLUTION
    values = np.array([psi(ref, week, 10) for week in weeks])
    usual = values[:calm]
    above = values > usual.mean() + z * usual.std(ddof=1)
    return [t for t in range(calm, len(weeks)) if above[t] and above[t - 1]]
    ### END SOLUTION
    return []  # replace this line


# %% check="alarm"
with check("m8.alarm"):

    def psi_here(ref, cur):
        edges = np.quantile(ref, np.arange(1, 10) / 10)
        p, q = (
            (np.bincount(np.digitize(x, edges), minlength=10) + 0.5)
            / (len(x) + 5)
            for x in (ref, cur)
        )
        return np.sum((q - p) * np.log(q / p))

    def ringing(above, calm, weeks_needed=2):
        need = weeks_needed - 1
        return [
            t for t in range(calm, len(above)) if all(above[t - need : t + 1])
        ]

    def alarm_mistakes(ref, weeks, calm, z):
        """What typical mistakes give, but only where it is not right."""
        from scipy import stats

        v = np.array([psi_here(ref, week) for week in weeks])
        usual = v[:calm]
        limit = usual.mean() + z * usual.std(ddof=1)
        p = np.array([stats.ks_2samp(ref, week).pvalue for week in weeks])
        all_limit = v.mean() + z * v.std(ddof=1)
        right = ringing(v > limit, calm)
        found = {
            "this rings when a week is *significantly* different, as nearly "
            "every week is with so many payments. Ask whether its PSI is "
            "larger than in the calm weeks.": ringing(p < 0.05, calm),
            "this rings when a single week is *significantly* different, as "
            "nearly every week is. Ask whether its PSI is larger than in the "
            "calm weeks.": ringing(p < 0.05, calm, 1),
            "it rings after one strange week. Ring if the week before was "
            "above the limit, too: a drift stays, a sale does not.": ringing(
                v > limit, calm, 1
            ),
            "it waits for three weeks in a row; two are asked.": ringing(
                v > limit, calm, 3
            ),
            "it never rings. 0.1 is folklore: it knows neither your bins nor "
            "your weeks, and misses this drift. And a limit made from all "
            "weeks, the drifted ones too, is lifted by them above themselves. "
            "Take the limit from the calm weeks.": [],
            "the limit was made from all weeks, the drifted ones too: they "
            "lift it above themselves. Take the calm weeks.": ringing(
                v > all_limit, calm
            ),
            "0.1 is folklore: it knows neither your bins nor your weeks. Take "
            "the limit from the calm weeks.": ringing(v > 0.1, calm),
            "0.25 is folklore: it knows neither your bins nor your weeks. "
            "Take the limit from the calm weeks.": ringing(v > 0.25, calm),
            "the limit is the mean of the calm weeks alone, which half of all "
            "quiet weeks exceed: add z standard deviations.": ringing(
                v > usual.mean(), calm
            ),
            "the weeks are counted from the end of the calm ones; count from "
            "0 in `weeks`.": [t - calm for t in right],
            "only the first week is returned: return all weeks in which it "
            "rings.": right[:1],
            "the week that is returned is the one before: it rings when the "
            "second week is in.": [t - 1 for t in right],
        }
        return {why: it for why, it in found.items() if it != right}, right

    def some_weeks(rng, calm, quiet, shift, n=2500):
        """Weeks that wobble; one with a sale; then a drift that stays."""
        wobble = rng.normal(0, 0.05, calm + quiet + 5)
        wobble[calm + 1] += 0.8  # the sale
        wobble[calm + quiet :] += shift
        return [rng.normal(m, 1, n) for m in wobble]

    def judge_alarm(rng, calm, quiet, shift, z, what):
        ref = rng.normal(size=4 * 2500)
        weeks = some_weeks(rng, calm, quiet, shift)
        mistakes, want = alarm_mistakes(ref, weeks, calm, z)
        got = alarm(ref, weeks, calm, z)
        expect_type(got, (list, tuple, np.ndarray), "alarm(...)")
        got = [int(t) for t in got]
        for why, value in mistakes.items():
            expect(got != value, f"{what}: {why}")
        early = sorted(set(got) - set(want))
        late = sorted(set(want) - set(got))
        expect(
            not early,
            f"{what}: it rings in weeks {early}, which are quiet (the sale is "
            f"week {calm + 1}, the drift begins in {calm + quiet}).",
        )
        expect(
            not late,
            f"{what}: it does not ring in weeks {late}; the drift began in "
            f"week {calm + quiet}. The limit is mean + z sd of the first "
            f"{calm} weeks' PSI.",
        )
        expect_equal(got, want, f"{what}: the weeks")

    judge_alarm(np.random.default_rng(4), 8, 6, 0.27, 3.0, "19 weeks")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    judge_alarm(rng, 10, 8, 0.45, 4.0, "23 weeks, z = 4")
    judge_alarm(rng, 8, 5, 0.0, 4.0, "18 weeks without a drift")
    ### END HIDDEN TESTS

# %% [markdown] hint="alarm"
# Sketch: a list of PSIs, one for each week. From the first `calm` of them a
# limit. An array that says which weeks are above it. Then the weeks from
# `calm` on for which two neighbours in that array are true.

# %% [markdown] hint="alarm"
# ```python
# values = np.array([psi(...) for week in weeks])            # 1. measure
# usual = values[...]
# above = values > ... + z * usual.std(ddof=1)               # 2. limit
# return [t for t in range(..., len(weeks)) if ... and ...]  # 3. twice
# ```


# %% right="alarm"
def alarm(ref, weeks, calm, z):
    import statistics

    v = [float(psi(ref, w, 10)) for w in weeks]
    limit = statistics.mean(v[:calm]) + z * statistics.stdev(v[:calm])
    rings, run = [], 0
    for t, x in enumerate(v):
        run = run + 1 if x > limit else 0
        if t >= calm and run >= 2:
            rings.append(t)
    return rings


# %% right="alarm"
def alarm(ref, weeks, calm, z):
    v = np.array([psi(ref, w, 10) for w in weeks])
    high = v > v[:calm].mean() + z * v[:calm].std(ddof=1)
    both = np.flatnonzero(high[1:] & high[:-1]) + 1
    return both[both >= calm]


# %% wrong="alarm" says="significantly; larger than in the calm weeks"
def alarm(ref, weeks, calm, z):
    from scipy import stats

    p = [stats.ks_2samp(ref, w).pvalue for w in weeks]
    return [
        t for t in range(calm, len(weeks)) if p[t] < 0.05 and p[t - 1] < 0.05
    ]


# %% wrong="alarm" says="significantly; single week"
def alarm(ref, weeks, calm, z):
    from scipy import stats

    return [
        t
        for t in range(calm, len(weeks))
        if stats.ks_2samp(ref, weeks[t]).pvalue < 0.05
    ]


# %% wrong="alarm" says="one strange week; drift stays"
def alarm(ref, weeks, calm, z):
    v = np.array([psi(ref, w, 10) for w in weeks])
    limit = v[:calm].mean() + z * v[:calm].std(ddof=1)
    return [t for t in range(calm, len(v)) if v[t] > limit]


# %% wrong="alarm" says="0.1 is folklore; calm weeks"
def alarm(ref, weeks, calm, z):
    v = [psi(ref, w, 10) for w in weeks]
    return [t for t in range(calm, len(v)) if v[t] > 0.1 and v[t - 1] > 0.1]


# %% wrong="alarm" says="all weeks; above themselves"
def alarm(ref, weeks, calm, z):
    v = np.array([psi(ref, w, 10) for w in weeks])
    high = v > v.mean() + z * v.std(ddof=1)
    return [t for t in range(calm, len(v)) if high[t] and high[t - 1]]


# %% wrong="alarm" says="counted from the end of the calm ones"
def alarm(ref, weeks, calm, z):
    v = np.array([psi(ref, w, 10) for w in weeks])
    high = v > v[:calm].mean() + z * v[:calm].std(ddof=1)
    high = high[calm:]
    return [t for t in range(1, len(high)) if high[t] and high[t - 1]]


# %% wrong="alarm" says="only the first week"
def alarm(ref, weeks, calm, z):
    v = np.array([psi(ref, w, 10) for w in weeks])
    high = v > v[:calm].mean() + z * v[:calm].std(ddof=1)
    rings = [t for t in range(calm, len(v)) if high[t] and high[t - 1]]
    return rings[:1]


# %% [markdown]
# ### Pay-off 1: two ways in which the world moves
#
# 26 weeks of a simulated town, three times with the same seed: nothing
# happens; prices; fraudsters. A logistic regression is trained on weeks 5 to
# 8. Weeks 9 to 16 are the calm ones, and in week 17 the world changes. Above,
# what your `psi` and `alarm` see, each week at once. Below, the average
# precision, which is known a week later, when the labels are in.

# %% demo
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

TRAIN, CALM, CHANGE, LAST = 5, 9, 17, 26
AMOUNT = fraud.FEATURES.index("amount")


def town_weeks(seed, drifts=(), size=500):
    """Return features X, labels y and week numbers of a simulated town."""
    town = fraud.Town(customers=size, terminals=2 * size, days=7 * LAST)
    payments = fraud.simulate(seed, town, drifts)
    week = (payments.day // 7).astype(int)
    return fraud.features(payments), payments.fraud, week


def train(X, y, version, **options):
    """Return a model as a dict, from a logistic regression of scikit-learn."""
    mu, sd = X.mean(axis=0), X.std(axis=0)
    fitted = LogisticRegression(max_iter=500, **options).fit((X - mu) / sd, y)
    return {
        "version": version,
        "columns": list(fraud.FEATURES),
        "mu": mu,
        "sd": sd,
        "w": np.append(fitted.intercept_, fitted.coef_),
        "threshold": 0.5,
    }, fitted


def as_rows(X):
    """Return the table as a list of dicts, as a service gets them."""
    return [dict(zip(fraud.FEATURES, row)) for row in X.tolist()]


def watched(seed, drifts=(), size=500):
    """Return PSI, average precision per week from CALM on, alarms, the rest."""
    X, y, week = town_weeks(seed, drifts, size)
    old = (week >= TRAIN) & (week < CALM)
    model, fitted = train(X[old], y[old], "v1")
    ref = X[old, AMOUNT]
    of = [week == k for k in range(CALM, LAST)]
    amounts = [X[it, AMOUNT] for it in of]
    values = [psi(ref, it, 10) for it in amounts]
    scores = fitted.predict_proba((X - model["mu"]) / model["sd"])[:, 1]
    ap = [average_precision_score(y[it], scores[it]) for it in of]
    rings = alarm(ref, amounts, CHANGE - CALM, 3.0)
    return {
        "psi": np.array(values),
        "ap": np.array(ap),
        "rings": [int(t) + CALM for t in rings],
        "model": model,
        "fitted": fitted,
        "data": (X, y, week),
    }


worlds = {
    "nothing": watched(0),
    "prices": watched(0, (fraud.covariate_drift(7.0 * CHANGE),)),
    "fraudsters": watched(0, (fraud.concept_drift(7.0 * CHANGE),)),
}
for name, it in worlds.items():
    print(f"{name}: the alarm rings in weeks {it['rings']}")


def results_alarm(ap, calm):
    """The same rule for results: two weeks in a row under the calm limit."""
    low = ap < ap[:calm].mean() - 3 * ap[:calm].std(ddof=1)
    return [t for t in range(calm, len(ap)) if low[t] and low[t - 1]]


slow_rings = {
    name: [t + CALM for t in results_alarm(it["ap"], CHANGE - CALM)]
    for name, it in worlds.items()
}
found_in = slow_rings["fraudsters"][0] + 1  # its labels come a week later
print(
    f"fraudsters: the results of week {found_in - 1} tell, in week {found_in}"
)

# %% demo
fig, axes = figure(2, 1, height=2.6)
number = np.arange(CALM, LAST)
for (name, it), colour, marker in zip(
    worlds.items(), (BLACK, BLUE, RED), ("o", "s", "^")
):
    axes[0].plot(number, it["psi"], marker=marker, color=colour, label=name)
    axes[1].plot(number, it["ap"], marker=marker, color=colour, label=name)
quiet = worlds["nothing"]["psi"][: CHANGE - CALM]
limit = quiet.mean() + 3 * quiet.std(ddof=1)
axes[0].axhline(limit, color=ORANGE, ls="--", label="limit")
axes[0].set_yscale("log")
axes[0].set_xlabel("week")
axes[0].set_ylabel("PSI of the amounts (log)")
axes[0].legend(fontsize=8, ncols=4, loc="upper left")
axes[0].set_ylim(top=0.6)
axes[1].set_ylim(0, 0.8)
axes[1].set_xlabel("week")
axes[1].set_ylabel("average precision")
after = slice(CHANGE - CALM, None)
ap_before = np.mean(worlds["nothing"]["ap"][: CHANGE - CALM])
show(
    fig,
    f"limit of the PSI {limit:.4f}; after the change it is on average "
    + ", ".join(
        f"{k} {np.mean(v['psi'][after]):.4f}" for k, v in worlds.items()
    )
    + f". The average precision before it is {ap_before:.2f}; after it "
    + ", ".join(f"{k} {np.mean(v['ap'][after]):.2f}" for k, v in worlds.items())
    + ".",
)
outcome("m8.guess", "prices")

# %% [markdown]
# The monitor rings where little harm is done, and is silent where the model
# has become worthless: the honest payments are nearly all of them, and they
# look as ever. Nothing that looks at $x$ alone can see that $y$ has another
# meaning. So a service needs both: a watch on its inputs, which is quick and
# half blind, and a watch on its results, which sees all and is a week late. The
# same rule on the average precision, two weeks in a row more than 3 standard
# deviations *below* the calm mean, finds the fraudsters in the cell above.
#
# Note the size of the PSI after the prices rose: below the 0.1 of the folklore.
# A limit taken from the calm weeks catches it in the second week.
#
# ## Better by how much, and worse in what?
#
# When the model is trained again, should the new one take over? A higher
# average precision is a reason. It is not enough: a model that gains a point
# and calls three times as many customers at night is no improvement. So a
# promotion has one **metric** that must rise by a stated amount, and **guards**
# that must not get worse than a stated factor. Both are written down before
# anybody sees the numbers.
#
# A trap waits in the comparison. `nan > limit` is false, and so is
# `nan < limit`. A guard that asks "is it too large?" lets a broken measurement
# pass; one that asks "is it surely small enough?" does not. **Fail closed.**
#
# ## Exercise 6: promote
#
# In: `old` and `new`, dicts of measured numbers; `metric`, a name, larger is
# better; `min_gain`; `guards`, a dict from a name to a factor, smaller is
# better. Out: a list of the names that speak against the new model, the metric
# first, then the guards in their order; empty means: promote it. The metric
# speaks against it unless new is at least old plus `min_gain`; a guard unless
# new is at most factor times old. What is missing in `new`, or is nan, speaks
# against it.


# %% exercise="promote" points=2 minutes=7 difficulty=2
def promote(old, new, metric, min_gain, guards):
    """Return the names that speak against the new model; [] = promote."""
    # 1. metric: surely large enough?   2. guards: surely small enough?
    ### BEGIN SOLUTION
    against = []
    if not new.get(metric, np.nan) >= old[metric] + min_gain:
        against.append(metric)
    for name, factor in guards.items():
        if not new.get(name, np.nan) <= factor * old[name]:
            against.append(name)
    return against
    ### END SOLUTION
    return [metric]  # replace this line


# %% check="promote"
with check("m8.promote"):
    OLD = {"ap": 0.5, "alerts": 40.0, "p95_ms": 12.0}
    RULES = {"alerts": 1.25, "p95_ms": 1.5}

    def judge_promotion(new, want, why, old=OLD, gain=0.02, rules=RULES):
        kept = dict(old), dict(new), dict(rules)
        try:
            got = promote(old, new, "ap", gain, rules)
        except KeyError:
            fail(
                f"new = {new}: your code stops, since a number is missing. "
                "What was not measured speaks against the new model: name it, "
                "do not crash in the middle of a release."
            )
        same = (dict(old), dict(new), dict(rules)) == kept or any(
            v != v for v in new.values()
        )
        expect(same, "your function changed one of its arguments.")
        expect_type(got, (list, tuple), "promote(...)")
        if list(got) != want:
            fail(
                f"old = {old}, new = {new}, min_gain = {gain}, guards = "
                f"{rules}: against it speak {want}, yours is {list(got)}. "
                + why
            )

    judge_promotion(
        {"ap": 0.55, "alerts": 42.0, "p95_ms": 11.0},
        [],
        "All that was asked for is there: an empty list promotes it.",
    )
    judge_promotion(
        {"ap": 0.60, "alerts": 130.0, "p95_ms": 11.0},
        ["alerts"],
        "The metric rose and a guard broke: three times as many alerts are no "
        "improvement. Compare each guard with factor times its old value.",
    )
    judge_promotion(
        {"ap": 0.505, "alerts": 40.0, "p95_ms": 12.0},
        ["ap"],
        "A gain below min_gain is not worth a release.",
    )
    judge_promotion(
        {"ap": 0.6, "alerts": float("nan"), "p95_ms": 12.0},
        ["alerts"],
        "nan is not greater than any limit, nor smaller. Ask whether the guard "
        "surely holds, `not (new <= limit)`, and a broken measurement fails "
        "closed.",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    judge_promotion(
        {"ap": 0.6, "p95_ms": 12.0},
        ["alerts"],
        "A guard that was not measured does not hold.",
    )
    judge_promotion(
        {"alerts": 40.0, "p95_ms": 90.0},
        ["ap", "p95_ms"],
        "Name all that speaks against it, the metric first: one reason at a "
        "time costs a release each.",
    )
    judge_promotion(
        {"ap": float("nan"), "alerts": 1.0, "p95_ms": 1.0},
        ["ap"],
        "A metric that is nan is no gain: it must fail closed.",
    )
    judge_promotion(
        {"ap": 0.75, "alerts": 50.0, "p95_ms": 18.0},
        [],
        "Exactly at the limit holds: at least, at most.",
        gain=0.25,
    )
    rng = np.random.default_rng(HIDDEN_SEED)
    for _ in range(20):
        new = {k: v * float(rng.uniform(0.5, 2)) for k, v in OLD.items()}
        want = [] if new["ap"] >= 0.52 else ["ap"]
        want += [k for k, f in RULES.items() if new[k] > f * OLD[k]]
        judge_promotion(new, want, "See the rule in the text.")
    ### END HIDDEN TESTS

# %% [markdown] hint="promote"
# Sketch: a list, empty at first. One question for the metric, one for each
# guard. Ask each so that nan and a missing number give the answer "against":
# `not (... >= ...)` and `dict.get(name, nan)`.

# %% [markdown] hint="promote"
# ```python
# against = []
# if not new.get(metric, np.nan) >= ...:     # 1. metric
#     against.append(...)
# for name, factor in guards.items():        # 2. guards
#     if not ... <= ...:
#         ...
# return against
# ```


# %% right="promote"
def promote(old, new, metric, min_gain, guards):
    def holds(name):
        if name not in new or np.isnan(new[name]):
            return False
        if name == metric:
            return new[name] - old[name] - min_gain > -1e-12
        return new[name] <= guards[name] * old[name]

    return [name for name in (metric, *guards) if not holds(name)]


# %% wrong="promote" says="no improvement; guard"
def promote(old, new, metric, min_gain, guards):
    return [] if new[metric] >= old[metric] + min_gain else [metric]


# %% wrong="promote" says="nan is not greater; fails closed"
def promote(old, new, metric, min_gain, guards):
    against = []
    if new[metric] < old[metric] + min_gain:
        against.append(metric)
    for name, factor in guards.items():
        if new[name] > factor * old[name]:
            against.append(name)
    return against


# %% wrong="promote" says="not worth a release; min_gain"
def promote(old, new, metric, min_gain, guards):
    against = [] if new[metric] > old[metric] else [metric]
    for name, factor in guards.items():
        if not new[name] <= factor * old[name]:
            against.append(name)
    return against


# %% wrong="promote" says="a number is missing; speaks against"
def promote(old, new, metric, min_gain, guards):
    against = []
    if not new[metric] >= old[metric] + min_gain:
        against.append(metric)
    for name, factor in guards.items():
        if not new[name] <= factor * old[name]:
            against.append(name)
    return against


# %% wrong="promote" says="name all"
def promote(old, new, metric, min_gain, guards):
    if not new.get(metric, np.nan) >= old[metric] + min_gain:
        return [metric]
    for name, factor in guards.items():
        if not new.get(name, np.nan) <= factor * old[name]:
            return [name]
    return []


# %% wrong="promote" says="was not measured does not hold"
def promote(old, new, metric, min_gain, guards):
    against = []
    if not new.get(metric, -1) >= old[metric] + min_gain:
        against.append(metric)
    for name, factor in guards.items():
        if not new.get(name, 0) <= factor * old[name]:
            against.append(name)
    return against


# %% [markdown]
# ## Deploy, and back again
#
# A deployment will be interrupted: the network drops, somebody presses the
# button twice. So it must be **idempotent**: running it again leads to the same
# state and does nothing that is done. And it must leave the way back open.
# The machine that serves holds a folder per release; `current` points to the
# one that serves, `previous` to the one before. The steps:
#
# | step | what it does |
# |---|---|
# | `("copy", v)` | brings the files of release `v`; needed once |
# | `("check", v)` | compares them with what was tested; **stops all** if not |
# | `("link", v)` | `current` becomes `v`, in one instant |
# | `("restart", v)` | the service reads `current` again |
# | `("remove", v)` | deletes the files of `v` |
#
# The **order** is the art. What can fail comes before what customers see; what
# cannot be taken back comes last.
#
# ## Exercise 7: plan the deployment
#
# In: `state`, a dict with `releases` (a list of names), `current` and
# `previous` (names or `None`); `want`, the release that shall serve. Out: the
# list of steps, as tuples. Copy only what is not there. If `want` is current
# already, do nothing: `[]`. Afterwards exactly two releases remain, `want` and
# the one that served before it (if there was one): that is the way back, and
# `plan(state, state["previous"])` walks it without copying anything.


# %% exercise="plan" points=2 minutes=8 difficulty=2
def plan(state, want):
    """Return the steps that make `want` serve; [] if it does already."""
    # 1. done already?   2. copy, if it is not there   3. check
    # 4. link, restart   5. remove what is neither new nor the way back
    ### BEGIN SOLUTION
    if state["current"] == want:
        return []
    keep = (want, state["current"])
    steps = [] if want in state["releases"] else [("copy", want)]
    steps += [("check", want), ("link", want), ("restart", want)]
    return steps + [("remove", v) for v in state["releases"] if v not in keep]
    ### END SOLUTION
    return []  # replace this line


# %% check="plan"
with check("m8.plan"):

    def new_machine(releases=(), current=None, previous=None):
        return {
            "releases": list(releases),
            "current": current,
            "previous": previous,
        }

    def want_of(steps):
        return next((v for verb, v in steps if verb == "link"), "the release")

    def carry_out(state, steps, broken=()):
        """Run the steps on a copy of the machine; stop at a failed check."""
        now = dict(state, releases=list(state["releases"]))
        checked, serving, linked = set(), state["current"], False
        for verb, v in steps:
            there = v in now["releases"]
            if verb == "copy":
                expect(
                    not there,
                    f"the plan copies {v}, which is there already: a second "
                    "run must not do what is done.",
                )
                now["releases"].append(v)
            elif verb == "check":
                expect(there, f"{v} is checked before it is copied.")
                if v in broken:
                    break
                checked.add(v)
            elif verb == "link":
                expect(there, f"{v} is linked before it is copied.")
                expect(
                    v in checked,
                    f"{v} is linked before it was checked: a broken release "
                    "would be live until somebody notices.",
                )
                now["previous"], now["current"] = now["current"], v
                linked = True
            elif verb == "restart":
                expect(
                    now["current"] == v,
                    f"the service is restarted before {v} is linked: it reads "
                    "the old release again.",
                )
                serving = v
            elif verb == "remove":
                expect(
                    linked,
                    f"the plan removes {v} before {want_of(steps)} is linked: "
                    "the check may still fail. What cannot be taken back "
                    "comes last.",
                )
                expect(
                    v != now["current"],
                    f"the plan removes {v} while it is current.",
                )
                expect(
                    v != now["previous"] and v != state["current"],
                    f"the plan removes {v}, the release that served before: "
                    "there is no way back any more.",
                )
                expect(there, f"the plan removes {v}, which is not there.")
                now["releases"].remove(v)
            else:
                fail(f"the plan has a step {verb!r}, which does not exist.")
        return now, serving

    def steps_of(state, want):
        kept = dict(state, releases=list(state["releases"]))
        steps = plan(state, want)
        expect(state == kept, "plan changed the state: it only plans.")
        expect_type(steps, (list, tuple), "plan(state, want)")
        for it in steps:
            expect(
                isinstance(it, (tuple, list)) and len(it) == 2,
                f"{it!r} is not a step: each is a pair (what, release).",
            )
        return [tuple(it) for it in steps]

    def judge_plan(state, want):
        what = f"state {state}, want {want!r}"
        steps = steps_of(state, want)
        # A check that fails: the customers must not notice.
        if want != state["current"]:
            left, serving = carry_out(state, steps, broken={want})
            expect(
                serving == state["current"] == left["current"],
                f"{what}: the check of {want} failed, and yet something else "
                "serves now. What can fail comes first.",
            )
        after, serving = carry_out(state, steps)
        expect(
            after["current"] == want,
            f"{what}: at the end {after['current']!r} is current.",
        )
        expect(
            serving == want,
            f"{what}: the service was not restarted after the link, and "
            f"serves {serving!r} on.",
        )
        if want == state["current"]:
            expect(
                not steps,
                f"{what}: it serves already, and the plan has {steps}. "
                "Nothing is to be done: each restart is an outage.",
            )
            return after
        keep = {want, state["current"]} - {None}
        rest = sorted(set(after["releases"]) - keep)
        expect(
            not rest,
            f"{what}: {rest} are still there at the end. Remove what is "
            "neither the new release nor the way back.",
        )
        second = steps_of(after, want)
        expect(
            not second,
            f"{what}: run a second time, when {want} serves already, the "
            f"plan still has {second}. It is not idempotent, and each "
            "restart is an outage.",
        )
        return after

    first = judge_plan(new_machine(), "v1")
    second = judge_plan(first, "v2")
    third = judge_plan(second, "v3")
    judge_plan(third, "v2")  # the way back
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    # An interrupted run: copied, not linked.
    judge_plan(new_machine(["v1", "v2"], "v1"), "v2")
    judge_plan(new_machine(["v3", "v1", "v2", "v9"], "v2", "v1"), "v3")
    state = new_machine()
    for number in rng.integers(1, 5, size=12):
        state = judge_plan(state, f"release-{number}")
    ### END HIDDEN TESTS

# %% [markdown] hint="plan"
# Sketch: if the wanted release is current, return an empty list. Otherwise
# build the list in the order of the table. `copy` only if the name is not in
# `state["releases"]`. At the end one `remove` for each release that is neither
# `want` nor `state["current"]`.

# %% [markdown] hint="plan"
# ```python
# if ...:
#     return []
# keep = (want, ...)
# steps = [] if ... else [("copy", want)]
# steps += [("check", want), ..., ...]
# return steps + [("remove", v) for v in ... if v not in keep]
# ```


# %% right="plan"
def plan(state, want):
    steps = []
    if want != state["current"]:
        if want not in state["releases"]:
            steps.append(["copy", want])
        for verb in "check", "link", "restart":
            steps.append([verb, want])
        for v in state["releases"]:
            if v != want and v != state["current"]:
                steps.append(["remove", v])
    return steps


# %% wrong="plan" says="serves already; outage"
def plan(state, want):
    steps = [] if want in state["releases"] else [("copy", want)]
    steps += [("check", want), ("link", want), ("restart", want)]
    keep = (want, state["current"], state["previous"])
    if state["current"] != want:
        keep = keep[:2]
    return steps + [("remove", v) for v in state["releases"] if v not in keep]


# %% wrong="plan" says="there already; second run"
def plan(state, want):
    if state["current"] == want:
        return []
    keep = (want, state["current"])
    steps = [("copy", want), ("check", want), ("link", want)]
    steps += [("restart", want)]
    return steps + [("remove", v) for v in state["releases"] if v not in keep]


# %% wrong="plan" says="before it was checked; broken release"
def plan(state, want):
    if state["current"] == want:
        return []
    keep = (want, state["current"])
    steps = [] if want in state["releases"] else [("copy", want)]
    steps += [("link", want), ("check", want), ("restart", want)]
    return steps + [("remove", v) for v in state["releases"] if v not in keep]


# %% wrong="plan" says="no way back"
def plan(state, want):
    if state["current"] == want:
        return []
    steps = [] if want in state["releases"] else [("copy", want)]
    steps += [("check", want), ("link", want), ("restart", want)]
    return steps + [("remove", v) for v in state["releases"] if v != want]


# %% wrong="plan" says="comes last; taken back"
def plan(state, want):
    if state["current"] == want:
        return []
    keep = (want, state["current"])
    steps = [("remove", v) for v in state["releases"] if v not in keep]
    if want not in state["releases"]:
        steps.append(("copy", want))
    return steps + [("check", want), ("link", want), ("restart", want)]


# %% wrong="plan" says="not restarted; serves"
def plan(state, want):
    if state["current"] == want:
        return []
    keep = (want, state["current"])
    steps = [] if want in state["releases"] else [("copy", want)]
    steps += [("check", want), ("link", want)]
    return steps + [("remove", v) for v in state["releases"] if v not in keep]


# %% wrong="plan" says="still there at the end; way back"
def plan(state, want):
    if state["current"] == want:
        return []
    steps = [] if want in state["releases"] else [("copy", want)]
    return steps + [("check", want), ("link", want), ("restart", want)]


# %% [markdown]
# ### Pay-off 2: your model answers over HTTP
#
# Your `pack`, `unpack` and `predict_rows` behind FastAPI, on a free port of
# this machine (`course.scoring`, a few lines, worth reading). The same 500
# payments are scored offline by scikit-learn and by the service. The bar: no
# score may differ by 1e-9. Then a request without a column.

# %% demo
import httpx

from course import scoring

X, y, week = worlds["nothing"]["data"]
model, fitted = worlds["nothing"]["model"], worlds["nothing"]["fitted"]
blob = pack(model)
live = unpack(blob)
some = as_rows(X[week == 20][:500])
app = scoring.create_app(lambda rows: predict_rows(live, rows), live["version"])
# trust_env=False: a company's proxy must not see what stays on this machine
with (
    scoring.running(app) as address,
    httpx.Client(base_url=address, trust_env=False, timeout=60) as web,
):
    answer = web.post("/predict", json={"rows": some})
    served = np.array(answer.json()["p"])
    refused = web.post("/predict", json={"rows": [{"amount": 9.9}]})
    health = web.get("/health").json()
standard = (X[week == 20][:500] - model["mu"]) / model["sd"]
offline = fitted.predict_proba(standard)[:, 1]
skew = float(np.max(np.abs(served - offline)))
print(f"artefact: {len(blob):,} bytes; health: {health}")
print(f"largest difference, served to offline: {skew:.1e}")
print(f"without its columns: {refused.status_code} {refused.json()['detail']}")

# %% [markdown]
# ### Pay-off 3: who tried what, and which one serves
#
# An **experiment tracker** remembers every run: its settings, its numbers, its
# artefact. A **registry** says which version serves. Here MLflow, on a SQLite
# file in a temporary folder. So far a pilot has served, trained on a single
# week. Three candidates are trained on weeks 18 to 22, after the prices rose.
# Your `promote` judges them on weeks 24 and 25: at least 0.02 more average
# precision, at most twice as many alerts. The alias `champion` moves to the
# first that nothing speaks against, and then back: that is a rollback.

# %% demo
import tempfile
from pathlib import Path

from course import tracking

X, y, week = worlds["prices"]["data"]
recent = (week >= 18) & (week < 23)
last = week >= 24  # a week of distance: the labels come 7 days late


def measured(model):
    """Return what a candidate does on the last weeks."""
    p = predict_rows(model, as_rows(X[last]))
    return {
        "ap": float(average_precision_score(y[last], p)),
        "alerts": float(np.mean(np.asarray(p) > model["threshold"])),
    }


folder = Path(tempfile.mkdtemp())
client, experiment = tracking.open_store(folder / "store", "fraud")
client.create_registered_model("fraud-scores")
champion, _ = train(X[week == 1], y[week == 1], "v1")
numbers = {"v1": measured(champion)}
candidates = {
    "v2": {"class_weight": "balanced"},
    "v3": {"C": 1e-4},
    "v4": {"C": 1.0},
}
for version, options in [("v1", {}), *candidates.items()]:
    made = champion
    if version != "v1":
        made, _ = train(X[recent], y[recent], version, **options)
        numbers[version] = measured(made)
    run = client.create_run(experiment, run_name=version).info.run_id
    for key, value in options.items():
        client.log_param(run, key, value)
    for key, value in numbers[version].items():
        client.log_metric(run, key, value)
    (folder / "model.npz").write_bytes(pack(made))
    client.log_artifact(run, str(folder / "model.npz"))
    client.set_terminated(run)
    client.create_model_version("fraud-scores", f"runs:/{run}", run_id=run)
client.set_registered_model_alias("fraud-scores", "champion", "1")
verdicts = {}
for number, version in enumerate(candidates, start=2):
    rules = {"alerts": 2.0}
    against = promote(numbers["v1"], numbers[version], "ap", 0.02, rules)
    verdicts[version] = list(against)
    alias = client.get_model_version_by_alias("fraud-scores", "champion")
    if not against and str(alias.version) == "1":
        client.set_registered_model_alias(
            "fraud-scores", "champion", str(number)
        )
print("v1", {k: round(v, 4) for k, v in numbers["v1"].items()})
for version, against in verdicts.items():
    shown = {k: round(v, 4) for k, v in numbers[version].items()}
    print(version, shown, f"against: {against}" if against else "promote")
best = client.search_runs([experiment], order_by=["metrics.ap DESC"])[0]
print("best average precision in the store:", best.info.run_name)
alias = client.get_model_version_by_alias("fraud-scores", "champion")
print("champion: version", alias.version)
client.set_registered_model_alias("fraud-scores", "champion", "1")
alias = client.get_model_version_by_alias("fraud-scores", "champion")
print("after the rollback: version", alias.version)

# %% [markdown]
# ### Pay-off 4: the script that does it
#
# Your plan in bash: `course/data/deploy.sh`, 70 lines. `set -euo pipefail`
# makes a script stop at the first failure (`-e`), at a misspelt name (`-u`)
# and at a failure inside of a pipe. Without it, a failed `cp` is followed by
# a cheerful `ln`. A linter reads it first; then it is run twice, and once
# with a damaged file. (It needs Linux; elsewhere the cell says so.)

# %% demo
import hashlib
import shutil
import subprocess
import sys

import course

data = Path(course.__file__).parent / "data"
bin_folder = str(Path(sys.executable).parent)


def lint(tool, file):
    """Run a linter of this environment on a file; say what it says."""
    found = shutil.which(tool, path=bin_folder) or shutil.which(tool)
    if found is None:
        print(f"{tool}: not installed here")
        return
    done = subprocess.run([found, data / file], capture_output=True, text=True)
    said = done.stdout.strip() or "nothing to object"
    print(f"{tool} on {file}: {said}")


def deploy(version, file, sha256):
    """Run deploy.sh once; print what it says."""
    command = ["bash", data / "deploy.sh", folder / "live"]
    command += [version, file, sha256]
    done = subprocess.run(command, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip().replace(str(folder), "FOLDER")
    print(f"$ deploy.sh FOLDER {version} ... (exit code {done.returncode})")
    print("  " + said.replace("\n", "\n  "))


lint("shellcheck", "deploy.sh")
lint("hadolint", "Dockerfile")
if sys.platform == "linux" and shutil.which("bash"):
    digest = hashlib.sha256((folder / "model.npz").read_bytes()).hexdigest()
    deploy("v1", folder / "model.npz", digest)
    deploy("v1", folder / "model.npz", digest)
    (folder / "damaged.npz").write_bytes(b"half a file")
    deploy("v2", folder / "damaged.npz", digest)
    print("still live:", (folder / "live" / "current").readlink().name)
else:
    print("deploy.sh uses GNU tools: read it, and run it on Linux or in WSL")

# %% [markdown]
# ## Where the clouds come in
#
# Nothing of today ran in a cloud, and what you wrote is what runs there. Each
# large provider sells the parts around it. The names differ, the jobs do not:
#
# | the job | AWS | Azure | Google Cloud | today |
# |---|---|---|---|---|
# | keep artefacts | S3 | Blob Storage | Cloud Storage | a folder |
# | keep containers | ECR | Container Registry | Artifact Registry | Dockerfile |
# | run a container | ECS, App Runner | Container Apps | Cloud Run | `uvicorn` |
# | serve a model, managed | SageMaker | Azure ML | Vertex AI | `predict_rows` |
# | registry, experiments | SageMaker | Azure ML | Vertex AI | MLflow |
# | features by SQL | Redshift, Athena | Synapse, Fabric | BigQuery | SQLite |
# | watch and ring | CloudWatch | Monitor | Cloud Monitoring | `alarm` |
#
# Product names change every few years; that table is of 2025, and from their
# public descriptions: this course has not tried them. What they really add is
# machines in several places, identities and permissions, and a bill. What they
# do not add is the judgement: which guard, which limit, which way back.
#
# ## What was left out
#
# Your service has no authentication and no TLS, and it runs in one process. A
# release to *all* customers at once is brave: companies let a new model judge
# in the shadow first, then for one per cent. The drift monitor watched one
# column of thirteen; thirteen alarms ring thirteen times as often, so the limit
# must rise with their number. And a fraud model changes its own data: a blocked
# payment never tells whether it was a fraud.
#
# ## What this tells you about the job
#
# There was little mathematics today, and none of it was the hard part. The
# hard part was to imagine how things fail, quietly, when you are not there,
# and to build so that they fail loudly instead. Most weeks of a
# machine-learning engineer look more like today than like day 3. If you liked
# that `plan` run twice gives `[]`, you have the temper for it. A8 ships the
# assistant, with other worries: what it costs, and what it says.
#
# ## Further reading
#
# - D. Sculley et al. (2015), *Hidden Technical Debt in Machine Learning
#   Systems*, NeurIPS 28: most of a system is not the model.
# - E. Breck et al. (2017), *The ML Test Score*, IEEE Big Data: a checklist for
#   what you built today.
# - J. Gama et al. (2014), *A Survey on Concept Drift Adaptation*, ACM Computing
#   Surveys 46(4).
# - Y.-A. Le Borgne et al. (2022), *Reproducible Machine Learning for Credit
#   Card Fraud Detection*: the design of the simulated town.
# - Python's documentation of `pickle`, its first warning.
#
# ## Would you do this again tomorrow?

# %%
again("m8", 0)
