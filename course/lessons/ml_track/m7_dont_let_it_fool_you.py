# ---
# jupyter:
#   crossroads:
#     id: m7
#     track: ml_track
#     title: Don't let it fool you
#     partner: a7
#     assets: [sp500]
#     cpu_s: 60
# ---

# %% [markdown]
# # M7 · Don't let it fool you
#
# *Day 7, the machine-learning engineer's half.* The lamp shop Lampa has a
# year of wages in a fund that follows the S&P 500. The owner's nephew brings a
# notebook: nearest neighbours on the last 60 days of the index, 88 % right on
# its direction over the next 60. "Let us trade it on Monday." You are asked to
# judge it by tonight.
#
# Every line of his code runs. The library is good, the data are real. And the
# 88 % is false. Today you find out why, measure what is left, and then find
# something about these prices that *can* be forecast, with an interval that
# says so.
#
# {{exercises}}
#
# The checks and the small examples use a **simulated market**
# (`course.prices`): its variance moves as a real one's does, its direction is
# a biased coin by construction. Whoever finds an edge in it has made a
# mistake. The real index (`course fetch sp500`) speaks in the demonstration
# cells. It is data to learn from, and nothing here is advice to trade.

# %% setup
import numpy as np

from course import prices
from course.feedback import (
    check,
    expect,
    expect_close,
    expect_prediction,
    expect_shape,
    expect_unchanged,
    fail,
)
from course.hints import hint, parsons
from course.plots import BLACK, BLUE, GREEN, ORANGE, RED, figure, show
from course.progress import again, outcome


def target_and_yours(name, target, call):
    """Print what is wanted and what your function gives, never stopping."""
    try:
        yours = np.round(call(), 5)
    except Exception as error:
        yours = f"{type(error).__name__}: {error}"
    print(f"{name}\n  target {np.round(target, 5)}\n  yours  {yours}")


# %% [markdown]
# ## Predict
#
# The nephew's recipe: a row is the path of the index over 60 days, its label
# is whether the index is higher 60 days later. All rows are shuffled and cut
# into five parts. Each part is predicted by the *one* nearest neighbour among
# the other four.
#
# On the real index this gives 88 %. Now somebody runs the same recipe on the
# simulated market, in which the next days do not depend on the past at all.
# There, "always up" is right 65 % of the time.
#
# **Which accuracy will the recipe report?** Set `guess` to `0.5`, `0.65` or
# `0.9`, the number that it comes closest to, and `confidence` to a number from
# 0 (no idea) to 1 (certain).

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = 0.65, 0.5
### END SOLUTION

# %% check="guess"
with check("m7.guess"):
    expect_prediction("m7.guess", guess, confidence, [0.5, 0.65, 0.9])

# %% right="guess"
guess, confidence = 0.9, 1

# %% right="guess"
guess, confidence = 0.5, 0.0

# %% wrong="guess" says="must be one of; 0.65"
guess, confidence = 0.88, 0.5

# %% wrong="guess" says="confidence; from 0"
guess, confidence = 0.9, 90

# %% [markdown]
# ## Returns
#
# A price of 2,700 points says little; what it did since yesterday does. The
# **simple return** is $R_t = p_t / p_{t-1} - 1$: what one euro earned. The
# **log return** is
#
# $$r_t = \log p_t - \log p_{t-1} = \log(1 + R_t).$$
#
# For small moves they are nearly equal: $\log(1 + R) = R - R^2/2 + \dots$
# Each is additive in one direction. Log returns add up over *time*,
#
# $$\sum_{t=1}^{T} r_t = \log p_T - \log p_0,$$
#
# since everything in between cancels. Simple returns add up over *holdings*:
# half in the index and half in cash earns $R_t / 2$. So models of time use $r$,
# and the account at the end uses $R = e^{r} - 1$.
#
# A worked example: 100, 110, 99. Up 10 %, down 10 %, and 1 % has gone:
# the simple returns add up to 0, the log returns to $\log 0.99 = -0.01005$.

# %%
p3 = np.array([100.0, 110.0, 99.0])
print("simple", p3[1:] / p3[:-1] - 1, "add up to 0")
print("log of the whole", np.log(p3[-1] / p3[0]).round(5))

# %% [markdown]
# ## Exercise 1: log returns
#
# In: `p`, shape `(N,)`, positive prices in order of time. Out: the natural log
# return of each day from the second on, shape `(N - 1,)`. Example: 100, 110,
# 99 give `[0.09531, -0.10536]`.


# %% exercise="log_returns" points=1 minutes=4 difficulty=1
def log_returns(p):
    """Return log(p[t] / p[t-1]) for t = 1, 2, ..., shape (N - 1,)."""
    # 1. log   2. difference: each day minus the day before
    ### BEGIN SOLUTION
    level = np.log(p)
    return level[1:] - level[:-1]
    ### END SOLUTION
    return np.zeros(len(p) - 1)  # replace this line


# %%
target_and_yours(
    "log returns of 100, 110, 99",
    [np.log(1.1), np.log(0.9)],
    lambda: log_returns(p3),
)

# %% check="log_returns"
with check("m7.log_returns"):

    def slow_returns(p):
        import math

        return [math.log(p[t] / p[t - 1]) for t in range(1, len(p))]

    def returns_mistakes(p, want):
        """What typical mistakes give."""
        want = np.asarray(want)
        return {
            "these are simple returns, p[t] / p[t-1] - 1. They do not add up "
            "over time: up 10 % and down 10 % leaves 99 %. Take the "
            "logarithm.": np.exp(want) - 1,
            "these are ratios of prices; the log is missing.": np.exp(want),
            "the sign is turned: a rise must be positive. It is today minus "
            "yesterday.": -want,
            "this is the base-10 logarithm; a small log return equals the "
            "simple return only with the natural one, np.log.": (
                want / np.log(10)
            ),
            "these are differences of prices, in points: 10 points are much "
            "at 50 and little at 2,700. Take the log first.": np.diff(p),
            "each number is the return since the first day. Subtract the day "
            "before.": np.cumsum(want),
            "the result is one too long: the first day has no day before it, "
            "so it has no return. Leave it out.": lambda: (
                got if np.shape(got) == np.shape(p) else None
            ),
        }

    for p in ([100.0, 110.0, 99.0], [50.0, 50.0, 25.0, 75.0, 80.0]):
        p = np.array(p)
        before, want = p.copy(), slow_returns(p)
        got = log_returns(p)
        expect_unchanged(p, before, "p")
        expect_close(
            got,
            want,
            f"log_returns({p.tolist()})",
            rtol=1e-4,
            mistakes={
                m: v
                for m, v in returns_mistakes(p, want).items()
                if not callable(v) or v() is not None
            },
        )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n in (2, 3, 40):
        p = 1000 * np.exp(np.cumsum(0.02 * rng.normal(size=n)))
        want = slow_returns(p)
        expect_close(
            log_returns(p), want, f"log_returns(p) for {n} prices", rtol=1e-4
        )
    ### END HIDDEN TESTS

# %% [markdown] hint="log_returns"
# Sketch: take the logarithm of all prices. Then subtract from every day but
# the first the day before it. Two slices of the same array, shifted by one.

# %% [markdown] hint="log_returns"
# ```python
# level = ...                      # 1. log
# return level[...] - level[...]   # 2. which slice is today's?
# ```


# %% right="log_returns"
def log_returns(p):
    return np.diff(np.log(p))


# %% right="log_returns"
def log_returns(p):
    return [float(np.log1p(b / a - 1)) for a, b in zip(p[:-1], p[1:])]


# %% wrong="log_returns" says="simple returns; take the logarithm"
def log_returns(p):
    return p[1:] / p[:-1] - 1


# %% wrong="log_returns" says="one too long; first day"
def log_returns(p):
    return np.diff(np.log(p), prepend=np.log(p[0]))


# %% wrong="log_returns" says="sign is turned; today minus yesterday"
def log_returns(p):
    return np.log(p[:-1] / p[1:])


# %% wrong="log_returns" says="differences of prices; in points"
def log_returns(p):
    return np.diff(p)


# %% wrong="log_returns" says="base-10"
def log_returns(p):
    return np.diff(np.log10(p))


# %% wrong="log_returns" says="since the first day"
def log_returns(p):
    return np.log(p[1:] / p[0])


# %% [markdown]
# ## Windows: what was known when
#
# A learning machine wants rows and labels. Stand at the close of day $t$. The
# **features** may use what is known then, $r_{t-L+1}, \dots, r_t$. The
# **label** is what comes after it, the sum of the next $h$ returns
# $r_{t+1} + \dots + r_{t+h}$. Between the two runs a line, and nothing may
# cross it. A feature that has seen the other side is called **look-ahead**.
# No error message will ever tell you of one. It makes results better.
#
# There is a test that finds all of them, and you should run it on every
# pipeline that you are handed: *change the future and look whether a feature
# of today moves.* The check does just that.
#
# With $r = (1, 2, 3, 4, 5)$, $L = 2$ and $h = 1$:
#
# | row | features | label |
# |---|---|---|
# | 0 | 1, 2 | 3 |
# | 1 | 2, 3 | 4 |
# | 2 | 3, 4 | 5 |
#
# A row needs $L$ days before the line and $h$ after it, so there are
# $N = n - L - h + 1$ rows.
#
# ## Exercise 2: windows
#
# In: `r`, shape `(n,)`; `L` and `h`, at least 1, with `L + h <= n`. Out:
# `X`, shape `(N, L)`, oldest day first, and `y`, shape `(N,)`, the **sum** of
# the next `h` returns. Row `i` is the window that begins on day `i`.


# %% exercise="windows" points=2 minutes=7 difficulty=2
def windows(r, L, h):
    """Return X, shape (N, L), and y, shape (N,): past and sum of the next h."""
    # 1. rows: how many?
    # 2. past: the L days from day i on
    # 3. future: the sum of the h days after them
    ### BEGIN SOLUTION
    n_rows = len(r) - L - h + 1
    X = np.array([r[i : i + L] for i in range(n_rows)])
    y = np.array([np.sum(r[i + L : i + L + h]) for i in range(n_rows)])
    return X, y
    ### END SOLUTION
    n_rows = len(r) - L - h + 1
    return np.zeros((n_rows, L)), np.zeros(n_rows)  # replace this line


# %% check="windows"
with check("m7.windows"):

    def slow_windows(r, L, h):
        """Go from day to day with a pencil."""
        rows, labels = [], []
        for end in range(L - 1, len(r) - h):
            rows.append([r[end - L + 1 + j] for j in range(L)])
            labels.append(sum(r[end + 1 + j] for j in range(h)))
        return np.array(rows), np.array(labels)

    def two(got):
        expect(
            isinstance(got, (tuple, list)) and len(got) == 2,
            "windows must return two things: X, then y.",
        )
        return got

    def future_test(L, h):
        """Change one day at a time: no row that ended before it may move."""
        r = np.sin(np.arange(1.0, 13.0)) + 0.1
        X, _ = two(windows(r.copy(), L, h))
        X = np.asarray(X, float)
        for day in range(L, len(r)):
            other = r.copy()
            other[day] += 5
            moved = np.asarray(two(windows(other, L, h))[0], float)
            if moved.shape != X.shape:
                break
            rows = np.flatnonzero((moved != X).reshape(len(X), -1).any(axis=1))
            early = rows[rows + L - 1 < day]
            if len(early):
                row = int(early[0])
                fail(
                    f"look-ahead: change the return of day {day} and the "
                    f"features of row {row}, which end on day {row + L - 1}, "
                    "change. Tomorrow's price must not move today's feature: "
                    "use only the L days of the window itself."
                )

    def windows_are_right(r, L, h, what):
        want_X, want_y = slow_windows(r, L, h)
        before = r.copy()
        X, y = two(windows(r, L, h))
        expect_unchanged(r, before, "r")
        n_rows = np.shape(X)[0] if np.ndim(X) else 0
        if n_rows != len(want_X) and np.ndim(X) == 2:
            fail(
                f"{what}: X has {n_rows} rows, it must have {len(want_X)}: "
                "n - L - h + 1. The last row is the one whose label ends on "
                "the last day."
            )
        expect_close(
            X,
            want_X,
            f"{what}: X",
            mistakes={
                "the days of each window are in reverse: the oldest goes "
                "first.": want_X[:, ::-1],
                "X lies on its side: one row for each window.": want_X.T,
            },
        )
        n, ends = len(want_y), np.arange(L, L + len(want_y))
        known = np.array([sum(r[e - 1 : e + h - 1]) for e in ends])
        last = np.array([r[e + h - 1] for e in ends])
        expect_close(
            y,
            want_y,
            f"{what}: y",
            mistakes={
                "the label begins on the last day of the window: that day is "
                "in X already, so the model reads a part of its answer. The "
                "label begins the day after.": known,
                "y holds the return of one day alone. It is the sum of the "
                "next h days.": last,
                "y is the mean of the next h days; take the sum.": want_y / h,
                "y holds directions. Keep the sum of the returns here; who "
                "wants a direction takes y > 0.": (want_y > 0).astype(float),
                "y holds signs. Keep the sum of the returns here; who wants a "
                "direction takes y > 0.": np.sign(want_y),
                "the label sums the days of the window itself, not those "
                "after it.": want_X.sum(axis=1),
            },
        )
        return n

    for L, h in [(2, 1), (3, 2)]:
        future_test(L, h)
    # One day ahead, then two: with h = 1 the sum and the last day agree.
    windows_are_right(
        np.array([1.0, 2.0, 4.0, -3.0, 7.0]), 2, 1, "L = 2, h = 1"
    )
    windows_are_right(
        np.array([1.0, 2.0, 4.0, -3.0, 7.0, -6.0, 5.0]), 2, 3, "L = 2, h = 3"
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, L, h in [(2, 1, 1), (9, 4, 5), (30, 7, 2), (30, 1, 6), (25, 5, 5)]:
        what = f"{n} returns, L = {L}, h = {h}"
        windows_are_right(rng.normal(size=n), L, h, what)
    future_test(5, 4)
    ### END HIDDEN TESTS

# %% [markdown] hint="windows"
# Sketch: count the rows first. Row `i` holds the days `i` to `i + L - 1`. Its
# label adds the `h` days that follow, from day `i + L` on. Python's slices
# leave the end out, which is just right here.

# %% [markdown] hint="windows"
# ```python
# n_rows = len(r) - ...                                          # 1. rows
# X = np.array([r[i : ...] for i in range(n_rows)])              # 2. past
# y = np.array([np.sum(r[... : ...]) for i in range(n_rows)])    # 3. future
# return X, y
# ```


# %% right="windows"
def windows(r, L, h):
    view = np.lib.stride_tricks.sliding_window_view(r, L + h)
    return view[:, :L].copy(), view[:, L:].sum(axis=1)


# %% right="windows"
def windows(r, L, h):
    r = list(r)
    X, y = [], []
    for end in range(L, len(r) - h + 1):
        X.append(r[end - L : end])
        y.append(float(sum(r[end : end + h])))
    return [X, y]


# %% wrong="windows" says="look-ahead; change the return of day"
def windows(r, L, h):
    # centred windows
    n = len(r) - L - h + 1
    X = np.array([r[i + 1 : i + L + 1] for i in range(n)])
    return X, np.array([r[i + L : i + L + h].sum() for i in range(n)])


# %% wrong="windows" says="look-ahead; tomorrow's price"
def windows(r, L, h):
    # standardised with mean and deviation of all days
    s = (r - r.mean()) / r.std()
    n = len(r) - L - h + 1
    X = np.array([s[i : i + L] for i in range(n)])
    return X, np.array([r[i + L : i + L + h].sum() for i in range(n)])


# %% wrong="windows" says="label begins on the last day; day after"
def windows(r, L, h):
    n = len(r) - L - h + 1
    X = np.array([r[i : i + L] for i in range(n)])
    return X, np.array([r[i + L - 1 : i + L - 1 + h].sum() for i in range(n)])


# %% wrong="windows" says="one day alone; sum of the next h"
def windows(r, L, h):
    n = len(r) - L - h + 1
    X = np.array([r[i : i + L] for i in range(n)])
    return X, np.array([r[i + L + h - 1] for i in range(n)])


# %% wrong="windows" says="directions; y > 0"
def windows(r, L, h):
    n = len(r) - L - h + 1
    X = np.array([r[i : i + L] for i in range(n)])
    y = np.array([r[i + L : i + L + h].sum() > 0 for i in range(n)])
    return X, y.astype(int)


# %% wrong="windows" says="last row; n - L - h + 1"
def windows(r, L, h):
    n = len(r) - L - h
    X = np.array([r[i : i + L] for i in range(n)])
    return X, np.array([r[i + L : i + L + h].sum() for i in range(n)])


# %% wrong="windows" says="in reverse; oldest"
def windows(r, L, h):
    n = len(r) - L - h + 1
    X = np.array([r[i : i + L][::-1] for i in range(n)])
    return X, np.array([r[i + L : i + L + h].sum() for i in range(n)])


# %% [markdown]
# ## Why shuffling lies here
#
# Take two rows $d$ days apart, $d < h$. Their labels sum $h$ days each, and
# $h - d$ of these days are the *same days*. For independent daily returns of
# variance $\sigma^2$,
#
# $$\operatorname{corr}(y_t, y_{t+d}) = \frac{(h-d)\,\sigma^2}{h\,\sigma^2}
#   = 1 - \frac dh .$$
#
# For two normal numbers with mean 0 and correlation $\rho$, the probability
# of equal signs is $\tfrac12 + \tfrac1\pi \arcsin\rho$ (Sheppard 1899). With
# $h = 60$ and $d = 1$ it is 0.94. The features overlap, too: the window of the
# next day holds 59 of the same 60 days. So the nearest neighbour of a row is
# the row of the next day, whenever shuffling has put that one into the training
# set. The model finds the day next door and copies its label. It has learned
# the calendar.
#
# In real use the day next door does not help: its label is not known yet. On
# day $t$ the newest label that has *happened* is that of day $t - h$. An
# honest split does what the calendar does:
#
# 1. **train** on a run of rows,
# 2. **purge**: leave out the rows whose labels are still open,
# 3. **test** on the run after that, then move on.
#
# This is *walk-forward validation with purging* (López de Prado 2018).

# %%
agree = [0.5 + np.arcsin(1 - 1 / h) / np.pi for h in (5, 20, 60)]
print("equal labels on neighbouring days, h = 5, 20, 60:", np.round(agree, 2))

# %% [markdown]
# ## Exercise 3: walk forward
#
# In: `n` rows in order of time; `train`, `test`, `purge`. Out: a list of pairs
# `(train_rows, test_rows)` of row numbers. The first pair trains on rows
# 0 to `train - 1`, leaves `purge` rows out, and tests on the next `test` rows.
# Each further pair moves everything on by `test`, so training always uses
# `train` rows, and every row after the first gap is tested exactly once. The
# last test run may be shorter. With `n = 9, train = 3, test = 2, purge = 1`:
#
# | pair | train | left out | test |
# |---|---|---|---|
# | 1 | 0, 1, 2 | 3 | 4, 5 |
# | 2 | 2, 3, 4 | 5 | 6, 7 |
# | 3 | 4, 5, 6 | 7 | 8 |


# %% exercise="walk_forward" points=2 minutes=9 difficulty=3
def walk_forward(n, train, test, purge):
    """Return [(train_rows, test_rows), ...] in order of time."""
    # 1. train: a run of `train` rows
    # 2. purge: leave the next `purge` rows out
    # 3. test: the next rows, then move on by `test`
    ### BEGIN SOLUTION
    pairs = []
    for first in range(train + purge, n, test):
        known = first - purge
        train_rows = np.arange(known - train, known)
        test_rows = np.arange(first, min(first + test, n))
        pairs.append((train_rows, test_rows))
    return pairs
    ### END SOLUTION
    return []  # replace this line


# %% check="walk_forward"
with check("m7.walk_forward"):

    def calendar_pairs(n, train, test, purge):
        """Day by day: who is tested, and which rows may teach on that day."""
        pairs, day = [], train + purge
        while day < n:
            teach = [i for i in range(n) if day - purge - train <= i]
            teach = [i for i in teach if i < day - purge]
            tested = [i for i in range(day, day + test) if i < n]
            pairs.append((teach, tested))
            day += test
        return pairs

    def rows(pair, which):
        found = np.asarray(pair[which])
        expect(
            found.ndim == 1 and (found.size == 0 or found.dtype.kind in "iu"),
            "each pair must be two runs of row numbers, whole numbers in one "
            "dimension: (train_rows, test_rows).",
        )
        return found.tolist()

    def judge_walk(n, train, test, purge):
        what = f"n = {n}, train = {train}, test = {test}, purge = {purge}"
        pairs = list(walk_forward(n, train, test, purge))
        want = calendar_pairs(n, train, test, purge)
        expect(
            len(pairs) > 0 and all(len(it) == 2 for it in pairs),
            f"{what}: the result must be a list of {len(want)} pairs "
            "(train_rows, test_rows).",
        )
        for i, pair in enumerate(pairs):
            teach, tested = rows(pair, 0), rows(pair, 1)
            expect(teach and tested, f"{what}: pair {i + 1} has no rows.")
            late = max(teach) - min(tested)
            if late > 0:
                fail(
                    f"{what}: pair {i + 1} trains on row {max(teach)} and "
                    f"tests on row {min(tested)}, which was earlier. No "
                    "shuffling: training comes before testing, as on the "
                    "calendar."
                )
            gap = min(tested) - max(teach) - 1
            if gap < purge:
                fail(
                    f"{what}: between training and test of pair {i + 1} "
                    f"{gap} rows are left out. Purge {purge}: their labels "
                    "reach into the test days, and have not happened yet "
                    "when the model is trained."
                )
            expect(
                gap == purge,
                f"{what}: between training and test of pair {i + 1} {gap} "
                f"rows are left out, {purge} are to be purged. Further rows "
                "are lost for nothing.",
            )
            if len(teach) != train:
                side = "grows" if len(teach) > train else "shrinks"
                fail(
                    f"{what}: pair {i + 1} trains on {len(teach)} rows: the "
                    f"training run {side}. Use the last `train` = {train} "
                    "rows before the gap."
                )
        seen = [i for pair in pairs for i in rows(pair, 1)]
        due = list(range(train + purge, n))
        twice = sorted({i for i in seen if seen.count(i) > 1})
        expect(
            not twice,
            f"{what}: rows {twice[:5]} are tested more than once. Move on by "
            "`test` rows.",
        )
        left = sorted(set(due) - set(seen))
        expect(
            not left,
            f"{what}: rows {left[:5]} are never tested. Move on by `test` "
            "rows each time, and keep the last run though it is shorter.",
        )
        for i, (pair, (teach, tested)) in enumerate(zip(pairs, want)):
            ok = rows(pair, 0) == teach and rows(pair, 1) == tested
            expect(
                ok,
                f"{what}: pair {i + 1} must be ({teach}, {tested}), yours is "
                f"({rows(pair, 0)}, {rows(pair, 1)}).",
            )
        expect(
            len(pairs) == len(want),
            f"{what}: {len(pairs)} pairs, there must be {len(want)}.",
        )

    judge_walk(9, 3, 2, 1)
    judge_walk(10, 4, 2, 2)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for _ in range(6):
        n, train = int(rng.integers(30, 45)), int(rng.integers(5, 12))
        test, purge = int(rng.integers(1, 7)), int(rng.integers(0, 6))
        judge_walk(n, train, test, purge)
    judge_walk(7, 5, 10, 1)
    ### END HIDDEN TESTS

# %% [markdown] hint="walk_forward"
# Sketch: let a loop run over the first test row of each pair. It starts at
# `train + purge` and moves on by `test`. Counting back from it, `purge` rows
# are left out, and the `train` rows before those are for training.

# %% [markdown] hint="walk_forward"
# ```python
# pairs = []
# for first in range(..., n, ...):                    # first test row
#     known = ...                                     # 2. purge
#     train_rows = np.arange(..., known)              # 1. train
#     test_rows = np.arange(first, min(..., n))       # 3. test
#     pairs.append((train_rows, test_rows))
# return pairs
# ```


# %% right="walk_forward"
def walk_forward(n, train, test, purge):
    pairs, start = [], 0
    while start + train + purge < n:
        a = start + train + purge
        pairs.append((range(start, start + train), range(n)[a : a + test]))
        start += test
    return [(list(a), list(b)) for a, b in pairs]


# %% right="walk_forward"
def walk_forward(n, train, test, purge):
    i = np.arange(n)
    for k in range(0, n - train - purge, test):
        yield i[k : k + train], i[k + train + purge : k + train + purge + test]


# %% wrong="walk_forward" says="no shuffling; calendar"
def walk_forward(n, train, test, purge):
    order = np.random.default_rng(0).permutation(n)
    return [
        (order[:train], order[i : i + test])
        for i in range(train + purge, n, test)
    ]


# %% wrong="walk_forward" says="no shuffling"
def walk_forward(n, train, test, purge):
    # k folds in order: trains on what came after the test, too
    out = []
    for a in range(train + purge, n, test):
        b = min(a + test, n)
        out.append((np.r_[0 : a - purge, b:n], np.arange(a, b)))
    return out


# %% wrong="walk_forward" says="0 rows are left out; have not happened"
def walk_forward(n, train, test, purge):
    return [
        (np.arange(a - train, a), np.arange(a, min(a + test, n)))
        for a in range(train + purge, n, test)
    ]


# %% wrong="walk_forward" says="rows are left out; labels reach into"
def walk_forward(n, train, test, purge):
    # leaves rows out at the far end of the training run
    return [
        (np.arange(a - train, a)[purge:], np.arange(a, min(a + test, n)))
        for a in range(train + purge, n, test)
    ]


# %% wrong="walk_forward" says="training run grows; last `train`"
def walk_forward(n, train, test, purge):
    return [
        (np.arange(0, a - purge), np.arange(a, min(a + test, n)))
        for a in range(train + purge, n, test)
    ]


# %% wrong="walk_forward" says="training run shrinks; last `train`"
def walk_forward(n, train, test, purge):
    return [
        (np.arange(a - train, a - purge), np.arange(a, min(a + test, n)))
        for a in range(train, n, test)
        if train > purge
    ]


# %% wrong="walk_forward" says="never tested; keep the last run"
def walk_forward(n, train, test, purge):
    return [
        (np.arange(a - purge - train, a - purge), np.arange(a, a + test))
        for a in range(train + purge, n - test + 1, test)
    ]


# %% wrong="walk_forward" says="never tested; move on by"
def walk_forward(n, train, test, purge):
    step = train + purge + test
    return [
        (np.arange(a - purge - train, a - purge), np.arange(a, a + test))
        for a in range(train + purge, n - test + 1, step)
    ]


# %% wrong="walk_forward" says="more than once"
def walk_forward(n, train, test, purge):
    return [
        (np.arange(a - purge - train, a - purge), np.arange(a, a + test))
        for a in range(train + purge, n - test + 1)
    ]


# %% [markdown]
# ### Pay-off 1: the 88 % that was a lie
#
# The nephew's recipe with your `log_returns` and `windows`, first shuffled,
# then with your `walk_forward`: 1,250 rows (five years) to learn from, 250 to
# test on, `h` purged. On the index from 1990 to 2018 and on a simulated
# market of the same length, in which there is nothing to find.

# %% demo
from sklearn.neighbors import KNeighborsClassifier

from course.datasets import load_sp500


def since_1990():
    """Return the closing prices of the index, 1990 to 2018, shape (7292,)."""
    table = load_sp500()
    return table.loc[table.index >= "1990", "Close"].to_numpy(float)


def shuffled_parts(n, parts):
    """Return pairs of row numbers, as a shuffled cross-validation cuts."""
    order = np.random.default_rng(0).permutation(n)
    cut = np.array_split(order, parts)
    return [(np.setdiff1d(order, part), part) for part in cut]


def predicted(model, F, up, pairs):
    """Return two arrays: was the model right, was the base rule right?

    The base rule says "up" if most training labels were, else "down".
    """
    ok, base = [], []
    for a, b in pairs:
        ok.append(model.fit(F[a], up[a]).predict(F[b]) == up[b])
        base.append(up[b] == (up[a].mean() > 0.5))
    return np.concatenate(ok), np.concatenate(base)


closes = since_1990()
r_index = np.asarray(log_returns(closes))
r_made_up = prices.simulate(len(r_index), seed=0).returns
neighbour = KNeighborsClassifier(1)
lie = {}
for source, r_days in [("S&P 500", r_index), ("simulated", r_made_up)]:
    for h in (20, 60):
        X, y = windows(r_days, 60, h)
        path, up = np.cumsum(X, axis=1), y > 0
        ok_s, _ = predicted(neighbour, path, up, shuffled_parts(len(up), 5))
        pairs = walk_forward(len(up), 1250, 250, h)
        ok_p, base_p = predicted(neighbour, path, up, pairs)
        lie[source, h] = ok_s.mean(), ok_p.mean(), base_p.mean()
        if source == "S&P 500" and h == 60:
            ok_60, base_60 = ok_p, base_p

# %% demo
fig, ax = figure(height=3.8)
where = np.arange(len(lie))
for j, (text, colour, hatch) in enumerate(
    [
        ("1-NN, shuffled", RED, ""),
        ("1-NN, walk-forward, purged", BLUE, "//"),
        ("base rule, same days", ORANGE, ".."),
    ]
):
    values = [it[j] for it in lie.values()]
    bars = ax.bar(
        where + 0.27 * (j - 1), values, 0.25, color=colour, hatch=hatch
    )
    ax.bar_label(bars, fmt="%.2f", fontsize=8)
    bars.set_label(text)
ax.axhline(0.5, color=BLACK, lw=1, ls=":")
ax.set_xticks(where, [f"{a}\n{h} days ahead" for a, h in lie])
ax.set_ylim(0, 1.25)
ax.set_xlabel("market and horizon (trading days)")
ax.set_ylabel("share of days with the right direction")
ax.legend(loc="upper left", ncols=3, fontsize=8)
show(
    fig,
    "; ".join(
        f"{a}, {h} days: shuffled {v[0]:.2f}, purged {v[1]:.2f}, base rule "
        f"{v[2]:.2f}"
        for (a, h), v in lie.items()
    )
    + ".",
)
outcome("m7.guess", 0.9)

# %% [markdown]
# The simulated market has no pattern, by construction, and the recipe reports
# as much there as on the index. So its 88 % was never evidence of anything.
# Purged, it is *worse* than a rule that reads only the training labels' most
# frequent direction. An accuracy without its base rate means nothing: over 60
# days this index rose about two times out of three.
#
# How much is due to the missing purge alone? That depends on the length of the
# test run: only its first $h$ rows profit. If the model is trained anew each
# week, as the eager do, all of them do.

# %% demo
X, y = windows(r_index, 60, 60)
path, up = np.cumsum(X, axis=1), y > 0
weekly = {}
for purge in (0, 60):
    pairs = walk_forward(len(up), 1250, 5, purge)
    weekly[purge] = predicted(neighbour, path, up, pairs)[0].mean()
print(f"trained weekly, no purge:   {weekly[0]:.3f}")
print(f"trained weekly, purge of h: {weekly[60]:.3f}")

# %% [markdown]
# ## How sure is an edge?
#
# The **edge** is the accuracy of the model minus that of the base rule *on
# the same days*: the mean of $d_t = \text{ok}_t - \text{base}_t$, which is
# −1, 0 or 1. How far would it scatter over other histories?
#
# The textbook says $s / \sqrt N$. That holds for independent days, and ours
# overlap. Let $d_t$ be like a sum of $h$ shocks, with $\operatorname{corr}(d_t,
# d_{t+k}) = 1 - |k|/h$. Then
#
# $$\operatorname{var}(\bar d) = \frac{s^2}{N}
#   \sum_{|k| < h} \Big(1 - \frac{|k|}{h}\Big) + O\!\left(N^{-2}\right)
#   \approx \frac{s^2}{N}\, h,$$
#
# because the sum of that triangle is exactly $h$. The true spread is
# $\sqrt h$ times the textbook's: $N$ overlapping days are worth $N/h$. With
# $h = 60$ an interval that ignores this is nearly eight times too narrow.
#
# The **block bootstrap** (Künsch 1989) needs no formula. It rebuilds history
# from *runs* of `block` days, so that what hangs together stays together:
#
# 1. **difference**: $d_t$, day by day, so that what is hard for both cancels;
# 2. **glue**: draw random first days, take runs of `block` days from each
#    (after the last day comes the first: then each day is as likely), and glue
#    until there are $N$ days; note their mean. Do that $B$ times;
# 3. **interval**: the 2.5 % and 97.5 % points of the $B$ means.
#
# Blocks should be at least as long as the overlap.
#
# ## Exercise 4: the interval of an edge
#
# In: `ok` and `base`, shape `(N,)`, booleans or numbers; `block`, days; `B`,
# the number of resamples; `seed`. Out: three numbers, `edge`, `lo`, `hi`. The
# same seed must give the same interval. Example: if `ok` is right on days 1, 2
# and 4 of four, and `base` on days 1 and 3, the edge is 0.25.


# %% exercise="edge_ci" points=3 minutes=11 difficulty=3
def edge_ci(ok, base, block, B, seed):
    """Return (edge, lo, hi): mean difference and its 95 % interval."""
    # 1. difference: day by day
    # 2. glue: runs of `block` days from random first days, cut to N
    # 3. interval: percentiles of the B means
    ### BEGIN SOLUTION
    d = np.asarray(ok, float) - np.asarray(base, float)
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(B):
        first = rng.integers(len(d), size=-(-len(d) // block))
        days = (first[:, None] + np.arange(block)) % len(d)
        means.append(d[days.ravel()[: len(d)]].mean())
    lo, hi = np.percentile(means, [2.5, 97.5])
    return d.mean(), lo, hi
    ### END SOLUTION
    return 0.0, 0.0, 0.0  # replace this line


# %% check="edge_ci"
with check("m7.edge_ci"):

    def spread_of(d, block, B=400):
        """Width of the interval, from sums over a doubled history."""
        rng = np.random.default_rng(99)
        n = len(d)
        total = np.concatenate([[0.0], np.cumsum(np.concatenate([d, d]))])
        k, rest = divmod(n, block)
        a = rng.integers(n, size=(B, k))
        means = (total[a + block] - total[a]).sum(axis=1)
        z = rng.integers(n, size=B)
        means = (means + total[z + rest] - total[z]) / n
        return np.subtract(*np.percentile(means, [97.5, 2.5]))

    def three(got):
        expect(
            isinstance(got, (tuple, list)) or np.shape(got) == (3,),
            "edge_ci must return three numbers: edge, lo, hi.",
        )
        expect_shape(got, (3,), "edge_ci(ok, base, block, B, seed)")
        return [float(it) for it in got]

    def judge_edge(ok, base, block, seed, what):
        o, b = np.asarray(ok, float), np.asarray(base, float)
        B = 600
        edge, lo, hi = three(edge_ci(ok, base, block, B, seed))
        expect_close(
            edge,
            np.mean(o) - np.mean(b),
            f"{what}: the edge",
            mistakes={
                "this is the distance to 50 %, a coin. The base rule is "
                "better than a coin without any model: subtract the base "
                "rule's own days.": np.mean(o) - 0.5,
                "this is the accuracy of the model alone. The edge is what it "
                "has *more* than the base rule.": np.mean(o),
                "the sign is turned: ok minus base.": np.mean(b) - np.mean(o),
                "only days with base right are counted; the edge is over all "
                "days.": lambda: np.mean((o - b)[b > 0]),
            },
        )
        width, right = hi - lo, spread_of(o - b, block)
        if lo == hi:
            fail(
                f"{what}: the interval has width 0: every resample holds the "
                "same days. Draw the first days *with* replacement."
            )
        expect(lo < hi, f"{what}: lo = {lo:.4f} must be below hi = {hi:.4f}.")
        if 0.75 < width / right < 1.33:
            inside = lo < edge < hi
            expect(inside, f"{what}: the edge is outside of its interval.")
            return
        iid = spread_of(o - b, 1)
        apart = np.hypot(spread_of(o, block), spread_of(b, block))
        flat = np.subtract(*np.percentile(o - b, [97.5, 2.5]))
        looks_like = {
            "this is the width for independent days, "
            f"{right / iid:.1f} times too narrow: these days hang "
            f"together. Resample runs of {block} days, not single days.": iid,
            "ok and base were resampled apart. A day that is easy for both "
            "must stay one day: resample the differences.": apart,
            "these are percentiles of the days themselves, not of the means "
            "of resampled histories.": flat,
            "this is the interval of the accuracy alone: resample the "
            "differences ok - base.": spread_of(o, block),
        }
        for why, likely in looks_like.items():
            if 0.8 < width / likely < 1.25:
                fail(f"{what}: the interval is {width:.3f} wide. {why}")
        fail(
            f"{what}: the interval is {width:.3f} wide, about {right:.3f} is "
            f"right. Each resample must have all {len(o)} days, and the "
            "interval goes from the 2.5 % to the 97.5 % point of the means."
        )

    def histories(rng, n, h):
        """Correct days that hang together over h days, for model and base."""
        both = np.convolve(rng.normal(size=n + h - 1), np.ones(h), "valid")
        own = np.convolve(rng.normal(size=n + h - 1), np.ones(h), "valid")
        return both + 0.6 * own > -0.3 * h**0.5, both > -0.6 * h**0.5

    ok, base = histories(np.random.default_rng(1), 800, 20)
    judge_edge(ok, base, 20, 3, "800 days that overlap by 20")
    hand = three(
        edge_ci(np.array([1, 1, 0, 1]), np.array([1, 0, 1, 0]), 2, 50, 0)
    )
    expect_close(hand[0], 0.25, "the edge of the example with four days")
    same = [three(edge_ci(ok, base, 20, 60, 5)) for _ in range(2)]
    expect_close(
        same[0],
        same[1],
        "the interval of a second call with the same seed",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    ok, base = histories(rng, 610, 12)
    judge_edge(ok, base, 25, 4, "610 days, blocks of 25")
    loss = np.convolve(rng.normal(size=519), np.ones(20), "valid")
    judge_edge(-loss, 0 * loss, 20, 4, "losses instead of hits")
    alone = rng.random(400) < 0.6
    always = rng.random(400) < 0.5
    judge_edge(alone, always, 1, 5, "400 independent days, block = 1")
    ### END HIDDEN TESTS

# %% [markdown] hint="edge_ci"
# Sketch: turn both into numbers and subtract. A resample needs
# `ceil(N / block)` first days, drawn from 0 to N − 1 with replacement. Each
# stands for the days `first, first + 1, ..., first + block - 1`, modulo N.
# Concatenate them, cut to N days, take the mean.

# %% [markdown] hint="edge_ci"
# ```python
# d = ...                                              # 1. difference
# rng = np.random.default_rng(seed)
# means = []
# for _ in range(B):                                   # 2. glue
#     first = rng.integers(..., size=-(-len(d) // block))
#     days = (first[:, None] + np.arange(...)) % ...
#     means.append(d[days.ravel()[: ...]].mean())
# lo, hi = np.percentile(means, [..., ...])            # 3. interval
# return d.mean(), lo, hi
# ```


# %% right="edge_ci"
def edge_ci(ok, base, block, B, seed):
    # moving blocks, which do not wrap round
    rng = np.random.RandomState(seed)
    d = [float(a) - float(b) for a, b in zip(ok, base)]
    runs = [sum(d[i : i + block]) for i in range(len(d) - block + 1)]
    picks = rng.randint(0, len(runs), size=(B, round(len(d) / block)))
    means = np.array(runs)[picks].mean(axis=1) / block
    return [np.mean(d), np.quantile(means, 0.025), np.quantile(means, 0.975)]


# %% right="edge_ci"
def edge_ci(ok, base, block, B, seed):
    d = np.array(ok, float) - np.array(base, float)
    n, rng = len(d), np.random.default_rng(seed + 1000)
    first = rng.integers(0, n, size=(B, n // block + 1))
    days = (first[:, :, None] + np.arange(block)).reshape(B, -1)[:, :n] % n
    spread = np.sort(d[days].mean(axis=1))
    return np.array([d.mean(), spread[int(0.025 * B)], spread[int(0.975 * B)]])


# %% wrong="edge_ci" says="coin; base rule's own days"
def edge_ci(ok, base, block, B, seed):
    d = np.asarray(ok, float) - 0.5
    rng = np.random.default_rng(seed)
    m = [rng.choice(d, len(d)).mean() for _ in range(B)]
    return d.mean(), *np.percentile(m, [2.5, 97.5])


# %% wrong="edge_ci" says="independent days; runs of 20 days"
def edge_ci(ok, base, block, B, seed):
    d = np.asarray(ok, float) - np.asarray(base, float)
    rng = np.random.default_rng(seed)
    m = [rng.choice(d, len(d)).mean() for _ in range(B)]
    return d.mean(), *np.percentile(m, [2.5, 97.5])


# %% wrong="edge_ci" says="independent days; hang together"
def edge_ci(ok, base, block, B, seed):
    d = np.asarray(ok, float) - np.asarray(base, float)
    se = d.std() / len(d) ** 0.5
    return d.mean(), d.mean() - 1.96 * se, d.mean() + 1.96 * se


# %% wrong="edge_ci" says="resampled apart; differences"
def edge_ci(ok, base, block, B, seed):
    rng = np.random.default_rng(seed)
    ok, base = np.asarray(ok, float), np.asarray(base, float)
    n, m = len(ok), []
    for _ in range(B):
        one, two = rng.integers(n, size=(2, -(-n // block), 1))
        a = ((one + np.arange(block)) % n).ravel()[:n]
        b = ((two + np.arange(block)) % n).ravel()[:n]
        m.append(ok[a].mean() - base[b].mean())
    return ok.mean() - base.mean(), *np.percentile(m, [2.5, 97.5])


# %% wrong="edge_ci" says="percentiles of the days themselves"
def edge_ci(ok, base, block, B, seed):
    d = np.asarray(ok, float) - np.asarray(base, float)
    return d.mean(), *np.percentile(d, [2.5, 97.5])


# %% wrong="edge_ci" says="width 0; with* replacement"
def edge_ci(ok, base, block, B, seed):
    d = np.asarray(ok, float) - np.asarray(base, float)
    rng = np.random.default_rng(seed)
    m = [np.sort(rng.permutation(d)).mean() for _ in range(B)]
    return d.mean(), *np.percentile(m, [2.5, 97.5])


# %% wrong="edge_ci" says="accuracy of the model alone; more"
def edge_ci(ok, base, block, B, seed):
    d = np.asarray(ok, float)
    n, rng = len(d), np.random.default_rng(seed)
    first = rng.integers(n, size=(B, -(-n // block), 1))
    days = ((first + np.arange(block)) % n).reshape(B, -1)[:, :n]
    return d.mean(), *np.percentile(d[days].mean(axis=1), [2.5, 97.5])


# %% wrong="edge_ci" says="same seed"
def edge_ci(ok, base, block, B, seed):
    d = np.asarray(ok, float) - np.asarray(base, float)
    n, rng = len(d), np.random.default_rng()
    first = rng.integers(n, size=(B, -(-n // block), 1))
    days = ((first + np.arange(block)) % n).reshape(B, -1)[:, :n]
    return d.mean(), *np.percentile(d[days].mean(axis=1), [2.5, 97.5])


# %% wrong="edge_ci" says="wide; must have all 800 days"
def edge_ci(ok, base, block, B, seed):
    # one block per resample
    d = np.asarray(ok, float) - np.asarray(base, float)
    n, rng = len(d), np.random.default_rng(seed)
    days = (rng.integers(n, size=(B, 1)) + np.arange(block)) % n
    return d.mean(), *np.percentile(d[days].mean(axis=1), [2.5, 97.5])


# %% [markdown]
# ### Pay-off 2: tomorrow's direction
#
# The classic question: up or down *tomorrow*? Logistic regression and boosted
# trees on the last 20 returns, walking forward, against the base rule. Beside
# them the nephew's neighbours at 60 days, with the honest interval and with
# the one that a textbook for independent days would have drawn.

# %% demo
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = windows(r_index, 20, 1)
up = y > 0
pairs = walk_forward(len(up), 1250, 250, 1)
boosted = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8)
edges = {
    "1-NN, 60 days,\ndays as independent": edge_ci(ok_60, base_60, 1, 1000, 0)
}
edges["1-NN, 60 days,\nblocks of 60"] = edge_ci(ok_60, base_60, 60, 1000, 0)
for text, model in [
    ("logistic, 1 day", make_pipeline(StandardScaler(), LogisticRegression())),
    ("boosted trees, 1 day", boosted),
]:
    ok_1, base_1 = predicted(model, X, up, pairs)
    edges[text] = edge_ci(ok_1, base_1, 20, 1000, 0)
    print(f"{text}: {ok_1.mean():.3f}, base rule {base_1.mean():.3f}")
teach, _ = pairs[-1]
in_training = boosted.fit(X[teach], up[teach]).score(X[teach], up[teach])
print(f"boosted trees on what they were trained on: {in_training:.3f}")

fig, ax = figure(height=3.4)
for i, (edge, lo, hi) in enumerate(edges.values()):
    colour = RED if i == 0 else BLUE
    ax.plot([100 * lo, 100 * hi], [i, i], color=colour, lw=3)
    ax.plot(100 * edge, i, "o", color=colour)
ax.axvline(0, color=BLACK, lw=1)
ax.set_yticks(range(len(edges)), list(edges))
ax.set_xlabel("edge over the base rule, percentage points, 95 % interval")
ax.set_ylabel("model")
show(
    fig,
    "; ".join(
        f"{' '.join(k.split())}: {100 * e:.1f} points ({100 * lo:.1f} to "
        f"{100 * hi:.1f})"
        for k, (e, lo, hi) in edges.items()
    )
    + ".",
)

# %% [markdown]
# **The verdict: no edge.** No honest interval lies above 0. That is not a
# proof that none exists. It says that this method, on this history, has not
# shown one, and how large a one it could have missed: read the right end of
# each interval. That boosted trees shine on their own training days says only
# that 1,250 rows are few for them.
#
# ## What can be forecast: how much it will move
#
# Large moves follow large moves. The *sign* of tomorrow is a coin, its *size*
# is not. The **variance** of tomorrow's return, $\sigma_t^2 = \mathbb
# E[r_t^2]$ given what is known at the close of day $t-1$ (a day's mean is so
# small beside its spread that its square may be left out), can be followed by
# an exponentially weighted mean of past squares:
#
# $$v_t = \lambda\, v_{t-1} + (1-\lambda)\, r_{t-1}^2
#       = \lambda^t v_0 + (1-\lambda) \sum_{k=1}^{t} \lambda^{k-1}
#         r_{t-k}^2 .$$
#
# The weights of the squares fall by $\lambda$ a day, and together with
# $\lambda^t$ add up to 1. Their mean age is $1/(1-\lambda)$ days, 17 for the
# customary $\lambda = 0.94$ (RiskMetrics 1996). The index of $v_t$ is the day
# it is *for*; the newest return in it is $r_{t-1}$. To use $r_t$ in $v_t$
# would be a forecast of today's weather, made tonight.
#
# By hand: $r = (2, 0, 1)$, $\lambda = 0.5$, $v_0 = 1$. Then $v_1 = 0.5 \cdot 1
# + 0.5 \cdot 4 = 2.5$ and $v_2 = 0.5 \cdot 2.5 + 0.5 \cdot 0 = 1.25$.
#
# ## Exercise 5: the variance of tomorrow
#
# In: `r`, shape `(N,)`; `lam`, between 0 and 1; `start`, the forecast for the
# first day. Out: the forecasts `v`, shape `(N,)`, with `v[0] = start` and
# `v[t]` for day `t` made from days before it.


# %% exercise="ewma_var" points=2 minutes=7 difficulty=2
def ewma_var(r, lam, start):
    """Return the variance forecasts, shape (N,); v[t] knows r[:t] only."""
    # 1. start: the forecast for day 0
    # 2. update: yesterday's forecast and yesterday's square
    ### BEGIN SOLUTION
    v = np.empty(len(r))
    v[0] = start
    for t in range(1, len(r)):
        v[t] = lam * v[t - 1] + (1 - lam) * r[t - 1] ** 2
    return v
    ### END SOLUTION
    return np.full(len(r), float(start))  # replace this line


# %%
target_and_yours(
    "r = 2, 0, 1",
    [1.0, 2.5, 1.25],
    lambda: ewma_var(np.array([2.0, 0.0, 1.0]), 0.5, 1.0),
)

# %% check="ewma_var"
with check("m7.ewma_var"):

    def weighted_sums(r, lam, start):
        """The sum of the derivation, each day from the beginning."""
        out = []
        for t in range(len(r)):
            past = sum(
                (1 - lam) * lam ** (k - 1) * r[t - k] ** 2
                for k in range(1, t + 1)
            )
            out.append(lam**t * start + past)
        return np.array(out)

    def ewma_mistakes(r, lam, start):
        """What typical mistakes give."""
        from scipy.signal import lfilter

        def smooth(keep, x, first):
            x = np.asarray(x, float)
            out, _ = lfilter([1 - keep], [1, -keep], x, zi=[keep * first])
            return out

        right, lagged = weighted_sums(r, lam, start), r[:-1]
        return {
            "v[t] uses r[t], the day that it is a forecast for. At the close "
            "of day t - 1 that is not known: use r[t - 1].": smooth(
                lam, r**2, start
            ),
            "v[t] uses r[t], the day it is for, from day 1 on. Use r[t - "
            "1].": np.append(start, smooth(lam, r[1:] ** 2, start)),
            "lam and 1 - lam have changed places: lam is what is kept of the "
            "old forecast.": np.append(
                start, smooth(1 - lam, lagged**2, start)
            ),
            "these are standard deviations, the roots: leave them out, v is a "
            "variance.": np.sqrt(right),
            "the return goes in unsquared: a variance is the mean of "
            "squares.": np.append(start, smooth(lam, lagged, start)),
            "the absolute return goes in; a variance is the mean of "
            "squares.": np.append(start, smooth(lam, abs(lagged), start)),
            "the new square has weight 1, so the forecast grows without end: "
            "the weights lam and 1 - lam add up to 1.": np.append(
                start, smooth(lam, lagged**2 / (1 - lam), start)
            ),
            "start is not used: v[0] must be `start`. The variance of all "
            "days is not known on the first.": lambda: weighted_sums(
                r, lam, np.var(r)
            ),
            "start is not used: v[0] must be `start`.": lambda: weighted_sums(
                r, lam, r[0] ** 2
            ),
            "start is not used: v[0] must be `start`, not 0.": lambda: (
                weighted_sums(r, lam, 0.0)
            ),
            "this is one mean over all of the past, with equal weights; old "
            "days must fade by lam.": np.append(
                start, np.cumsum(lagged**2) / np.arange(1, len(r))
            ),
        }

    def judge_ewma(r, lam, start, what):
        before = r.copy()
        got = ewma_var(r, lam, start)
        expect_unchanged(r, before, "r")
        expect_close(
            got,
            weighted_sums(r, lam, start),
            what,
            rtol=1e-4,
            atol=1e-12,
            mistakes=ewma_mistakes(r, lam, start),
        )

    judge_ewma(
        np.array([2.0, -1.0, 3.0, 0.5, -2.0]), 0.8, 1.5, "v for five days"
    )
    judge_ewma(np.array([2.0, 0.0, 1.0]), 0.5, 1.0, "ewma_var([2, 0, 1], ...)")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, lam in [(1, 0.9), (2, 0.94), (40, 0.94), (25, 0.3), (9, 0.0)]:
        r = rng.normal(size=n)
        judge_ewma(r, lam, 0.7, f"v for {n} days, lam = {lam}")
    ### END HIDDEN TESTS

# %% [markdown] hint="ewma_var"
# Sketch: an array for the forecasts, its first entry `start`. Then walk through
# the days. Each forecast mixes the forecast of the day before with the square
# of the return of the day before.

# %% [markdown] hint="ewma_var"
# ```python
# v = np.empty(len(r))
# v[0] = ...                                         # 1. start
# for t in range(1, len(r)):
#     v[t] = lam * ... + (1 - lam) * ... ** 2        # 2. update
# return v
# ```


# %% right="ewma_var"
def ewma_var(r, lam, start):
    out = [start]
    for x in r[:-1]:
        out.append(out[-1] + (1 - lam) * (x * x - out[-1]))
    return out


# %% right="ewma_var"
def ewma_var(r, lam, start):
    import pandas as pd

    s = pd.Series(np.append(start, np.square(r[:-1])))
    return s.ewm(alpha=1 - lam, adjust=False).mean().to_numpy()


# %% wrong="ewma_var" says="v[t] uses r[t]; not known"
def ewma_var(r, lam, start):
    v, out = start, []
    for x in r:
        v = lam * v + (1 - lam) * x**2
        out.append(v)
    return np.array(out)


# %% wrong="ewma_var" says="v[t] uses r[t]; from day 1"
def ewma_var(r, lam, start):
    v = np.empty(len(r))
    v[0] = start
    for t in range(1, len(r)):
        v[t] = lam * v[t - 1] + (1 - lam) * r[t] ** 2
    return v


# %% wrong="ewma_var" says="changed places; kept of the old"
def ewma_var(r, lam, start):
    v = np.empty(len(r))
    v[0] = start
    for t in range(1, len(r)):
        v[t] = (1 - lam) * v[t - 1] + lam * r[t - 1] ** 2
    return v


# %% wrong="ewma_var" says="standard deviations; roots"
def ewma_var(r, lam, start):
    v = np.empty(len(r))
    v[0] = start
    for t in range(1, len(r)):
        v[t] = lam * v[t - 1] + (1 - lam) * r[t - 1] ** 2
    return np.sqrt(v)


# %% wrong="ewma_var" says="start is not used; not known on the first"
def ewma_var(r, lam, start):
    v = np.full(len(r), np.var(r))
    for t in range(1, len(r)):
        v[t] = lam * v[t - 1] + (1 - lam) * r[t - 1] ** 2
    return v


# %% wrong="ewma_var" says="absolute return; squares"
def ewma_var(r, lam, start):
    v = np.full(len(r), float(start))
    for t in range(1, len(r)):
        v[t] = lam * v[t - 1] + (1 - lam) * abs(r[t - 1])
    return v


# %% wrong="ewma_var" says="equal weights; fade"
def ewma_var(r, lam, start):
    v = np.full(len(r), float(start))
    for t in range(1, len(r)):
        v[t] = np.mean(r[:t] ** 2)
    return v


# %% [markdown]
# ## How good is a variance forecast?
#
# Nobody ever sees $\sigma_t^2$; one number $r_t$ is all that a day gives. A
# loss is needed that the *true* variance wins, though it is compared with the
# noisy $r_t^2$. Minus two times the log density of a normal $r_t$ with
# variance $v$ is, but for a constant,
#
# $$\text{QLIKE}(r_t, v_t) = \log v_t + \frac{r_t^2}{v_t}.$$
#
# Take the expectation with $\mathbb E[r_t^2] = \sigma^2$, *whatever* the
# distribution: $\log v + \sigma^2/v$. Its derivative $1/v - \sigma^2/v^2$ is
# zero at $v = \sigma^2$ alone, from minus to plus. What a wrong $v$ costs is
#
# $$\frac{\sigma^2}{v} - \log\frac{\sigma^2}{v} - 1 \;\ge\; 0 .$$
#
# To believe in half the variance costs $2 - \log 2 - 1 = 0.31$; in twice,
# $0.5 + \log 2 - 1 = 0.19$. Too calm is the dearer mistake, as it should be.
# The level of QLIKE (−8.6 and the like) only tells the unit of $r$; what counts
# are differences between forecasts on the same days. Each day has its own loss,
# so your `edge_ci` gives the difference an interval. (With another loss, such
# as the absolute error, the truth need not win: Patton 2011.)
#
# ## Exercise 6: the loss
#
# In: returns `r` and forecasts `v`, shape `(N,)`. Out: the loss of each day,
# shape `(N,)`, with the natural logarithm. Example: `r = [0, 2]`, `v = [1, 4]`
# give `[0, 2.386]`.


# %% exercise="qlike" points=1 minutes=4 difficulty=1
def qlike(r, v):
    """Return the QLIKE loss of each day, shape (N,)."""
    ### BEGIN SOLUTION
    r, v = np.asarray(r), np.asarray(v)
    return np.log(v) + r**2 / v
    ### END SOLUTION
    return np.zeros(len(r))  # replace this line


# %% check="qlike"
with check("m7.qlike"):
    from scipy import stats

    def density_loss(r, v):
        """From the normal density itself: -2 log f - log 2 pi."""
        log_f = stats.norm.logpdf(r, scale=np.sqrt(v))
        return -2 * log_f - np.log(2 * np.pi)

    def judge_qlike(r, v, what):
        want = density_loss(r, v)
        kept = r.copy(), v.copy()
        got = qlike(r, v)
        expect_unchanged(r, kept[0], "r")
        expect_unchanged(v, kept[1], "v")
        expect_close(
            got,
            want,
            what,
            rtol=1e-5,
            mistakes={
                "this is the mean over the days. Keep one loss for each day: "
                "the interval needs them.": want.mean(),
                "r is not squared.": np.log(v) + r / v,
                "the fraction is upside down: the square that came is divided "
                "by the variance that was forecast.": lambda: (
                    np.log(v) + v / r**2
                ),
                "the log is of the standard deviation: log of v, not of its "
                "root.": np.log(v) / 2 + r**2 / v,
                "this is half of it: it ranks forecasts alike, but the "
                "numbers of this lesson are twice as large.": want / 2,
                "the logarithm is missing: without it, the largest v always "
                "wins.": r**2 / v,
                "this is the squared error of v: the truth wins it too, but a "
                "single crash outweighs all other days. Use log v + r² / "
                "v.": (r**2 - v) ** 2,
                "the logarithm has base 10; use the natural one.": np.log10(v)
                + r**2 / v,
                "the sign of the logarithm is turned: this is the form with "
                "σ²/v - log(σ²/v), with r² in place of σ² left "
                "out.": -np.log(v) + r**2 / v,
                "r is divided by v before squaring: only r is squared.": np.log(
                    v
                )
                + (r / v) ** 2,
            },
        )

    judge_qlike(
        np.array([0.5, 2.0, -1.0]), np.array([1.5, 4.0, 0.5]), "qlike(r, v)"
    )
    judge_qlike(np.array([0.0, 2.0]), np.array([1.0, 4.0]), "the example")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    made = prices.simulate(30, seed=HIDDEN_SEED)
    judge_qlike(made.returns, made.variance, "qlike for 30 simulated days")
    ### END HIDDEN TESTS

# %% [markdown] hint="qlike"
# Sketch: it is the formula, day by day. numpy's `log` and `/` work on whole
# arrays. Do not average.

# %% [markdown] hint="qlike"
# ```python
# return np.log(...) + ... / v    # which of the two is squared?
# ```


# %% right="qlike"
def qlike(r, v):
    return [float(np.log(b) + a * a / b) for a, b in zip(r, v)]


# %% right="qlike"
def qlike(r, v):
    z2 = np.square(np.asarray(r) / np.sqrt(v))
    return z2 - np.log(1 / np.asarray(v))


# %% wrong="qlike" says="mean over the days; one loss for each day"
def qlike(r, v):
    return np.mean(np.log(v) + r**2 / v)


# %% wrong="qlike" says="upside down"
def qlike(r, v):
    return np.log(v) + v / r**2


# %% wrong="qlike" says="log of v; root"
def qlike(r, v):
    return np.log(np.sqrt(v)) + r**2 / v


# %% wrong="qlike" says="squared error; crash"
def qlike(r, v):
    return (r**2 - v) ** 2


# %% wrong="qlike" says="logarithm is missing"
def qlike(r, v):
    return r**2 / v


# %% wrong="qlike" says="before squaring"
def qlike(r, v):
    return np.log(v) + (r / v) ** 2


# %% [markdown]
# ### Pay-off 3: volatility
#
# The first 70 % of the days set the constant forecast and nothing else; the
# last 30 %, from 2010 on, judge. $\lambda = 0.94$ is the textbook's, not
# tuned. On the simulated market, where the true variance is known, the third
# number is the best that anybody could do.

# %% demo
cut = int(0.7 * len(r_index))


def judged(r_days):
    """Return each test day's loss: your EWMA's and the constant's."""
    v = np.asarray(ewma_var(r_days, 0.94, np.mean(r_days[:250] ** 2)))
    flat = np.full(len(r_days), np.mean(r_days[:cut] ** 2))
    return qlike(r_days, v)[cut:], qlike(r_days, flat)[cut:], v


loss_e, loss_c, v_index = judged(r_index)
gain = edge_ci(-loss_e, -loss_c, 60, 1000, 0)
print(f"index: EWMA {np.mean(loss_e):.3f}, constant {np.mean(loss_c):.3f}")
print(f"gain {gain[0]:.3f}, 95 % interval {gain[1]:.3f} to {gain[2]:.3f}")
truth_days = prices.simulate(len(r_index), seed=0)
made_e, made_c, _ = judged(truth_days.returns)
made_best = np.mean(qlike(truth_days.returns, truth_days.variance)[cut:])
print(
    f"simulated: EWMA {np.mean(made_e):.3f}, constant {np.mean(made_c):.3f}, "
    f"truth {made_best:.3f}"
)

fig, ax = figure(height=3.6)
year = 1990 + np.arange(len(r_index)) / len(r_index) * 28.93
band = 2 * 100 * np.sqrt(v_index)
ax.plot(year, 100 * r_index, color=BLACK, lw=0.4, label="return")
ax.plot(year, band, color=ORANGE, lw=1, label="±2 forecast deviations")
ax.plot(year, -band, color=ORANGE, lw=1)
ax.axvline(year[cut], color=BLUE, ls="--", label="test days begin")
ax.set_xlabel("year")
ax.set_ylabel("log return per day, %")
ax.legend(loc="lower left", ncols=3, fontsize=8)
outside = np.mean(np.abs(100 * r_index) > band)
calm = 100 * np.sqrt(v_index.min())
wild = 100 * np.sqrt(v_index.max())
show(
    fig,
    f"daily returns of the index inside a band of two forecast deviations, "
    f"which widens from {2 * calm:.1f} % in calm months to {2 * wild:.1f} % in "
    f"2008; {outside:.1%} of the days fall outside.",
)

# %% [markdown]
# The interval of the gain is far above 0, so this one is real. It is worth
# money without any view on direction: it sets limits, margins and the size of
# a position. And note what it does *not* say. A normal day would fall outside
# the band in 4.6 % of cases; extreme days are more frequent than a normal
# law allows, even after the variance is known.
#
# ## From a forecast to an account
#
# A **back-test** asks what a rule would have earned. Two mistakes make most of
# them worthless. First, the calendar. The position $\text{pos}_t$ is decided at
# the close of day $t$, with the return $r_t$ known; the next return that it can
# earn is that of day $t+1$. So day $t$ earns $\text{pos}_{t-1} R_t$, with
# simple returns, as they add up over holdings. Second, the costs: each change
# of position pays `cost` per unit traded, at the close at which it is made:
#
# $$\text{net}_t = \text{pos}_{t-1} R_t - c\,\lvert \text{pos}_t -
#   \text{pos}_{t-1}\rvert,\qquad \text{pos}_{-1} = 0 .$$
#
# By hand: positions $(1, 1, -1)$, returns $(0.01, 0.02, -0.01)$, $c = 0.001$.
# Day 0 earns nothing yet and pays for buying: $-0.001$. Day 1 earns 0.02.
# Day 2 earns $1 \cdot (-0.01)$ and pays for two units, from 1 to −1: $-0.012$.
#
# ## Exercise 7: the back-test
#
# In: `pos`, shape `(N,)`, the position at the close of each day (1 = all in,
# 0 = out, −1 = short); `R`, shape `(N,)`, simple returns; `cost` per unit
# traded. Out: the net return of each day, shape `(N,)`.


# %% exercise="backtest" points=2 minutes=8 difficulty=2
def backtest(pos, R, cost):
    """Return the net return of each day, shape (N,)."""
    # 1. held: the position of the close before
    # 2. trade: how much it changed at this close
    # 3. net: earned minus paid
    ### BEGIN SOLUTION
    held = np.append(0.0, pos[:-1])
    trade = np.abs(pos - held)
    return held * R - cost * trade
    ### END SOLUTION
    return np.zeros(len(pos))  # replace this line


# %%
target_and_yours(
    "positions 1, 1, -1",
    [-0.001, 0.02, -0.012],
    lambda: backtest(
        np.array([1.0, 1.0, -1.0]), np.array([0.01, 0.02, -0.01]), 0.001
    ),
)

# %% check="backtest"
with check("m7.backtest"):

    def ledger(pos, R, cost):
        """Keep the account by hand, close by close."""
        have, book = 0.0, []
        for wanted, change in zip(pos, R):
            money = have * change  # the day passes
            money -= cost * abs(wanted - have)  # then we trade
            have = wanted
            book.append(money)
        return np.array(book)

    def test_mistakes(pos, R, cost):
        """What typical mistakes give."""
        old = np.roll(np.append(pos, 0.0), 1)[:-1]
        moved = np.hypot(pos - old, 0)
        late = np.append(0.0, moved[:-1])
        ahead = (
            "today's position earns today's return: pos[t] was decided with "
            "R[t] known, so this account trades yesterday with tomorrow's "
            "paper. Use pos[t - 1]."
        )
        return {
            ahead: pos * R - cost * moved,
            ahead + " And costs are missing.": pos * R,
            "there are no costs. Each change of position pays cost times the "
            "amount traded.": old * R,
            "selling earned money: the costs need the absolute change of the "
            "position.": old * R - cost * (pos - old),
            "you pay for holding, each day. Costs come from *changing* the "
            "position.": old * R - cost * np.abs(pos),
            "you pay for holding, each day. Costs come from *changing* the "
            "position, |pos[t] - pos[t - 1]|.": old * R - cost * np.abs(old),
            "the first purchase is free. Before day 0 the position is 0: "
            "buying pays, too.": old * R - cost * np.append(0, moved[1:]),
            "the costs come a day late: the trade at the close of day t is "
            "paid on day t.": old * R - cost * late,
            "np.roll carries the last day's position round to day 0. Before "
            "day 0 the position is 0.": lambda: (
                np.roll(pos, 1) * R - cost * np.abs(pos - np.roll(pos, 1))
            ),
            "a switch from 1 to -1 trades two units, you counted it as one "
            "trade. Use the absolute difference.": old * R
            - cost * (pos != old),
            "costs are added, not taken away.": old * R + cost * moved,
            "these are the sums up to each day. Return each day's own net "
            "return.": lambda: np.cumsum(old * R - cost * moved),
            "the positions were turned into log returns: R holds simple "
            "returns already, multiply.": lambda: (
                np.log1p(old * R) - cost * moved
            ),
        }

    def judge_backtest(pos, R, cost, what):
        kept = pos.copy(), R.copy()
        got = backtest(pos, R, cost)
        expect_unchanged(pos, kept[0], "pos")
        expect_unchanged(R, kept[1], "R")
        expect_close(
            got,
            ledger(pos, R, cost),
            what,
            rtol=1e-6,
            atol=1e-10,
            mistakes=test_mistakes(pos, R, cost),
        )

    judge_backtest(
        np.array([1.0, 1.0, -1.0, 0.5, 0.5]),
        np.array([0.01, 0.02, -0.01, 0.03, -0.02]),
        0.001,
        "the net returns of five days",
    )
    judge_backtest(
        np.array([1.0, 1.0, -1.0]),
        np.array([0.01, 0.02, -0.01]),
        0.001,
        "the net returns of the example",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, cost in [(1, 0.001), (2, 0.0), (50, 0.0005), (20, 0.01)]:
        pos = np.round(rng.uniform(-1.5, 1.5, size=n), 1)
        R = 0.01 * rng.normal(size=n)
        judge_backtest(pos, R, cost, f"{n} days at a cost of {cost}")
    ### END HIDDEN TESTS

# %% [markdown] hint="backtest"
# Sketch: make an array `held`, the positions shifted by one day with a 0 in
# front. What a day earns is `held * R`. What it pays is `cost` times the
# absolute change from `held` to `pos`.

# %% [markdown] hint="backtest"
# ```python
# held = np.append(..., pos[...])       # 1. held
# trade = np.abs(...)                   # 2. trade
# return ... - cost * trade             # 3. net
# ```


# %% right="backtest"
def backtest(pos, R, cost):
    net, before = [], 0
    for p, x in zip(pos, R):
        net.append(before * x - cost * abs(p - before))
        before = p
    return net


# %% right="backtest"
def backtest(pos, R, cost):
    net = -cost * np.abs(np.diff(pos, prepend=0))
    net[1:] += pos[:-1] * R[1:]
    return net


# %% wrong="backtest" says="pos[t - 1]; tomorrow's paper"
def backtest(pos, R, cost):
    return pos * R - cost * np.abs(np.diff(pos, prepend=0))


# %% wrong="backtest" says="no costs"
def backtest(pos, R, cost):
    return np.append(0, pos[:-1]) * R


# %% wrong="backtest" says="absolute change; selling"
def backtest(pos, R, cost):
    return np.append(0, pos[:-1]) * R - cost * np.diff(pos, prepend=0)


# %% wrong="backtest" says="pay for holding; changing"
def backtest(pos, R, cost):
    return np.append(0, pos[:-1]) * R - cost * np.abs(pos)


# %% wrong="backtest" says="first purchase is free"
def backtest(pos, R, cost):
    trade = np.abs(np.diff(pos, prepend=pos[0]))
    return np.append(0, pos[:-1]) * R - cost * trade


# %% wrong="backtest" says="np.roll; round to day 0"
def backtest(pos, R, cost):
    held = np.roll(pos, 1)
    return held * R - cost * np.abs(pos - held)


# %% wrong="backtest" says="two units; absolute difference"
def backtest(pos, R, cost):
    held = np.append(0, pos[:-1])
    return held * R - cost * (pos != held)


# %% wrong="backtest" says="sums up to each day"
def backtest(pos, R, cost):
    held = np.append(0, pos[:-1])
    return np.cumsum(held * R - cost * np.abs(pos - held))


# %% [markdown]
# ### Pay-off 4: one rule, four accounts
#
# "What rises goes on rising": long if the last 20 days together rose, else
# short. The same positions, booked in four ways with your `backtest` on the
# index: with today's own return, as the nephew did; a day later, as it must
# be; with costs of 0.05 % per unit traded; and beside them someone who bought
# on the first day and went to the beach. The **Sharpe ratio** is mean divided
# by standard deviation, per year: $\sqrt{252}\, \bar R / s_R$. Over $Y$ years
# its standard error is about $1/\sqrt Y$.

# %% demo
R_index = np.exp(r_index) - 1


def sharpe(net):
    """Return mean over standard deviation, per year of 252 days."""
    return float(np.mean(net) / np.std(net) * np.sqrt(252))


def momentum(r_days, k):
    """Return the sign of the last k days' sum, each day; 0 before there are."""
    total = np.convolve(r_days, np.ones(k))[: len(r_days)]
    pos = np.sign(total)
    pos[: k - 1] = 0
    return pos


pos = momentum(r_index, 20)
one_day_early = np.append(pos[1:], 0.0)  # the cheat, through your backtest
accounts = {
    "today's return (look-ahead)": backtest(one_day_early, R_index, 0.0),
    "a day later, no costs": backtest(pos, R_index, 0.0),
    "a day later, 0.05 % costs": backtest(pos, R_index, 0.0005),
    "buy and hold": backtest(np.ones(len(pos)), R_index, 0.0005),
}
ratios = {k: sharpe(it) for k, it in accounts.items()}
fig, ax = figure(height=3.8)
for (text, net), colour, style in zip(
    accounts.items(), (RED, BLUE, ORANGE, GREEN), ("-", "--", "-", "-.")
):
    grown = np.cumsum(np.log1p(net)) / np.log(10)
    label = f"{text}: Sharpe {ratios[text]:.2f}"
    ax.plot(year, 10**grown, color=colour, ls=style, label=label)
ax.set_yscale("log")
ax.set_xlabel("year")
ax.set_ylabel("value of 1 euro (log scale)")
ax.legend(loc="upper left", fontsize=8)
show(
    fig,
    "Sharpe ratios, standard error about "
    f"{1 / np.sqrt(len(pos) / 252):.2f}: "
    + ", ".join(f"{k} {v:.2f}" for k, v in ratios.items())
    + ".",
)

# %% [markdown]
# ### The best of two hundred coins
#
# One last way to fool yourself, with flawless code. Try many rules and report
# the best. Here two hundred people toss a coin each week, long or short, on a
# simulated market without drift. Nobody knows anything. If each Sharpe ratio
# is nearly normal with standard error $1/\sqrt Y$, the largest of $K$ is
# about $\sqrt{2 \ln K}$ standard errors high (a little less for finite $K$).
# Selection alone makes it.

# %% demo
flat = prices.simulate(2520, seed=5, drift=0.0).returns  # ten years
R_flat = np.exp(flat) - 1
rng = np.random.default_rng(3)
tosses = np.repeat(rng.choice([-1.0, 1.0], size=(200, 504)), 5, axis=1)
half = 1260
nets = np.array([backtest(it, R_flat, 0.0) for it in tosses])
first = np.array([sharpe(it[:half]) for it in nets])
second = np.array([sharpe(it[half:]) for it in nets])
best = int(first.argmax())
expected = np.sqrt(2 * np.log(200)) / np.sqrt(5)
print(f"best of 200 in the first five years: Sharpe {first[best]:.2f}")
print(f"luck alone gives, on average, at most {expected:.2f}")
print(f"the same person in the next five years: {second[best]:.2f}")

# %% [markdown]
# The best coin beats what many funds advertise, and it means nothing. So a
# result must come with the number of things that were tried. The cure is an
# old one: decide what to test *before* you look, count your attempts, and
# keep one stretch of data that you open once. Today's was opened for one rule
# with a textbook's parameter; had you tuned $\lambda$ on it, the QLIKE above
# would be a training score.
#
# ### Against the libraries
#
# What you wrote has its counterparts. scikit-learn cuts walking folds with
# `TimeSeriesSplit(max_train_size, test_size, gap)`, pandas smooths with
# `ewm`, and the likelihood behind QLIKE is scipy's. With a block of one day
# your interval is the ordinary bootstrap of `scipy.stats.bootstrap`. Blocks
# are in none of the three.

# %% demo
import pandas as pd
from scipy import stats
from sklearn.model_selection import TimeSeriesSplit

n_days = 1250 + 60 + 20 * 250
folds = TimeSeriesSplit(20, max_train_size=1250, test_size=250, gap=60)
theirs = list(folds.split(np.zeros(n_days)))
mine = walk_forward(n_days, 1250, 250, 60)
same_folds = all(
    np.array_equal(a, c) and np.array_equal(b, d)
    for (a, b), (c, d) in zip(theirs, mine)
)
print(f"walking folds equal TimeSeriesSplit's: {same_folds}")
squares = pd.Series(np.append(1e-4, r_index[:-1] ** 2))
smoothed = squares.ewm(alpha=0.06, adjust=False).mean()
v_mine = np.asarray(ewma_var(r_index, 0.94, 1e-4))
delta_ewma = np.max(np.abs(v_mine / smoothed - 1))
print(f"ewma_var against pandas, largest relative difference {delta_ewma:.0e}")
likelihood = -2 * stats.norm.logpdf(r_index, scale=np.sqrt(v_mine))
delta_qlike = np.max(
    np.abs(qlike(r_index, v_mine) - likelihood + np.log(2 * np.pi))
)
print(f"qlike against scipy's density, largest difference {delta_qlike:.0e}")
d_1 = ok_1.astype(float) - base_1
one_by_one = edge_ci(ok_1, base_1, 1, 1000, 0)
plain = stats.bootstrap(
    (d_1,),
    np.mean,
    n_resamples=1000,
    method="percentile",
    rng=np.random.default_rng(0),
).confidence_interval
width_ratio = (one_by_one[2] - one_by_one[1]) / (plain.high - plain.low)
print(f"edge_ci, block of 1, against scipy: width ratio {width_ratio:.2f}")

# %% [markdown]
# ## What was not asked
#
# Survivorship: the S&P 500 of 2018 is made of winners, and an index drops its
# losers. Dividends are left out of the closing price (some 2 % a year, which
# buy-and-hold would have had). Short positions pay a fee for borrowing. Prices
# move against large orders. Regimes change: five years of training may be from
# another world. Each makes an honest account worse than ours.
#
# ## What you write to the owner
#
# > The 88 % comes from testing on days whose answers were in the training
# > set. Tested as it would be used, the method is right less often than
# > "always up". We see no edge; the intervals are in the figure. Do not
# > trade it. What we *can* forecast is how much the fund will swing next week:
# > use that to decide how many months of wages belong in it.
#
# ## What this tells you about the job
#
# Nothing you wrote today was hard to compute. The work was distrust: where did
# this number come from, what did it know, against what is it compared, how many
# were tried? Half of a machine-learning engineer's value lies in results that
# are *not* shipped. If it gave you pleasure to take the 88 % apart, that is a
# strong sign. If it felt like spoiling the party, look at A7, where the same
# distrust guards a conversation.
#
# ## Further reading
#
# - M. López de Prado (2018), *Advances in Financial Machine Learning*, chapters
#   7 and 11–12: purging, walk-forward, back-test overfitting.
# - H. R. Künsch (1989), *The Jackknife and the Bootstrap for General Stationary
#   Observations*, Annals of Statistics 17(3): blocks.
# - A. J. Patton (2011), *Volatility forecast comparison using imperfect
#   volatility proxies*, Journal of Econometrics 160(1): why QLIKE.
# - T. Bollerslev (1986), *Generalized autoregressive conditional
#   heteroskedasticity*, Journal of Econometrics 31: the simulator's model.
# - J. P. Morgan/Reuters (1996), *RiskMetrics Technical Document*: λ = 0.94.
# - D. H. Bailey, M. López de Prado (2014), *The Deflated Sharpe Ratio*, Journal
#   of Portfolio Management 40(5): the best of many.
#
# ## Would you do this again tomorrow?

# %%
again("m7", 0)
