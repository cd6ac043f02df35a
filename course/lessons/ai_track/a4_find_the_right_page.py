# ---
# jupyter:
#   crossroads:
#     id: a4
#     track: ai_track
#     title: Find the right page
#     partner: m4
#     assets: [smollm2, minilm, squad]
#     cpu_s: 40
# ---

# %% [markdown]
# # A4 · Find the right page
#
# *Day 4, the AI engineer's half. The other half of the day is M4.*
#
# *Lampa*, a fictional lamp shop, has a handbook of 60 pages, and a chat assistant that has
# never read it. Ask the assistant how long a lamp can be returned, and it invents a number.
# Retraining it for every new rule is no option. So you will do what most companies do:
# **look up the right page first, and let the model answer from it**. This is called
# *retrieval-augmented generation* (RAG).
#
# Today you build one from its parts. You cut texts into pieces, rank pages by shared words
# and by meaning, merge two rankings, measure which of them finds the page, and teach the
# assistant to say nothing when there is nothing to find. At the end the live model answers
# from your pages, and you say for each failure whose fault it was.
#
# {{exercises}}
#
# Reading and watching take another ten to fifteen minutes. Run the cells from the top. The
# cells that talk to the models are slow: about five minutes in all on a quiet laptop.

# %% setup
import math
import re

import numpy as np

from course.feedback import (
    call_within,
    check,
    expect,
    expect_close,
    expect_equal,
    expect_prediction,
    expect_shape,
    expect_type,
    expect_unchanged,
    fail,
)
from course.handbook import load_handbook, states
from course.hints import hint, parsons
from course.progress import again, outcome

book = load_handbook()
KINDS = ("paraphrase", "code")


def words(text):
    """Return the text's words in small letters; E-47 and 4.90 stay whole."""
    return re.findall(r"[a-z0-9]+(?:[-.,:'][a-z0-9]+)*", text.lower())


def interval(values, repeats=2000):
    """Return the bootstrap's 95 % interval of the mean of the values."""
    values, rng = np.asarray(values, float), np.random.default_rng(0)
    draws = rng.integers(len(values), size=(repeats, len(values)))
    return np.percentile(values[draws].mean(axis=1), [2.5, 97.5])


# %% [markdown]
# ## 1 · The handbook and its questions
#
# The pages are short, and every fact in them is invented. So the model cannot know a
# single one from its training: what it gets right, it read.
#
# The 80 questions come in three kinds. 40 **paraphrases** ask in a customer's words for
# something that the page says in others. 25 **code** questions name an error code, an
# article number or a form. 15 are **unanswerable**: no page answers them. Nine of these
# are about the shop, six are about anything else.

# %%
page = book.pages[book.index["h44"]]
print(f"{page.id} · {page.title}\n{page.text}\n")
for number in (0, 45, 65, 73, 75):
    asked = book.questions[number]
    print(
        f"{asked.kind:13}{str(asked.page):6}{asked.text}  {asked.answers[:1]}"
    )
print("\nwords:", words("What does E-47 mean? A cell costs 4.90 euro."))

# %% [markdown]
# One line of `words` deserves a look: it keeps `e-47` in one piece. A tokenizer that cuts
# at the hyphen makes `e` and `47` of it, and then every page with a 47 is a candidate.
#
# ## 2 · Cut long texts into pieces
#
# An embedder reads a limited number of tokens (ours 256) and silently ignores the rest. A
# chat model has a limit too, and charges for every token. So long texts are cut into
# **chunks** that overlap, lest a sentence be cut in two and be found in neither half.
#
# A chunk is kept as a pair of positions $(a, b)$, not as text. It means `parts[a:b]`, and
# it lets you point at the place in the source later. Let $n$ be the number of parts (words,
# say). With `size` $s$ and `overlap` $o$ the chunks begin at
#
# $$a_i = i\,(s - o), \qquad b_i = \min(a_i + s,\ n), \qquad i = 0, 1, \dots$$
#
# and the first chunk with $b_i = n$ is the last one.
#
# ### Exercise: `chunks`
#
# - **In:** `parts`, a list of $n$ words; `size` and `overlap`, whole numbers.
# - **Out:** the list of pairs `(a, b)`; `[]` for an empty text.
# - **Refuse** with a `ValueError` unless `size >= 1` and `0 <= overlap < size`.
#
# For instance, 9 words with `size=4, overlap=1` give `[(0, 4), (3, 7), (6, 9)]`. And 10
# words give `[(0, 4), (3, 7), (6, 10)]`: a further chunk `(9, 10)` would hold nothing new.


# %% exercise="chunks" points=2 minutes=7 difficulty=2
def chunks(parts, size, overlap):
    """Return the pairs (a, b) of the chunks parts[a:b], in order."""
    # 1. refuse: sizes that make no sense
    # 2. step: each chunk begins size - overlap after the one before
    # 3. stop: the first chunk that reaches the end is the last
    ### BEGIN SOLUTION
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(f"need 0 <= overlap < size, got {overlap}, {size}")
    spans, start = [], 0
    while start < len(parts):
        spans.append((start, min(start + size, len(parts))))
        if spans[-1][1] == len(parts):
            break
        start += size - overlap
    return spans
    ### END SOLUTION
    return [(0, min(size, len(parts)))]  # replace this line


# %% check="chunks"
def spans_of(n, size, overlap):
    """Return the learner's chunks of n words as pairs of whole numbers."""
    parts = [f"w{i}" for i in range(n)]
    name = f"chunks of {n} words, size={size}, overlap={overlap}"
    long = "Does each chunk begin after the one before?"
    got = call_within(5, chunks, parts, size, overlap, message=long)
    expect_type(got, (list, tuple), name)
    for pair in got:
        if isinstance(pair, str) or not hasattr(pair, "__len__"):
            fail(f"{name} holds {pair!r}; it must hold pairs (a, b).")
        if len(pair) != 2 or any(isinstance(it, str) for it in pair):
            fail(
                f"{name} holds {pair!r}: these are the words themselves. "
                f"Return "
                "positions (a, b), so that one can point at the source."
            )
    return [(int(a), int(b)) for a, b in got]


def expect_chunks(n, size, overlap):
    """Judge one case against the slow definition."""
    name = f"chunks of {n} words, size={size}, overlap={overlap},"
    got, step = spans_of(n, size, overlap), size - overlap
    want, last = [], 0
    for a in range(n):
        if a % step == 0 and last < n:
            last = n if n - a < size else a + size
            want.append((a, last))
    if got == want:
        return
    covered = {i for a, b in got for i in range(a, b)}
    lost = [i for i in range(n) if i not in covered]
    if lost:
        fail(
            f"{name} lose the tail: word {lost[0]} of 0..{n - 1} is in no "
            f"chunk. "
            "The last chunk may be shorter, but it must reach the end."
        )
    if any(b > n for _, b in got):
        fail(f"{name} are {got}: a chunk ends past the last word, at {n}.")
    if got[: len(want)] == want:
        fail(
            f"{name} are {got}: stop at {want[-1]}. What follows lies wholly "
            "inside it, and would be indexed twice."
        )
    if len(got) > 1 and got[1][0] != step:
        fail(
            f"{name} begin at 0 and {got[1][0]}; the second must begin at "
            f"size - "
            f"overlap = {step}, so that {overlap} words are shared."
        )
    fail(f"{name} are {got}; they must be {want}.")


def expect_refused(parts, size, overlap, why):
    """A ValueError, at once."""
    try:
        call_within(1, chunks, parts, size, overlap, message=why)
    except ValueError:
        return
    fail(why)


with check("a4.chunks"):
    for n, size, overlap in [(9, 4, 1), (10, 4, 1), (3, 4, 1), (6, 3, 0)]:
        expect_chunks(n, size, overlap)
    expect_chunks(0, 4, 1)
    loop = (
        "overlap must be smaller than size: otherwise the next chunk does not "
        "begin after this one, and the loop never ends. Raise a ValueError."
    )
    ten = list("abcdefghij")
    expect_refused(ten, 4, 4, loop)
    expect_refused(ten, 4, 7, loop)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    empty = "size 0 makes empty chunks: raise a ValueError."
    expect_refused(ten, 0, 0, empty)
    skips = "a negative overlap skips words: raise a ValueError."
    expect_refused(ten, 3, -1, skips)
    same = "overlap = size must be refused for an empty text too."
    expect_refused([], 2, 2, same)
    for _ in range(40):
        size = int(rng.integers(1, 12))
        overlap = int(rng.integers(0, size))
        expect_chunks(int(rng.integers(0, 60)), size, overlap)
    ### END HIDDEN TESTS

# %% [markdown] hint="chunks"
# Sketch: first the `ValueError`. Then a loop with one variable `start`. In each round, add
# `(start, end)`, where `end` is at most `len(parts)`. Leave the loop when `end` has reached
# `len(parts)`; otherwise move `start` on by `size - overlap`.

# %% [markdown] hint="chunks"
# ```python
# if ...:                       # size too small, overlap out of range
#     raise ValueError(...)
# spans, start = [], 0
# while start < len(parts):
#     end = min(..., ...)
#     spans.append(...)
#     if ...:                   # this chunk reached the end
#         break
#     start += ...
# return spans
# ```


# %% right="chunks"
def chunks(parts, size, overlap):
    if size < 1 or overlap < 0 or overlap >= size:
        raise ValueError("overlap must be in 0..size-1")
    n = len(parts)
    starts = range(0, max(n - overlap, min(n, 1)), size - overlap)
    return [(a, min(a + size, n)) for a in starts]


# %% right="chunks"
def chunks(parts, size, overlap):
    if not (size > overlap >= 0):
        raise ValueError("no")
    n, step = len(parts), size - overlap
    if n == 0:
        return ()
    count = 1 + max(0, math.ceil((n - size) / step))
    a = np.arange(count) * step
    return tuple([int(x), int(min(x + size, n))] for x in a)


# %% wrong="chunks" says="lose the tail"
def chunks(parts, size, overlap):
    if size < 1 or not 0 <= overlap < size:
        raise ValueError("overlap")
    step = size - overlap
    return [(a, a + size) for a in range(0, len(parts) - size + 1, step)]


# %% wrong="chunks" says="overlap must be smaller than size; never ends"
def chunks(parts, size, overlap):
    spans, start = [], 0
    while start < len(parts):
        spans.append((start, min(start + size, len(parts))))
        if spans[-1][1] == len(parts):
            break
        start += size - overlap
    return spans


# %% wrong="chunks" says="lies wholly inside; indexed twice"
def chunks(parts, size, overlap):
    if size < 1 or not 0 <= overlap < size:
        raise ValueError("overlap")
    n = len(parts)
    return [(a, min(a + size, n)) for a in range(0, n, size - overlap)]


# %% wrong="chunks" says="the words themselves"
def chunks(parts, size, overlap):
    if size < 1 or not 0 <= overlap < size:
        raise ValueError("overlap")
    step = size - overlap
    return [parts[a : a + size] for a in range(0, len(parts) - overlap, step)]


# %% wrong="chunks" says="ends past the last word"
def chunks(parts, size, overlap):
    if size < 1 or not 0 <= overlap < size:
        raise ValueError("overlap")
    step = size - overlap
    n = len(parts)
    return [(a, a + size) for a in range(0, max(n - overlap, min(n, 1)), step)]


# %% wrong="chunks" says="must begin at size - overlap"
def chunks(parts, size, overlap):
    if size < 1 or not 0 <= overlap < size:
        raise ValueError("overlap")
    n = len(parts)
    return [(a, min(a + size, n)) for a in range(0, n, size)]


# %% wrong="chunks" says="negative overlap"
def chunks(parts, size, overlap):
    if overlap >= size:
        raise ValueError("overlap")
    spans, start = [], 0
    while start < len(parts):
        spans.append((start, min(start + size, len(parts))))
        if spans[-1][1] == len(parts):
            break
        start += size - overlap
    return spans


# %% [markdown]
# ## 3 · Rank by shared words: BM25
#
# The oldest idea of search: a page fits a question if it has the same words. Two
# corrections make it work.
#
# **Rare words count more.** Let $N$ be the number of pages and $n_w$ the number of pages
# that contain the word $w$. Its weight is the *inverse document frequency*
#
# $$\mathrm{idf}(w) = \ln\!\Bigl(1 + \frac{N - n_w + 0.5}{n_w + 0.5}\Bigr) > 0 .$$
#
# The classical formula lacks the `1 +`. It is the log-odds of not seeing $w$, and it is
# negative for a word that more than half of the pages contain: such a page would lose by
# containing a word of the question. With the `1 +` that cannot happen.
#
# **Repetition saturates, and long pages get a discount.** Let $f$ be how often $w$ occurs
# in page $d$, $|d|$ the page's number of words, and $L$ the mean number of words per page.
# Then
#
# $$\mathrm{BM25}(q, d) = \sum_{w\,\in\,\mathrm{set}(q)} \mathrm{idf}(w)\,
#   \frac{f\,(k_1 + 1)}{f + k_1\,\bigl(1 - b + b\,|d|/L\bigr)},
#   \qquad k_1 = 1.5,\quad b = 0.75 .$$
#
# For $|d| = L$ the fraction is $f\,(k_1+1)/(f + k_1)$: 1 for $f=1$, 1.43 for $f=2$, and never
# more than $k_1 + 1 = 2.5$. In a page of twice the mean length a word counts less, since long
# pages contain everything. Each **distinct** word of the question counts once.
# (S. Robertson and H. Zaragoza, 2009, derive this; the `1 +` is Lucene's.)
#
# **A worked example.** Three pages: `lamp lamp oak`, `lamp brass`, `oak`. So $N = 3$ and
# $L = 2$. The question is `lamp`, with $n_w = 2$, so $\mathrm{idf} = \ln(1 + 1.5/2.5) =
# \ln 1.6 = 0.470$. On the first page $f = 2$ and $|d|/L = 1.5$, and the fraction is
# $5/(2 + 1.5 \cdot 1.375) = 5/4.0625 = 1.231$. The scores are 0.578, 0.470 and 0.
#
# And these are the weights in our handbook:

# %%
for word in ("the", "is", "lamp", "refund", "e-47"):
    seen = [word in words(page.full) for page in book.pages].count(True)
    odds = (len(book.pages) - seen + 0.5) / (seen + 0.5)
    print(
        f"{word:8} in {seen:2} of 60 pages   idf {math.log1p(odds):5.2f}   "
        f"without the 1 +: {math.log(odds):5.2f}"
    )

# %% [markdown]
# ### Exercise: `bm25`
#
# - **In:** `query`, the list of the question's words; `docs`, a list of $N$ lists of words
#   (at least one of them not empty).
# - **Out:** the scores, shape `(N,)`; 0 for a page that shares no word with the question.


# %% exercise="bm25" points=3 minutes=11 difficulty=3
def bm25(query, docs, k1=1.5, b=0.75):
    """Return how well each of the N pages fits the question, shape (N,)."""
    # 1. lengths: |d| of each page, and their mean L
    # 2. for each distinct word of the question:
    #    idf: from the number of pages that contain the word
    #    saturate: f (k1 + 1) / (f + k1 (1 - b + b |d| / L))
    # 3. add up over the words
    ### BEGIN SOLUTION
    lengths = np.array([len(doc) for doc in docs], float)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    total = np.zeros(len(docs))
    for word in set(query):
        f = np.array([doc.count(word) for doc in docs])
        n_with = (f > 0).sum()
        idf = np.log(1 + (len(docs) - n_with + 0.5) / (n_with + 0.5))
        total += idf * f * (k1 + 1) / (f + norm)
    return total
    ### END SOLUTION
    return np.zeros(len(docs))  # replace this line


# %% check="bm25"
with check("a4.bm25"):
    docs = [["lamp", "lamp", "oak"], ["lamp", "brass"], ["oak"]]
    w = math.log(1.6)  # of "lamp": N = 3, in 2 pages
    got = bm25(["lamp"], docs)
    expect_shape(got, (3,), 'bm25(["lamp"], docs)')
    expect_close(
        got,
        [w * 5 / 4.0625, w, 0],
        'bm25(["lamp"], docs)',
        mistakes={
            "negative idf: a page loses by containing a word that most pages "
            "have. Put the 1 + inside the logarithm.": [
                math.log(0.6) * 5 / 4.0625,
                math.log(0.6),
                0,
            ],
            "no length term: a page of 3 words and one of 1 word get the same "
            "discount. The denominator needs 1 - b + b |d| / L.": [
                w * 5 / 3.5,
                w,
                0,
            ],
            "no saturation: the score grows in step with f. Divide by f + k1 "
            "(...).": [2 * w, w, 0],
            "the factor k1 + 1 in the numerator is missing.": [
                w * 2 / 4.0625,
                w / 2.5,
                0,
            ],
            "your n_w counts how often the word occurs (3 times); it must "
            "count "
            "the pages that contain it (2).": [
                math.log(1 + 0.5 / 3.5) * 5 / 4.0625,
                math.log(1 + 0.5 / 3.5),
                0,
            ],
            "the logarithm must be the natural one, ln.": [
                math.log10(1.6) * 5 / 4.0625,
                math.log10(1.6),
                0,
            ],
        },
    )
    expect_close(
        bm25(["lamp", "lamp"], docs),
        got,
        'bm25(["lamp", "lamp"], docs)',
        mistakes={
            "a word that the question repeats counts twice. Take each distinct "
            "word once.": 2 * np.asarray(got)
        },
    )
    expect_close(
        bm25(["moon"], docs), np.zeros(3), "a question whose word is in no page"
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)

    def slow(query, docs, k1, b, plus=1, inside=False):
        """The definition, word by word."""
        mean = sum(map(len, docs)) / len(docs)
        out = []
        for place, doc in enumerate(docs):
            s = 0.0
            for q in sorted(set(query)):
                counts = [
                    sum(x.count(q) if inside else x == q for x in d)
                    for d in docs
                ]
                n = sum(c > 0 for c in counts)
                r = (len(docs) - n + 0.5) / (n + 0.5)
                tf = counts[place]
                bottom = tf + k1 * ((1 - b) + b * len(doc) / mean)
                s += math.log(plus + r) * tf * (k1 + 1) / bottom if tf else 0.0
            out.append(s)
        return out

    vocabulary = ["lamp", "lamps", "la", "oak", "e-47", "e-4", "brass", "the"]
    for case in range(12):
        docs = [
            [str(x) for x in rng.choice(vocabulary, size=rng.integers(0, 9))]
            for _ in range(rng.integers(1, 8))
        ] + [["the", "lamp"]]
        query = [
            str(x) for x in rng.choice(vocabulary, size=rng.integers(0, 5))
        ]
        before = [list(doc) for doc in docs], list(query)
        k1, b = (1.5, 0.75) if case % 2 else (1.2, 0.4)
        got = bm25(query, docs, k1=k1, b=b)
        expect_close(
            got,
            slow(query, docs, k1, b),
            f"bm25 of {query} for {len(docs)} pages, k1={k1}, b={b},",
            mistakes={
                "your function ignores the k1 or the b that it is given.": slow(
                    query, docs, 1.5, 0.75
                ),
                "negative idf: put the 1 + inside the logarithm.": slow(
                    query, docs, k1, b, plus=0
                ),
                "you count letters, and find e-4 inside e-47. Compare whole "
                "words.": slow(query, docs, k1, b, inside=True),
            },
        )
        expect_unchanged(docs, before[0], "docs")
        expect_unchanged(query, before[1], "query")
    ### END HIDDEN TESTS

# %% [markdown] hint="bm25"
# Sketch: make an array of the pages' lengths first. Then loop over `set(query)`. For one
# word, count it in each page: an array `f` of shape `(N,)`. The number of its entries above
# 0 is $n_w$. From it comes one number, the idf. Add idf × fraction to the total.

# %% [markdown] hint="bm25"
# ```python
# lengths = np.array([... for doc in docs], float)        # (N,)
# total = np.zeros(len(docs))
# for word in set(query):
#     f = np.array([doc.count(word) for doc in docs])     # (N,)
#     n_w = ...                                           # pages with f > 0
#     idf = np.log(1 + ...)
#     total += idf * f * (k1 + 1) / (f + k1 * (...))
# return total
# ```


# %% right="bm25"
def bm25(query, docs, k1=1.5, b=0.75):
    from collections import Counter

    counts = [Counter(doc) for doc in docs]
    mean = sum(len(doc) for doc in docs) / len(docs)
    scores = [0.0] * len(docs)
    for word in dict.fromkeys(query):
        n = sum(word in c for c in counts)
        idf = math.log((len(docs) + 1) / (n + 0.5))
        for i, c in enumerate(counts):
            if word in c:
                length = 1 - b + b * len(docs[i]) / mean
                scores[i] += idf * c[word] * (k1 + 1) / (c[word] + k1 * length)
    return scores


# %% right="bm25"
def bm25(query, docs, k1=1.5, b=0.75):
    terms = sorted(set(query))
    F = np.array([[d.count(t) for t in terms] for d in docs], np.float32)
    F = F.reshape(len(docs), len(terms))
    size = np.array([len(d) for d in docs])
    n = (F > 0).sum(0)
    idf = np.log1p((len(docs) - n + 0.5) / (n + 0.5))
    K = k1 * (1 - b + b * size / size.mean())
    return (F * (k1 + 1) / (F + K[:, None])) @ idf


# %% wrong="bm25" says="negative idf"
def bm25(query, docs, k1=1.5, b=0.75):
    lengths = np.array([len(doc) for doc in docs], float)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    total = np.zeros(len(docs))
    for word in set(query):
        f = np.array([doc.count(word) for doc in docs])
        n = (f > 0).sum()
        total += (
            np.log((len(docs) - n + 0.5) / (n + 0.5))
            * f
            * (k1 + 1)
            / (f + norm)
        )
    return total


# %% wrong="bm25" says="no length term"
def bm25(query, docs, k1=1.5, b=0.75):
    total = np.zeros(len(docs))
    for word in set(query):
        f = np.array([doc.count(word) for doc in docs])
        n = (f > 0).sum()
        idf = np.log(1 + (len(docs) - n + 0.5) / (n + 0.5))
        total += idf * f * (k1 + 1) / (f + k1)
    return total


# %% wrong="bm25" says="no saturation"
def bm25(query, docs, k1=1.5, b=0.75):
    total = np.zeros(len(docs))
    for word in set(query):
        f = np.array([doc.count(word) for doc in docs])
        n = (f > 0).sum()
        total += np.log(1 + (len(docs) - n + 0.5) / (n + 0.5)) * f
    return total


# %% wrong="bm25" says="counts twice; distinct"
def bm25(query, docs, k1=1.5, b=0.75):
    lengths = np.array([len(doc) for doc in docs], float)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    total = np.zeros(len(docs))
    for word in query:
        f = np.array([doc.count(word) for doc in docs])
        n = (f > 0).sum()
        idf = np.log(1 + (len(docs) - n + 0.5) / (n + 0.5))
        total += idf * f * (k1 + 1) / (f + norm)
    return total


# %% wrong="bm25" says="how often the word occurs"
def bm25(query, docs, k1=1.5, b=0.75):
    lengths = np.array([len(doc) for doc in docs], float)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    total = np.zeros(len(docs))
    for word in set(query):
        f = np.array([doc.count(word) for doc in docs])
        n = f.sum()
        idf = np.log(1 + (len(docs) - n + 0.5) / (n + 0.5))
        total += idf * f * (k1 + 1) / (f + norm)
    return total


# %% wrong="bm25" says="k1 + 1 in the numerator is missing"
def bm25(query, docs, k1=1.5, b=0.75):
    lengths = np.array([len(doc) for doc in docs], float)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    total = np.zeros(len(docs))
    for word in set(query):
        f = np.array([doc.count(word) for doc in docs])
        n = (f > 0).sum()
        total += np.log(1 + (len(docs) - n + 0.5) / (n + 0.5)) * f / (f + norm)
    return total


# %% wrong="bm25" says="ignores the k1 or the b"
def bm25(query, docs, k1=1.5, b=0.75):
    lengths = np.array([len(doc) for doc in docs], float)
    norm = 1.5 * (0.25 + 0.75 * lengths / lengths.mean())
    total = np.zeros(len(docs))
    for word in set(query):
        f = np.array([doc.count(word) for doc in docs])
        n = (f > 0).sum()
        idf = np.log(1 + (len(docs) - n + 0.5) / (n + 0.5))
        total += idf * f * 2.5 / (f + norm)
    return total


# %% wrong="bm25" says="whole words"
def bm25(query, docs, k1=1.5, b=0.75):
    # counts letters in a string: "lamp" is found in "lamps"
    texts = [" ".join(doc) for doc in docs]
    lengths = np.array([len(doc) for doc in docs], float)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    total = np.zeros(len(docs))
    for word in set(query):
        f = np.array([text.count(word) for text in texts])
        n = (f > 0).sum()
        idf = np.log(1 + (len(docs) - n + 0.5) / (n + 0.5))
        total += idf * f * (k1 + 1) / (f + norm)
    return total


# %% [markdown]
# ## 4 · How good is a ranking?
#
# For each question we know the right page. Let its **rank** be 1 if it came first, 2 if
# second, and so on; **0 if it was not found at all** (no word in common). Two numbers sum up
# the ranks of $Q$ questions.
#
# $$\text{recall@}k = \frac{1}{Q}\,\bigl|\{\,i : 1 \le r_i \le k\,\}\bigr| ,
# \qquad
# \mathrm{MRR} = \frac{1}{Q}\sum_{i=1}^{Q}
#   \begin{cases}1/r_i & r_i \ge 1\\ 0 & r_i = 0\end{cases}$$
#
# Recall@$k$ is the part of the questions whose page is among the first $k$: with $k$ pages
# in the prompt it is the most that the model can get right. The *mean reciprocal rank* (MRR)
# also rewards the first place over the third, at any rank. A miss counts as 0 in both, and
# it stays in $Q$: **a question that found nothing is a failure, not a gap in the data**.
#
# For the ranks 1, 4, 0, 2 and $k = 3$: recall is $2/4 = 0.5$, and MRR is
# $(1 + 1/4 + 0 + 1/2)/4 = 0.4375$.
#
# ### Exercise: `recall_mrr`
#
# - **In:** `ranks`, shape `(Q,)`, whole numbers, 0 for a miss; `k`, at least 1.
# - **Out:** two numbers, `(recall, mrr)`.


# %% exercise="recall_mrr" points=2 minutes=5 difficulty=1
def recall_mrr(ranks, k):
    """Return recall@k and the mean reciprocal rank; a rank of 0 is a miss."""
    # 1. found: which ranks are not misses
    # 2. recall: found, and among the first k
    # 3. reciprocal: 1 / rank where found, 0 elsewhere; divide by all Q
    ### BEGIN SOLUTION
    ranks = np.asarray(ranks)
    found = ranks > 0
    recall = np.mean(found & (ranks <= k))
    return float(recall), float(np.sum(1 / ranks[found]) / len(ranks))
    ### END SOLUTION
    return 0.0, 0.0  # replace this line


# %% check="recall_mrr"
def expect_recall_mrr(ranks, k):
    """Judge one case against a slow loop."""
    name = f"recall_mrr({list(map(int, ranks))}, k={k})"
    got = recall_mrr(np.array(ranks), k)
    if got is None:
        fail(f"{name} is None. Is a `return` missing?")
    expect_shape(got, (2,), f"{name} = (recall, mrr)")
    hits, total, misses = 0, 0.0, 0
    for r in ranks:
        if r == 0:
            misses += 1
            continue
        hits += 1 if r <= k else 0
        total += 1 / r
    q, seen = len(ranks), max(len(ranks) - misses, 1)
    short = sum(1 / r for r in ranks if 0 < r <= k)
    expect_close(
        got[0],
        hits / q,
        f"the recall of {name}",
        mistakes={
            "your recall skips the misses: they left the denominator. A "
            "question "
            "that found nothing is a failure, so divide by all Q.": hits / seen,
            "your recall counts a rank of 0 as found; 0 is a miss.": (
                hits + misses
            )
            / q,
            "your recall leaves out rank k itself: the first k are 1..k.": sum(
                1 for r in ranks if 0 < r < k
            )
            / q,
            "that is the number of hits; divide by the number of "
            "questions.": hits,
        },
    )
    expect_close(
        got[1],
        total / q,
        f"the MRR of {name}",
        mistakes={
            "your MRR skips the misses: they left the denominator. Divide by "
            "all "
            "Q.": total / seen,
            "your MRR stops at k. Here a page found at rank 4 still counts "
            "1/4.": short / q,
            "your MRR is one over the mean rank; it is the mean of one over "
            "the "
            "rank.": q / max(sum(ranks), 1),
            "your MRR counts from 0: ranks begin at 1.": sum(
                1 / (r + 1) for r in ranks
            )
            / q,
        },
    )


with check("a4.recall_mrr"):
    expect_recall_mrr([1, 4, 0, 2], 3)
    expect_recall_mrr([3, 3, 1], 3)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    expect_recall_mrr([0, 0, 0], 2)
    expect_recall_mrr([5], 1)
    for _ in range(20):
        ranks = [int(r) for r in rng.integers(0, 9, size=rng.integers(1, 30))]
        expect_recall_mrr(ranks, int(rng.integers(1, 9)))
    before = np.array([0, 2, 1])
    ranks = before.copy()
    recall_mrr(ranks, 1)
    expect_unchanged(ranks, before, "ranks")
    ### END HIDDEN TESTS

# %% [markdown] hint="recall_mrr"
# Sketch: `found = ranks > 0`. The mean of a boolean array is the part that is true. For the
# MRR, add up `1 / rank` for those found, and divide by the number of *all* questions.

# %% [markdown] hint="recall_mrr"
# ```python
# ranks = np.asarray(ranks)
# found = ...
# recall = np.mean(found & ...)
# mrr = np.sum(1 / ranks[...]) / ...
# return recall, mrr
# ```


# %% right="recall_mrr"
def recall_mrr(ranks, k):
    hits, points = 0, 0.0
    for rank in ranks:
        if rank:
            hits += rank <= k
            points += 1 / rank
    return [hits / len(ranks), points / len(ranks)]


# %% right="recall_mrr"
def recall_mrr(ranks, k):
    r = np.where(np.asarray(ranks) == 0, np.inf, ranks)
    return np.array([(r <= k).mean(), (1 / r).mean()])


# %% wrong="recall_mrr" says="skips the misses"
def recall_mrr(ranks, k):
    ranks = ranks[ranks > 0]
    return np.mean(ranks <= k), np.mean(1 / ranks)


# %% wrong="recall_mrr" says="MRR skips the misses"
def recall_mrr(ranks, k):
    found = ranks[ranks > 0]
    return np.sum(found <= k) / len(ranks), np.mean(1 / found)


# %% wrong="recall_mrr" says="counts a rank of 0 as found"
def recall_mrr(ranks, k):
    mrr = np.mean([1 / r if r else 0 for r in ranks])
    return np.mean(ranks <= k), mrr


# %% wrong="recall_mrr" says="rank k itself"
def recall_mrr(ranks, k):
    mrr = np.mean([1 / r if r else 0 for r in ranks])
    return np.mean((ranks > 0) & (ranks < k)), mrr


# %% wrong="recall_mrr" says="stops at k"
def recall_mrr(ranks, k):
    good = (ranks > 0) & (ranks <= k)
    return np.mean(good), np.sum(1 / ranks[good]) / len(ranks)


# %% wrong="recall_mrr" says="one over the mean rank"
def recall_mrr(ranks, k):
    return np.mean((ranks > 0) & (ranks <= k)), 1 / np.mean(ranks)


# %% [markdown]
# Now your BM25 on the handbook, judged by your `recall_mrr`.

# %% demo
pages_words = [words(page.full) for page in book.pages]
asked = book.of_kind(*KINDS)
gold = np.array([book.index[q.page] for q in asked])
kind_of = np.array([q.kind for q in asked])
bm = np.array([bm25(words(q.text), pages_words) for q in asked])  # (65, 60)


def rank_of(scores, right):
    """Return the rank of page `right`; 0 if its score is 0 or less."""
    order = np.argsort(-np.asarray(scores), kind="stable").tolist()
    return order.index(right) + 1 if scores[right] > 0 else 0


def ranks_of(score_rows, right=None):
    right = gold if right is None else right
    return np.array(
        [rank_of(s, g) for s, g in zip(score_rows, right, strict=True)]
    )


print(f"{'BM25':14}{'recall@1':>10}{'recall@3':>10}{'MRR':>8}{'misses':>8}")
for kind in KINDS:
    r = ranks_of(bm)[kind_of == kind]
    one, three = recall_mrr(r, 1), recall_mrr(r, 3)
    print(
        f"{kind:14}{one[0]:10.2f}{three[0]:10.2f}{three[1]:8.2f}{sum(r == 0):8}"
    )
print()
for i in (37, 8, 45):
    first = book.pages[int(np.argmax(bm[i]))]
    print(f"{asked[i].text}\n   first: {first.title}; right: {asked[i].page}")

# %% [markdown]
# Two different worlds. A code is the rarest word there is, and BM25 goes straight to its
# page. A customer who says *puppy* where the page says *dogs* is lost: the only words that
# they share are *I* and *to*, and what is left to rank by is small talk.
#
# ## 5 · Rank by meaning: embeddings
#
# A *sentence embedder* turns a text into a vector so that texts of similar meaning point in
# similar directions. Ours is MiniLM, a transformer of six layers with 23 million weights,
# trained on a billion pairs of sentences. It gives a vector of $D = 384$ numbers **for each
# token**. To get one for the text, average over its tokens.
#
# Texts of different length cannot stand in one array. Short ones are filled up with padding
# tokens, and a **mask** $m$ says which are real (1) and which are padding (0). The model
# gives padding a vector as well, and it means nothing. So, for text $i$ of a batch,
#
# $$v_i = \frac{\sum_{t=1}^{T} m_{it}\, h_{it}}{\sum_{t=1}^{T} m_{it}}, \qquad
# h: (B, T, D),\quad m: (B, T),\quad v: (B, D).$$
#
# Two texts are then compared by the cosine of the angle between their vectors, which is the
# dot product once they have unit length.
#
# ### Exercise: `mean_pool`
#
# - **In:** `h`, shape `(B, T, D)`; `mask`, shape `(B, T)`, of 0 and 1.
# - **Out:** the means, shape `(B, D)`, not normalised. A text without a real token gets zeros.
#
# For instance, `h = [[[2, 0], [4, 2], [9, 9]]]` with `mask = [[1, 1, 0]]` gives `[[3, 1]]`.


# %% exercise="mean_pool" points=2 minutes=6 difficulty=2
def mean_pool(h, mask):
    """Return each text's mean over its real tokens, shape (B, D)."""
    # 1. silence: multiply the padding's vectors by 0
    # 2. sum over the tokens
    # 3. divide by the number of real tokens (none: zeros)
    ### BEGIN SOLUTION
    m = np.asarray(mask)[:, :, None]  # (B, T, 1)
    return (h * m).sum(axis=1) / np.maximum(m.sum(axis=1), 1)
    ### END SOLUTION
    return np.zeros((h.shape[0], h.shape[2]))  # replace this line


# %% check="mean_pool"
def loop_mean(h, mask):
    """Return the masked means, one number at a time."""
    B, T, D = h.shape
    out = np.zeros((B, D))
    for i in range(B):
        real = [t for t in range(T) if mask[i, t]]
        for d in range(D):
            if real:
                out[i, d] = math.fsum(float(h[i, t, d]) for t in real) / len(
                    real
                )
    return out


def expect_pool(h, mask, name):
    """Judge one case; name the typical mistakes."""
    kept_h, kept_mask = h.copy(), mask.copy()
    got = mean_pool(h, mask)
    want = loop_mean(kept_h, kept_mask)
    masked = kept_h * kept_mask[:, :, None]
    n_real = kept_mask.sum(axis=1)
    expect_close(
        got,
        want,
        name,
        rtol=1e-4,
        atol=1e-5,
        mistakes={
            "the padding is included: same sentence, other neighbour, other "
            "vector. Sum only where the mask is 1.": kept_h.mean(axis=1),
            "you divide by T, padding included. Divide by the number of real "
            "tokens.": masked.mean(axis=1),
            "you did not divide: that is the sum, not the mean.": masked.sum(1),
            "you divide the whole sum, padding included, by the number of real "
            "tokens.": kept_h.sum(1) / np.maximum(n_real, 1)[:, None],
            "that is the first token's vector; MiniLM was trained with the "
            "mean "
            "over all real tokens.": kept_h[:, 0],
            "you averaged over the wrong axis: tokens are axis 1.": lambda: (
                kept_h.mean(axis=2)
            ),
            "you take the first n tokens. The mask says which tokens are "
            "real, not only how many.": np.stack(
                [
                    x[: max(int(n), 1)].mean(axis=0)
                    for x, n in zip(kept_h, n_real, strict=True)
                ]
            ),
            "you normalised to unit length; return the plain mean.": want
            / np.maximum(np.linalg.norm(want, axis=1, keepdims=True), 1e-12),
        },
    )
    expect_unchanged(h, kept_h, "h")
    expect_unchanged(mask, kept_mask, "mask")


with check("a4.mean_pool"):
    h = np.array([[[2.0, 0.0], [4.0, 2.0], [9.0, 9.0]]])
    expect_pool(h, np.array([[1, 1, 0]]), "mean_pool of the example")
    expect_pool(h, np.array([[1, 1, 1]]), "mean_pool without padding")
    pair = np.concatenate([h, h + 1])
    expect_pool(
        pair, np.array([[1, 0, 0], [1, 1, 1]]), "mean_pool of two texts"
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for B, T, D in [(1, 5, 3), (4, 1, 6), (3, 7, 2), (5, 5, 5), (2, 6, 384)]:
        h = rng.normal(size=(B, T, D)).astype(np.float32)
        n_real = rng.integers(1, T + 1, size=B)
        mask = (np.arange(T) < n_real[:, None]).astype(np.int64)
        expect_pool(h, mask, f"mean_pool for B={B}, T={T}, D={D}")
        expect_pool(
            h, mask[:, ::-1].copy(), "mean_pool with padding on the left"
        )
        expect_pool(h, mask.astype(float), "mean_pool with a mask of floats")
    holes = np.array([[0, 1, 0, 1], [0, 0, 0, 0]])
    expect_pool(
        rng.normal(size=(2, 4, 3)),
        holes,
        "mean_pool with gaps in the mask, and a text without a real token,",
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="mean_pool"
# Sketch: the mask has shape `(B, T)`, the states `(B, T, D)`. Give the mask a third axis of
# length 1 and multiply: the padding becomes 0. Sum over axis 1. Then divide by the sum of
# the mask, which must not be 0.

# %% [markdown] hint="mean_pool"
# ```python
# m = mask[:, :, None]                      # (B, T, 1)
# total = (h * m).sum(axis=...)             # (B, D)
# count = m.sum(axis=...)                   # (B, 1)
# return total / np.maximum(count, ...)
# ```


# %% right="mean_pool"
def mean_pool(h, mask):
    out = []
    for states_, m in zip(h, mask, strict=True):
        real = states_[np.asarray(m, bool)]
        out.append(real.mean(axis=0) if len(real) else np.zeros(h.shape[2]))
    return np.stack(out)


# %% right="mean_pool"
def mean_pool(h, mask):
    n = mask.sum(axis=1)
    weights = mask / np.where(n == 0, 1, n)[:, None]
    return np.einsum("btd,bt->bd", h, weights).tolist()


# %% wrong="mean_pool" says="padding is included; other neighbour"
def mean_pool(h, mask):
    return h.mean(axis=1)


# %% wrong="mean_pool" says="divide by T"
def mean_pool(h, mask):
    return (h * mask[:, :, None]).mean(axis=1)


# %% wrong="mean_pool" says="first token"
def mean_pool(h, mask):
    return h[:, 0]


# %% wrong="mean_pool" says="the sum, not the mean"
def mean_pool(h, mask):
    return (h * mask[:, :, None]).sum(axis=1)


# %% wrong="mean_pool" says="which tokens are real"
def mean_pool(h, mask):
    n = mask.sum(axis=1).astype(int)
    return np.stack([x[:k].mean(axis=0) for x, k in zip(h, n, strict=True)])


# %% wrong="mean_pool" says="text without a real token; nan"
def mean_pool(h, mask):
    return (h * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1)[:, None]


# %% wrong="mean_pool" says="unit length"
def mean_pool(h, mask):
    v = (h * mask[:, :, None]).sum(axis=1)
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9)


# %% [markdown]
# Your function on the real model. The first line is the reason for the mask.

# %% demo
from course.embed import load_embedder

minilm = load_embedder()


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embed(texts, batch=32):
    """Return unit vectors, (n, 384), made with your mean_pool."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = np.zeros((len(texts), 384), np.float32)
    for start in range(0, len(texts), batch):
        rows = order[start : start + batch]
        out[rows] = unit(
            np.asarray(mean_pool(*minilm.hidden([texts[i] for i in rows])))
        )
    return out


short, long = "May I bring my dog?", book.pages[0].full
alone = minilm.hidden([short])
beside = minilm.hidden([short, long])
print(
    "tokens alone:",
    alone[0].shape[1],
    " beside a long text:",
    beside[0].shape[1],
)
for name, pool in (
    ("with your mask", mean_pool),
    ("padding included", lambda h, mask: h.mean(axis=1)),
):
    cosine = float((unit(pool(*alone)) @ unit(pool(*beside)).T)[0, 0])
    print(f"{name:17} cosine of the sentence with itself: {cosine:.3f}")
texts = [
    short,
    "Are puppies allowed?",
    "May I not bring my dog?",
    "Mind the gap.",
]
print("\ncosines with", repr(short))
for text, cosine in zip(texts, embed(texts) @ embed(texts)[0], strict=True):
    print(f"  {cosine:.2f}  {text}")

# %% [markdown]
# *Puppies* is near *dog*, with hardly a word in common. And the sentence with a *not*, which
# says the opposite, is nearer still. An embedding tells what a text is **about**. It is poor
# at telling what it **says** of it. Remember this for section 8.
#
# ## 6 · Merge two rankings
#
# One retriever is good with codes, the other with meanings. Why not ask both? Their scores
# cannot be added: BM25 goes from 0 to almost 20 here, a cosine from −1 to 1, so BM25 alone
# would decide. **Reciprocal rank fusion** (G. Cormack, C. Clarke, S. Büttcher, 2009) throws
# the scores away and keeps the ranks. Page $d$ gets
#
# $$\mathrm{RRF}(d) = \sum_{r\,:\ d\ \text{found by}\ r} \frac{1}{k + \mathrm{rank}_r(d)},
# \qquad k = 60 .$$
#
# The constant $k$ flattens the top: first and second place differ by 1/61 − 1/62, so two
# retrievers that agree beat one that is enthusiastic. A retriever that did not find a page
# has no rank for it, and contributes nothing. **Found** means here: a score above 0, that
# is, a shared word or an angle below 90°.
#
# **A worked example.** Four pages; the first retriever gives `[0, 7, 2, 0]`, the second
# `[0.3, 0.1, 0.9, -0.2]`. The first ranks page 1 before page 2 and has not found the others.
# The second ranks 2, 0, 1. So page 0 gets 1/62, page 1 gets 1/61 + 1/63, page 2 gets
# 1/62 + 1/61, and page 3 gets 0.
#
# ### Exercise: `fuse`
#
# - **In:** `scores`, a list of $R$ arrays of shape `(N,)`, higher is better; `k`.
# - **Out:** the fused scores, shape `(N,)`; 0 for a page that nobody found.
# - Of pages with equal scores the one with the smaller number has the better rank.


# %% exercise="fuse" points=2 minutes=9 difficulty=3
def fuse(scores, k=60):
    """Return the reciprocal rank fusion of R score arrays: (R, N) -> (N,)."""
    # 1. order: the pages of one retriever, best first, ties by number
    # 2. rank: 1 for the first
    # 3. add 1 / (k + rank) for the pages found (score above 0)
    ### BEGIN SOLUTION
    total = np.zeros(len(scores[0]))
    for row in scores:
        order = np.argsort(-np.asarray(row, float), kind="stable")
        for rank, page in enumerate(order, start=1):
            if row[page] > 0:
                total[page] += 1 / (k + rank)
    return total
    ### END SOLUTION
    return np.zeros(len(scores[0]))  # replace this line


# %% check="fuse"
def slow_rrf(rows, k, first=1, keep_zeros=False, better=lambda x, y: x > y):
    """The definition: a page's rank is 1 + how many pages are better."""
    out = []
    for d in range(len(rows[0])):
        s = 0.0
        for row in rows:
            ahead = 0
            for e, other in enumerate(row):
                tie = other == row[d] and e < d
                ahead += bool(better(other, row[d]) or tie)
            if row[d] > 0 or keep_zeros:
                s += 1 / (k + first + ahead)
        out.append(s)
    return out


def expect_fused(rows, k, name):
    """Judge one case; name the typical mistakes."""
    given = [np.array(row, float) for row in rows]
    got = fuse(given) if k == 60 else fuse(given, k)
    as_rank = [np.argsort(-np.array(row), kind="stable") for row in rows]
    once = [
        sum(
            1 / (k + 1 + at[d]) if row[d] > 0 else 0
            for at, row in zip(as_rank, rows, strict=True)
        )
        for d in range(len(rows[0]))
    ]
    expect_close(
        got,
        slow_rrf(rows, k),
        name,
        rtol=1e-5,
        mistakes={
            "you add raw scores: BM25's are the larger numbers, and decide "
            "alone. Add 1 / (k + rank).": np.sum(rows, axis=0),
            "you rank pages that scored 0: a retriever that did not find a "
            "page "
            "has no rank for it, and contributes nothing.": slow_rrf(
                rows, k, keep_zeros=True
            ),
            "your ranks begin at 0; the first page has rank 1.": slow_rrf(
                rows, k, first=0
            ),
            "the ranking is upside down: the highest score has rank "
            "1.": slow_rrf(rows, k, better=lambda x, y: x < y),
            "argsort gives the page at each place, not the place of each page. "
            "Invert it: ranks[order] = 1, 2, 3, ...": once,
            "that is the mean over the retrievers; add, do not "
            "average.": np.array(slow_rrf(rows, k)) / len(rows),
            "you ignore the k that is given.": slow_rrf(rows, 60),
        },
    )
    for row, before in zip(given, rows, strict=True):
        expect_unchanged(row, np.array(before, float), "scores")


with check("a4.fuse"):
    two = [[0, 7, 2, 0], [0.3, 0.1, 0.9, -0.2]]
    expect_fused(two, 60, "fuse of the worked example")
    expect_fused([[3, 1, 2, 4]], 60, "fuse of one retriever")
    expect_fused(
        [[2, 5, 2, 5]],
        60,
        "fuse of [2, 5, 2, 5] (of equal scores the smaller number goes first)",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for case in range(15):
        shape = (int(rng.integers(1, 5)), int(rng.integers(1, 12)))
        rows = rng.integers(-2, 6, size=shape) * rng.choice(
            [0.5, 1, 8], size=shape
        )
        k = [60, 1, 10][case % 3]
        expect_fused(rows.tolist(), k, f"fuse of {shape} scores with k={k}")
    expect_fused([[0, 0, 0], [-1, 0, -2]], 60, "fuse when nothing was found")
    ### END HIDDEN TESTS

# %% [markdown] hint="fuse"
# Sketch: for each retriever, `np.argsort(-row, kind="stable")` lists the pages from best to
# worst; `stable` keeps ties in order of their number. Walk through it with
# `enumerate(..., start=1)`: the counter is the rank. Add `1 / (k + rank)` to that page,
# unless its score is 0 or less.

# %% [markdown] hint="fuse"
# ```python
# total = np.zeros(len(scores[0]))
# for row in scores:
#     order = np.argsort(..., kind="stable")
#     for rank, page in enumerate(order, start=...):
#         if ...:                          # found
#             total[page] += ...
# return total
# ```


# %% right="fuse"
def fuse(scores, k=60):
    S = np.array(scores, dtype=float)
    order = np.argsort(-S, axis=1, kind="stable")
    ranks = np.empty(S.shape, int)
    np.put_along_axis(
        ranks, order, np.arange(1, S.shape[1] + 1)[None, :], axis=1
    )
    return np.where(S > 0, 1 / (k + ranks), 0).sum(axis=0)


# %% right="fuse"
def fuse(scores, k=60):
    fused = [0.0] * len(scores[0])
    for row in scores:
        found = [i for i in range(len(row)) if row[i] > 0]
        found.sort(key=lambda i: -row[i])
        for place, i in enumerate(found):
            fused[i] += 1.0 / (k + place + 1)
    return fused


# %% wrong="fuse" says="add raw scores"
def fuse(scores, k=60):
    return np.sum(scores, axis=0)


# %% wrong="fuse" says="rank pages that scored 0"
def fuse(scores, k=60):
    total = np.zeros(len(scores[0]))
    for row in scores:
        order = np.argsort(-row, kind="stable")
        total[order] += 1 / (k + np.arange(1, len(row) + 1))
    return total


# %% wrong="fuse" says="begin at 0"
def fuse(scores, k=60):
    total = np.zeros(len(scores[0]))
    for row in scores:
        for rank, page in enumerate(np.argsort(-row, kind="stable")):
            total[page] += 1 / (k + rank) if row[page] > 0 else 0
    return total


# %% wrong="fuse" says="upside down"
def fuse(scores, k=60):
    total = np.zeros(len(scores[0]))
    for row in scores:
        for rank, page in enumerate(np.argsort(row, kind="stable"), 1):
            total[page] += 1 / (k + rank) if row[page] > 0 else 0
    return total


# %% wrong="fuse" says="argsort gives the page at each place; invert"
def fuse(scores, k=60):
    total = np.zeros(len(scores[0]))
    for row in scores:
        ranks = np.argsort(-row, kind="stable") + 1
        total += np.where(row > 0, 1 / (k + ranks), 0)
    return total


# %% wrong="fuse" says="smaller number goes first"
def fuse(scores, k=60):
    total = np.zeros(len(scores[0]))
    for row in scores:
        for rank, page in enumerate(np.argsort(row, kind="stable")[::-1], 1):
            total[page] += 1 / (k + rank) if row[page] > 0 else 0
    return total


# %% wrong="fuse" says="ignore the k"
def fuse(scores, k=60):
    total = np.zeros(len(scores[0]))
    for row in scores:
        for rank, page in enumerate(np.argsort(-row, kind="stable"), 1):
            total[page] += 1 / (60 + rank) if row[page] > 0 else 0
    return total


# %% [markdown]
# ## 7 · Which retriever finds the page?
#
# ### Predict
#
# You saw BM25 on the 40 paraphrases. MiniLM will do much better there. Now fuse the two
# with equal weight, as in the exercise. On the paraphrases, compared with MiniLM alone, the
# fusion's recall@3 will be
#
# - `"higher"`: two opinions are better than one (by more than 0.05),
# - `"the same"`: within 0.05,
# - `"lower"`: by more than 0.05.
#
# Say how sure you are, from 0 to 1.

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "higher", 0.6
### END SOLUTION

# %% check="guess"
with check("a4.guess"):
    expect_prediction(
        "a4.guess", guess, confidence, ["higher", "the same", "lower"]
    )

# %% right="guess"
guess, confidence = "lower", 1

# %% wrong="guess" says="must be one of"
guess, confidence = "better", 0.5

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "lower", 80

# %% demo
from course.plots import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, figure, show

page_vectors = embed([page.full for page in book.pages])  # (60, 384)
dense = embed([q.text for q in asked]) @ page_vectors.T  # (65, 60)
fused = np.array([fuse([b, d]) for b, d in zip(bm, dense, strict=True)])
retrievers = {"BM25": bm, "MiniLM": dense, "fusion": fused}

fig, axes = figure(1, 2, width=8.5, height=3.6)
found3 = {}
print(
    f"{'':14}{'':12}{'recall@1':>9}{'recall@3':>9}{'95 % of @3':>14}{'MRR':>7}"
)
for ax, kind in zip(axes, KINDS, strict=True):
    for j, (name, matrix) in enumerate(retrievers.items()):
        r = ranks_of(matrix)[kind_of == kind]
        color = (ORANGE, BLUE, GREEN)[j]
        bars = [recall_mrr(r, k)[0] for k in (1, 3)]
        bounds = [interval((r > 0) & (r <= k)) for k in (1, 3)]
        found3[name, kind] = bars[1]
        print(
            f"{kind:14}{name:12}{bars[0]:9.2f}{bars[1]:9.2f}"
            f"{bounds[1][0]:8.2f}–{bounds[1][1]:.2f}{recall_mrr(r, 1)[1]:8.2f}"
        )
        x = np.array([0, 1]) + (j - 1) * 0.26
        ax.set_axisbelow(True)
        ax.bar(x, bars, 0.24, color=color, label=name)
        for at, low_high in zip(x, bounds, strict=True):
            ax.plot([at, at], low_high, color="black", lw=1.2)
    ax.set(
        title=f"{kind} questions (n = {sum(kind_of == kind)})",
        xlabel="pages looked at",
        ylabel="recall (part of the questions)",
        ylim=(0, 1.05),
        xticks=[0, 1],
    )
    ax.set_xticklabels(["the first", "the first three"])
axes[0].legend(loc="upper left", frameon=False)
show(
    fig,
    "recall@3 on paraphrases / on codes: "
    + "; ".join(
        f"{n} {found3[n, 'paraphrase']:.2f} / {found3[n, 'code']:.2f}"
        for n in retrievers
    )
    + ". Lines are 95 % intervals.",
)
gap = found3["fusion", "paraphrase"] - found3["MiniLM", "paraphrase"]
outcome(
    "a4.guess",
    "higher" if gap > 0.05 else "lower" if gap < -0.05 else "the same",
)

# %% [markdown]
# On codes all three are so close that 25 questions cannot tell them apart. (Do not trust an
# interval of width 0: a bootstrap of 25 hits in 25 cannot imagine the miss that it has not
# seen.) On paraphrases MiniLM finds the page among the first three 32 times in 40, BM25
# 8 times, and **their fusion 14 times**. Fusion does not choose the better opinion, it
# averages. A retriever that is nearly blind on a kind of question still casts its full vote,
# and pulls the right page down from first to tenth place.
#
# What would you do at work? Not "always use hybrid search", and not "never". Measure by kind
# of question, on questions like your customers'. Here a rule of one line would do: a question
# with a code in it goes to BM25, everything else to MiniLM.
#
# Are smaller pieces better? Your `chunks`, with a page scored by its best piece:

# %% demo
print(f"{'chunk':>12}{'pieces':>8}{'paraphrase':>12}{'code':>8}   (recall@3)")
for size, overlap in ((15, 5), (30, 10), (100, 0)):
    pieces, owner = [], []
    for i, page in enumerate(book.pages):
        parts = page.full.split()
        for a, b in chunks(parts, size, overlap):
            pieces.append(" ".join(parts[a:b]))
            owner.append(i)
    owner = np.array(owner)
    cosines = embed([q.text for q in asked]) @ embed(pieces).T
    best = np.stack(
        [cosines[:, owner == i].max(axis=1) for i in range(60)], axis=1
    )
    both = [recall_mrr(ranks_of(best)[kind_of == kind], 3)[0] for kind in KINDS]
    label = f"{size} words" if size < 100 else "whole page"
    print(f"{label:>12}{len(pieces):8}{both[0]:12.2f}{both[1]:8.2f}")

# %% [markdown]
# Here smaller is worse: a piece from the middle of a page has lost the title, and with it
# what "it" is. Chunk size is a knob to measure, not a rule to copy. Our pages are short and
# have one subject each; a manual of 300 pages is another matter, and section 10 has texts
# that do not fit.
#
# A map shows what the embedder sees. It has 384 dimensions; principal components keep the
# two in which the pages differ most.

# %% demo
from sklearn.decomposition import PCA

pca = PCA(2).fit(page_vectors)
flat = pca.transform(page_vectors)
coded = np.array([int(page.id[1:]) >= 39 for page in book.pages])
unanswerable = book.of_kind("unanswerable")
off_topic = [q for q in unanswerable if not q.about_shop]
on_topic = [q for q in unanswerable if q.about_shop]
fig, ax = figure(width=7.5, height=4.6)
groups = {
    "pages with rules": (flat[~coded], BLUE, "o", 34),
    "pages with codes": (flat[coded], SKY, "s", 34),
    "paraphrases": (None, ORANGE, "^", 20),
    "code questions": (None, PURPLE, "v", 20),
    "unanswerable, on the shop": (None, "black", "x", 30),
    "unanswerable, on anything": (None, RED, "+", 55),
}
lists = [book.of_kind("paraphrase"), book.of_kind("code"), on_topic, off_topic]
spots = {}
for (label, (points, color, marker, size)), qs in zip(
    groups.items(), [None, None, *lists], strict=True
):
    if points is None:
        points = pca.transform(embed([q.text for q in qs]))
    spots[label] = points
    ax.scatter(
        *points.T, c=color, marker=marker, s=size, alpha=0.8, label=label
    )
ax.set(
    xlabel="first principal component (no unit)",
    ylabel="second principal component (no unit)",
)
ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
share = pca.explained_variance_ratio_.sum()
middle = {
    name: np.linalg.norm(np.concatenate(dots), axis=1).mean()
    for name, dots in (
        ("pages", [flat]),
        ("questions", list(spots.values())[2:]),
    )
}
show(
    fig,
    f"two components hold {share:.0%} of the pages' variance. Pages with rules "
    "lie to the right, pages with codes to the left (mean of the first "
    f"component {flat[~coded][:, 0].mean():+.2f} and "
    f"{flat[coded][:, 0].mean():+.2f}). Questions of all kinds gather near "
    f"the middle (mean distance {middle['questions']:.2f}; pages "
    f"{middle['pages']:.2f}), and those on anything else are right among them.",
)

# %% [markdown]
# Mind what such a map is: a shadow. The questions on ethanol and whales seem to lie among
# the pages, and are far from all of them in the other 382 dimensions, as the next section
# shows. Use a map to find odd pages and to ask questions, not to prove anything.
#
# ## 8 · When to say nothing
#
# A question without an answer still has a best page. Give that page to the model, and it
# will make something up. A prompt such as "say that you do not know" is no protection: small
# models rarely obey. A **gate** in front of the model is: if the best page's similarity $s$
# is below a threshold $\tau$ (tau), **abstain**.
#
# Count an unanswerable question that was stopped as a true positive (TP), an answerable one
# that was stopped as a false positive (FP), an unanswerable one that was let through as a
# false negative (FN). Few questions are unanswerable, so accuracy would reward a gate that
# is always open. The F1 score ignores the easy majority:
#
# $$F_1 = \frac{2\,\mathrm{TP}}{2\,\mathrm{TP} + \mathrm{FP} + \mathrm{FN}}
# \qquad(0 \text{ if TP} = 0).$$
#
# Which $\tau$? The one with the best $F_1$ on some questions, the **dev** set. Its $F_1$
# there is flattering, because $\tau$ was made for them. The honest number comes from the
# **test** set, which had no say.
#
# **A worked example.** Dev similarities 0.2, 0.4, 0.3, 0.6; the first two questions are
# unanswerable. With $\tau = 0.5$, the gate stops the first three: TP = 2, FP = 1, FN = 0,
# $F_1 = 4/5$. With $\tau = 0.25$ it stops the first alone: $F_1 = 2/3$.
#
# ### Exercise: `gate`
#
# - **In:** `dev` and `test`, two pairs `(s, known)`: `s` has shape `(n,)`, the best
#   similarity for each question; `known` has shape `(n,)` and is true where the question is
#   answerable. At least one question in each is not.
# - **Out:** `(tau, f1)`: a threshold with the best possible $F_1$ on `dev`, and the $F_1$ of
#   this threshold on `test`. Abstain where `s < tau`. If several are best, return any.


# %% exercise="gate" points=3 minutes=9 difficulty=3
def gate(dev, test):
    """Return the threshold chosen on dev, and its F1 on test."""

    # 1. score: the F1 of abstaining where s < tau
    # 2. choose: try a tau above each of dev's similarities, keep the best
    # 3. report: the F1 of that tau on test
    ### BEGIN SOLUTION
    def f1(tau, s, known):
        stopped, known = np.asarray(s) < tau, np.asarray(known, bool)
        tp = np.sum(stopped & ~known)
        wrong = np.sum(stopped & known) + np.sum(~stopped & ~known)
        return 2 * tp / (2 * tp + wrong)

    candidates = np.nextafter(np.asarray(dev[0], float), np.inf)
    tau = max(candidates, key=lambda t: f1(t, *dev))
    return float(tau), float(f1(tau, *test))
    ### END SOLUTION
    return 0.5, 0.0  # replace this line


# %% check="gate"
def slow_f1(tau, s, known, stop=lambda x, tau: x < tau):
    """F1 of abstaining, one question at a time."""
    tp = fp = fn = 0
    for x, k in zip(s, known, strict=True):
        if stop(x, tau):
            tp, fp = tp + (not k), fp + bool(k)
        elif not k:
            fn += 1
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def run_gate(dev, test):
    """Call the learner's gate on copies; return two finite numbers."""
    pairs = [(np.array(s, float), np.array(k, bool)) for s, k in (dev, test)]
    got = gate(*pairs)
    if got is None:
        fail("gate(dev, test) is None. Is a `return` missing?")
    expect_shape(got, (2,), "gate(dev, test) = (tau, f1)")
    tau, f1 = float(got[0]), float(got[1])
    expect(not math.isnan(tau), "your tau is nan; it must be a threshold.")
    return tau, f1


def expect_gate(dev, test):
    """Judge tau by what it does on dev, and f1 by what tau does on test."""
    tau, f1 = run_gate(dev, test)
    others = (
        (test[0], [not k for k in test[1]]),
        ([x + 0.3 for x in test[0]], test[1]),
        ([-x for x in test[0]], test[1]),
    )
    for other in others:
        expect(
            run_gate(dev, other)[0] == tau,
            f"your tau = {tau:.4g} becomes another one with another test set. "
            "Choose on dev alone: test has no say.",
        )
    s, known = dev
    ends = sorted({*s, min(s) - 1, max(s) + 2})
    tries = [(a + b) / 2 for a, b in zip(ends, ends[1:], strict=False)]
    on_dev, best = slow_f1(tau, *dev), max(slow_f1(t, *dev) for t in tries)
    if on_dev < best - 1e-9:
        problem = (
            f"tau = {tau:.4g} gives F1 = {on_dev:.3f} on dev, where "
            f"{best:.3f} is possible. "
        )
        accuracy = [
            np.mean([(x >= t) == k for x, k in zip(s, known, strict=True)])
            for t in [*tries, tau]
        ]
        if accuracy[-1] == max(accuracy):
            fail(
                problem + "Your tau has the best accuracy; that rewards a gate "
                "that is always open. Maximise the F1 of abstaining."
            )
        fail(
            problem + "Try a threshold between each two similarities that "
            "occur, not a grid of round numbers, and one above the largest."
        )
    want = slow_f1(tau, *test)
    expect_close(
        f1,
        want,
        f"your f1 (on test, with your tau = {tau:.4g})",
        mistakes={
            "your f1 is the one on dev, which tau was made for. Report the F1 "
            "on "
            "test.": on_dev,
            "your f1 stops questions with s = tau, or s above it; abstain "
            "where s < "
            "tau.": slow_f1(tau, *test, stop=lambda x, t: x <= t),
            "your f1 is that of answering; count stopped unanswerable "
            "questions as "
            "true positives.": slow_f1(
                tau, test[0], [not k for k in test[1]], stop=lambda x, t: x >= t
            ),
            "your f1 is the accuracy.": float(
                np.mean((np.array(test[0]) >= tau) == np.array(test[1], bool))
            ),
        },
    )
    return tau


with check("a4.gate"):
    dev = ([0.2, 0.4, 0.3, 0.6], [False, False, True, True])
    test = ([0.1, 0.55, 0.45, 0.7, 0.33], [False, False, True, True, True])
    tau = expect_gate(dev, test)
    expect(
        0.4 < tau <= 0.6,
        f"tau = {tau:.4g}; on dev the best thresholds lie above 0.4, up to "
        f"0.6.",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for _ in range(25):
        halves = []
        for _half in range(2):
            n = int(rng.integers(3, 40))
            known = rng.random(n) < 0.75
            known[:2] = [True, False]
            s = np.where(known, 0.45, 0.35) + 0.12 * rng.normal(size=n)
            s = np.round(s, int(rng.integers(1, 4)))  # ties
            halves.append((s.tolist(), known.tolist()))
        dev, test = halves
        expect_gate(dev, test)
    all_out = ([0.9, 0.2], [False, False])
    expect_gate(all_out, ([0.5, 0.95], [False, True]))
    ### END HIDDEN TESTS

# %% [markdown] hint="gate"
# Sketch: write a helper `f1(tau, s, known)` first. Only the order of dev's similarities
# matters, so it is enough to try one threshold just above each of them (`np.nextafter(s,
# np.inf)` is the next larger number; the middle between two neighbours works as well, with
# one more above the largest). Take the best on dev; call the helper once more, with test.

# %% [markdown] hint="gate"
# ```python
# def f1(tau, s, known):
#     stopped = s < tau
#     tp = np.sum(stopped & ~known)
#     fp = ...
#     fn = ...
#     return 2 * tp / (2 * tp + fp + fn)
#
# candidates = np.nextafter(dev[0], np.inf)
# tau = max(candidates, key=lambda t: f1(t, ...))     # dev
# return tau, f1(tau, ...)                            # test
# ```


# %% right="gate"
def gate(dev, test):
    def f1(tau, s, known):
        tp = fp = fn = 0
        for x, k in zip(s, known, strict=True):
            if x < tau and not k:
                tp += 1
            elif x < tau:
                fp += 1
            elif not k:
                fn += 1
        return 2 * tp / (2 * tp + fp + fn) if tp else 0.0

    s = sorted(set(float(x) for x in dev[0]))
    middles = [(a + b) / 2 for a, b in zip(s, s[1:], strict=False)]
    tries = [s[0] - 1, *middles, s[-1] + 1]
    best = sorted(tries, key=lambda t: f1(t, *dev))[-1]
    return [best, f1(best, *test)]


# %% right="gate"
def gate(dev, test):
    from sklearn.metrics import f1_score

    s, known = dev
    grid = np.append(np.unique(s), np.inf)
    scores = [f1_score(~known, s < t, zero_division=0) for t in grid]
    tau = grid[int(np.argmax(scores))]
    return np.array([tau, f1_score(~test[1], test[0] < tau, zero_division=0)])


# %% wrong="gate" says="another test set; no say"
def gate(dev, test):
    def f1(tau, s, known):
        stopped = s < tau
        tp = np.sum(stopped & ~known)
        wrong = np.sum(stopped & known) + np.sum(~stopped & ~known)
        return 2 * tp / (2 * tp + wrong)

    tau = max(np.nextafter(test[0], np.inf), key=lambda t: f1(t, *test))
    return tau, f1(tau, *test)


# %% wrong="gate" says="test has no say"
def gate(dev, test):
    def f1(tau, s, known):
        stopped = s < tau
        tp = np.sum(stopped & ~known)
        wrong = np.sum(stopped & known) + np.sum(~stopped & ~known)
        return 2 * tp / (2 * tp + wrong)

    both = (np.append(dev[0], test[0]), np.append(dev[1], test[1]))
    tau = max(np.nextafter(both[0], np.inf), key=lambda t: f1(t, *both))
    return tau, f1(tau, *test)


# %% wrong="gate" says="the one on dev"
def gate(dev, test):
    def f1(tau, s, known):
        stopped = s < tau
        tp = np.sum(stopped & ~known)
        wrong = np.sum(stopped & known) + np.sum(~stopped & ~known)
        return 2 * tp / (2 * tp + wrong)

    tau = max(np.nextafter(dev[0], np.inf), key=lambda t: f1(t, *dev))
    return tau, f1(tau, *dev)


# %% wrong="gate" says="is possible; grid of round numbers"
def gate(dev, test):
    def f1(tau, s, known):
        stopped = s < tau
        tp = np.sum(stopped & ~known)
        wrong = np.sum(stopped & known) + np.sum(~stopped & ~known)
        return 2 * tp / (2 * tp + wrong)

    tau = max([0.1, 0.3, 0.5, 0.7, 0.9], key=lambda t: f1(t, *dev))
    return tau, f1(tau, *test)


# %% wrong="gate" says="is possible; best accuracy"
def gate(dev, test):
    def accuracy(tau, s, known):
        return np.mean((s >= tau) == known)

    def f1(tau, s, known):
        stopped = s < tau
        tp = np.sum(stopped & ~known)
        wrong = np.sum(stopped & known) + np.sum(~stopped & ~known)
        return 2 * tp / (2 * tp + wrong)

    tries = np.append(np.sort(dev[0]), np.inf)
    tau = max(tries, key=lambda t: accuracy(t, *dev))
    return tau, f1(tau, *test)


# %% wrong="gate" says="that of answering"
def gate(dev, test):
    def f1(tau, s, known):
        stopped = s < tau
        tp = np.sum(stopped & ~known)
        wrong = np.sum(stopped & known) + np.sum(~stopped & ~known)
        return 2 * tp / (2 * tp + wrong)

    tau = max(np.nextafter(dev[0], np.inf), key=lambda t: f1(t, *dev))
    s, known = test
    tp = np.sum((s >= tau) & known)
    wrong = np.sum((s >= tau) & ~known) + np.sum((s < tau) & known)
    return tau, 2 * tp / (2 * tp + wrong)


# %% wrong="gate" says="the accuracy"
def gate(dev, test):
    def f1(tau, s, known):
        stopped = s < tau
        tp = np.sum(stopped & ~known)
        wrong = np.sum(stopped & known) + np.sum(~stopped & ~known)
        return 2 * tp / (2 * tp + wrong)

    tau = max(np.nextafter(dev[0], np.inf), key=lambda t: f1(t, *dev))
    return tau, np.mean((test[0] >= tau) == test[1])


# %% [markdown]
# Now on all 80 questions. Every second one is dev, the others are test.

# %% demo
everyone = list(book.questions)
nearest = (embed([q.text for q in everyone]) @ page_vectors.T).max(axis=1)
known = np.array([q.page is not None for q in everyone])
half = np.arange(len(everyone)) % 2 == 0
tau, f1_test = gate(
    (nearest[half], known[half]), (nearest[~half], known[~half])
)


def stopped_part(mask):
    return f"{int((nearest[mask] < tau).sum())} of {int(mask.sum())}"


about = np.array([q.about_shop for q in everyone])
fig, ax = figure(width=7.5, height=3.4)
bins = np.arange(0, 0.85, 0.05)
series = [nearest[known], nearest[~known & about], nearest[~known & ~about]]
names = ["answerable", "unanswerable, on the shop", "unanswerable, on anything"]
ax.hist(series, bins, stacked=True, color=[BLUE, ORANGE, RED], label=names)
ax.axvline(
    tau, color="black", ls="--", lw=1.5, label=f"tau = {tau:.2f} (from dev)"
)
ax.set(
    xlabel="similarity of the best page (cosine)", ylabel="number of questions"
)
ax.yaxis.get_major_locator().set_params(integer=True)
ax.legend(frameon=False, fontsize=8)
show(
    fig,
    f"tau = {tau:.2f}. Below it: {stopped_part(known)} answerable questions, "
    f"{stopped_part(~known & about)} unanswerable ones on the shop, "
    f"{stopped_part(~known & ~about)} on anything else.",
)
f1_dev = gate((nearest[half], known[half]), (nearest[half], known[half]))[1]
print(f"F1 of abstaining: {f1_dev:.2f} on dev, {f1_test:.2f} on test")
rng, others = np.random.default_rng(0), []
for _ in range(300):  # the same with other halves, 7 unanswerable in dev
    dev_rows = np.zeros(80, bool)
    for kind, n in (("paraphrase", 20), ("code", 13), ("unanswerable", 7)):
        rows = [i for i, q in enumerate(everyone) if q.kind == kind]
        dev_rows[rng.permutation(rows)[:n]] = True
    parts = [(nearest[m], known[m]) for m in (dev_rows, ~dev_rows)]
    others.append(gate(*parts)[1])
low, mid, high = np.percentile(others, [5, 50, 95])
print(
    f"with 300 other halves: {mid:.2f} on test (90 % within "
    f"{low:.2f}–{high:.2f})"
)

# %% [markdown]
# Two lessons in one figure. First, **the gate stops what is off topic and lets pass what is
# near**. A question on the boiling point of ethanol is far from every page. *Do you deliver
# to Iceland?* is near the page on dispatch, and that page is silent on Iceland. Similarity
# measures topic; whether the page *holds the answer* is another question. The worst one asks
# for the error code E-99, which does not exist: it looks just like those that do. (Your
# BM25 would know better. How?)
#
# Second, **a threshold tuned on seven unanswerable questions is mostly luck**. Look at the
# range over other halves before you quote two decimals.
#
# ## 9 · Put it together
#
# The assistant in four steps: retrieve, gate, prompt, cite.
#
# ### Exercise: `answer`
#
# - `retrieve(question)` gives the hits, best first: a list of dicts with `"id"`, `"text"`
#   and `"score"`. It may be empty.
# - `lm(prompt)` gives the model's text for a prompt (a string).
# - `tau`: abstain if the best score is below it, or if there is no hit. Then **the model is
#   not asked**: it costs money, and would invent something.
# - `n`: how many of the best pages the model gets to read.
#
# Return a dict with three keys: `"text"`, the model's text or, if you abstain, `SORRY`;
# `"sources"`, the list of the ids of the pages in the prompt, in their order (`[]` if you
# abstain); `"abstained"`, `True` or `False`. Make the prompt from `PROMPT`, with the texts of
# the pages joined by a line break.
#
# For instance, with the hits `h01` (0.7) and `h22` (0.5), `tau=0.6` and `n=1`, the model
# reads h01 alone, and `sources` is `["h01"]`.

# %% setup
SORRY = "I cannot find this in our handbook. A colleague will get back to you."
PROMPT = "Use this information: {pages}\n\nAnswer the question: {question}"


# %% exercise="answer" points=3 minutes=9 difficulty=3
def answer(question, retrieve, lm, tau, n=1):
    """Return {"text": ..., "sources": [...], "abstained": ...}."""
    # 1. retrieve
    # 2. gate: nothing found, or the best below tau: abstain, and do not call lm
    # 3. prompt: the n best pages and the question
    # 4. cite: the ids of the pages that the model has read
    ### BEGIN SOLUTION
    hits = retrieve(question)
    if not hits or hits[0]["score"] < tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    used = hits[:n]
    pages = "\n".join(hit["text"] for hit in used)
    text = lm(PROMPT.format(pages=pages, question=question))
    return {
        "text": text,
        "sources": [h["id"] for h in used],
        "abstained": False,
    }
    ### END SOLUTION
    return {"text": "", "sources": [], "abstained": False}  # replace this line


# %% check="answer"
def trial(
    hits, tau, reply="38 days.", question="How long can I return it?", **more
):
    """Return the learner's result and the prompts that its lm was given."""
    prompts, looked_up = [], []

    def retrieve(text):
        looked_up.append(text)
        return [dict(hit) for hit in hits]

    def lm(prompt):
        prompts.append(prompt)
        return reply

    got = answer(question, retrieve, lm, tau, **more)
    expect_type(got, dict, "answer(...)")
    for key, kind in (("text", str), ("sources", (list, tuple))):
        expect(
            key in got, f"the result has no key {key!r}; it has {sorted(got)}."
        )
        expect_type(got[key], kind, f'the result\'s "{key}"')
    expect("abstained" in got, 'the result has no key "abstained".')
    expect(
        looked_up and all(text == question for text in looked_up),
        f"retrieve must be asked for the question {question!r} itself; it was "
        f"asked "
        f"for {looked_up}.",
    )
    return got, prompts


def expect_abstains(hits, tau, why, **more):
    """The result must be an abstention, and the model unasked."""
    try:
        got, prompts = trial(hits, tau, **more)
    except IndexError:
        fail(
            f"it takes hits[0] although {why}. First ask whether it exists: "
            "an empty list has no first element."
        )
    expect(
        not prompts,
        f"the model was asked although {why}. Abstain before you call lm: the "
        f"call "
        "costs money, and the model would invent something.",
    )
    expect(bool(got["abstained"]), f'"abstained" must be True when {why}.')
    expect_equal(got["text"], SORRY, 'the "text" of an abstention')
    expect_equal(
        list(got["sources"]),
        [],
        'the "sources" of an abstention',
        mistakes={
            "an abstention has no sources: nothing was read.": [
                hit["id"] for hit in hits
            ]
        },
    )


def expect_answers(hits, tau, n, reply="38 days.", question="May I return it?"):
    """The result must be the model's reply, with the pages it has read."""
    got, prompts = trial(hits, tau, reply, question, n=n)
    best = hits[0]["score"]
    expect(
        not got["abstained"] and prompts,
        f"it abstained with the best score {best} and tau {tau}; abstain only "
        "below tau.",
    )
    expect(
        len(prompts) == 1,
        f"the model was asked {len(prompts)} times; once is enough.",
    )
    prompt = prompts[0]
    expect_type(prompt, str, "what lm was given")
    expect(question in prompt, "the prompt does not contain the question.")
    for i, hit in enumerate(hits):
        if i < n:
            expect(
                hit["text"] in prompt,
                f"the prompt lacks the text of page {hit['id']}, one of the "
                f"{n} best: "
                "the model can only know what it reads.",
            )
        else:
            expect(
                hit["text"] not in prompt,
                f"the prompt holds page {hit['id']}; with n={n} the model "
                f"reads only "
                "the best.",
            )
    expect(
        got["text"].strip() == reply.strip(),
        f"the text is {got['text']!r}; it must be the model's reply {reply!r}.",
    )
    want = [hit["id"] for hit in hits[:n]]
    sources = list(got["sources"])
    expect(
        sources or not want,
        "no source: the customer cannot check the answer. Cite the ids of the "
        "pages "
        "that the model has read.",
    )
    expect_equal(
        sources,
        want,
        'the "sources"',
        mistakes={
            "you cite every hit; cite only what stood in the prompt.": [
                hit["id"] for hit in hits
            ],
            "the sources are texts; cite the pages' ids.": [
                hit["text"] for hit in hits[:n]
            ],
        },
    )


with check("a4.answer"):
    returns = {"id": "h01", "text": "Return within 38 days.", "score": 0.7}
    prices = {"id": "h22", "text": "Claim within 11 days.", "score": 0.5}
    expect_answers([returns, prices], 0.6, 1)
    expect_answers([returns, prices], 0.4, 2)
    expect_abstains(
        [returns, prices], 0.8, "the best score 0.7 is below tau 0.8"
    )
    expect_abstains([], 0.1, "nothing was found")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    expect_answers([returns, prices], 0.7, 1)  # just reaches tau
    expect_abstains([], -1.0, "nothing was found")
    for _ in range(12):
        count = int(rng.integers(1, 6))
        scores = sorted(np.round(rng.uniform(-0.2, 0.9, count), 3).tolist())[
            ::-1
        ]
        hits = [
            {
                "id": f"p{rng.integers(1000)}-{i}",
                "text": f"Fact {rng.integers(10**9)} {{of}} {i}.",
                "score": score,
            }
            for i, score in enumerate(scores)
        ]
        ask = f"What is {{fact}} {rng.integers(10**6)}?"
        n = int(rng.integers(1, 5))
        reply = f"It is {rng.integers(10**6)}."
        expect_answers(hits, scores[0] - 0.05, n, reply, ask)
        above = scores[0] + 0.05
        expect_abstains(hits, above, f"{scores[0]} is below tau {above}", n=n)
    result, _ = trial([returns, prices], 0.6)
    expect_equal(
        list(result["sources"]), ["h01"], "the sources when n is not given"
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="answer"
# Sketch: call `retrieve` once and keep the list. If it is empty or the first score is below
# `tau`, return the abstention at once; `lm` comes after that line. Otherwise take the first
# `n` hits, join their texts, fill in `PROMPT`, call `lm`, and return its text with the ids.

# %% [markdown] hint="answer"
# ```python
# hits = retrieve(question)
# if not hits or ...:
#     return {"text": SORRY, "sources": ..., "abstained": ...}
# used = hits[...]
# pages = "\n".join(...)
# text = lm(PROMPT.format(pages=..., question=...))
# return {"text": text, "sources": [...], "abstained": False}
# ```


# %% right="answer"
def answer(question, retrieve, lm, tau, n=1):
    used = []
    best = None
    for hit in retrieve(question):
        if best is None:
            best = hit["score"]
        if len(used) < n:
            used.append(hit)
    if best is None or not best >= tau:
        return dict(text=SORRY, sources=(), abstained=True)
    prompt = PROMPT.replace("{pages}", "\n".join(h["text"] for h in used), 1)
    prompt = prompt[: prompt.rindex("{question}")] + question
    ids = tuple(h["id"] for h in used)
    return dict(text=lm(prompt).strip(), sources=ids, abstained=False)


# %% right="answer"
def answer(question, retrieve, lm, tau, n=1):
    result = {"text": SORRY, "sources": [], "abstained": True}
    hits = retrieve(question)[:n]
    if hits and max(hit["score"] for hit in hits) >= tau:
        texts = [hit["text"] for hit in hits]
        prompt = "Pages:\n" + "\n".join(texts) + "\n\n" + question
        result["text"] = lm(prompt)
        result["sources"] += [hit["id"] for hit in hits]
        result["abstained"] = False
        result["scores"] = [hit["score"] for hit in hits]
    return result


# %% wrong="answer" says="the model was asked although"
def answer(question, retrieve, lm, tau, n=1):
    hits = retrieve(question)
    used = hits[:n]
    pages = "\n".join(hit["text"] for hit in used)
    text = lm(PROMPT.format(pages=pages, question=question))
    return {
        "text": text,
        "sources": [h["id"] for h in used],
        "abstained": False,
    }


# %% wrong="answer" says="before you call lm"
def answer(question, retrieve, lm, tau, n=1):
    used = retrieve(question)[:n]
    pages = "\n".join(hit["text"] for hit in used)
    text = lm(PROMPT.format(pages=pages, question=question))
    if not used or used[0]["score"] < tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    return {
        "text": text,
        "sources": [h["id"] for h in used],
        "abstained": False,
    }


# %% wrong="answer" says="no source"
def answer(question, retrieve, lm, tau, n=1):
    hits = retrieve(question)
    if not hits or hits[0]["score"] < tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    pages = "\n".join(hit["text"] for hit in hits[:n])
    text = lm(PROMPT.format(pages=pages, question=question))
    return {"text": text, "sources": [], "abstained": False}


# %% wrong="answer" says="cite only what stood in the prompt"
def answer(question, retrieve, lm, tau, n=1):
    hits = retrieve(question)
    if not hits or hits[0]["score"] < tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    pages = "\n".join(hit["text"] for hit in hits[:n])
    text = lm(PROMPT.format(pages=pages, question=question))
    return {
        "text": text,
        "sources": [h["id"] for h in hits],
        "abstained": False,
    }


# %% wrong="answer" says="the prompt lacks the text"
def answer(question, retrieve, lm, tau, n=1):
    hits = retrieve(question)
    if not hits or hits[0]["score"] < tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    return {
        "text": lm(question),
        "sources": [h["id"] for h in hits[:n]],
        "abstained": False,
    }


# %% wrong="answer" says="does not contain the question"
def answer(question, retrieve, lm, tau, n=1):
    hits = retrieve(question)
    if not hits or hits[0]["score"] < tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    return {
        "text": lm("\n".join(hit["text"] for hit in hits[:n])),
        "sources": [h["id"] for h in hits[:n]],
        "abstained": False,
    }


# %% wrong="answer" says="hits[0] although nothing was found"
def answer(question, retrieve, lm, tau, n=1):
    hits = retrieve(question)
    if hits[0]["score"] < tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    used = hits[:n]
    pages = "\n".join(hit["text"] for hit in used)
    text = lm(PROMPT.format(pages=pages, question=question))
    return {
        "text": text,
        "sources": [h["id"] for h in used],
        "abstained": False,
    }


# %% wrong="answer" says="abstain only below tau"
def answer(question, retrieve, lm, tau, n=1):
    hits = retrieve(question)
    if not hits or hits[0]["score"] <= tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    used = hits[:n]
    pages = "\n".join(hit["text"] for hit in used)
    text = lm(PROMPT.format(pages=pages, question=question))
    return {
        "text": text,
        "sources": [h["id"] for h in used],
        "abstained": False,
    }


# %% wrong="answer" says="reads only the best"
def answer(question, retrieve, lm, tau, n=1):
    hits = retrieve(question)
    if not hits or hits[0]["score"] < tau:
        return {"text": SORRY, "sources": [], "abstained": True}
    pages = "\n".join(hit["text"] for hit in hits)
    text = lm(PROMPT.format(pages=pages, question=question))
    return {
        "text": text,
        "sources": [h["id"] for h in hits[:n]],
        "abstained": False,
    }


# %% [markdown]
# Your assistant, live. Its parts are all yours but the two models.

# %% demo
import time

from course.llm import load_local, user

chat = load_local()


def lm(prompt):
    return chat.chat([user(prompt)], max_tokens=24, stop=["\n"]).text


def retrieve(question):
    cosines = page_vectors @ embed([question])[0]
    best = np.argsort(-cosines, kind="stable")[:3]
    return [
        {
            "id": book.pages[i].id,
            "text": book.pages[i].full,
            "score": float(cosines[i]),
        }
        for i in best
    ]


for question in (
    "What is the price of SP-380?",
    "What does it cost to have someone come and hang up my lamp?",
    "What is the boiling point of ethanol at sea level?",
    "What does the code E-99 on my bridge mean?",
):
    print(question)
    print("   without a page:", lm(question))
    print("   your assistant:", answer(question, retrieve, lm, tau), "\n")

# %% [markdown]
# Read the last one twice. It is fluent, it has a source, and it is wrong.
#
# Now the measurement, on every third paraphrase (14) and every second code question (13). The
# model answers four times: with no page, with the right page, with the first page of
# MiniLM, and with its first three. An answer counts if it **states the fact**: the string
# `26.40 euro` or another way to write it occurs in it. This takes one to three minutes.

# %% demo
sample = book.of_kind("paraphrase")[::3] + book.of_kind("code")[::2]
said, started = {}, time.perf_counter()


def ask(question, page_ids):
    """Return the model's text; the same prompt is asked only once."""
    pages = "\n".join(book.pages[book.index[i]].full for i in page_ids)
    text = (
        PROMPT.format(pages=pages, question=question) if page_ids else question
    )
    if text not in said:
        said[text] = lm(text)
    return said[text]


kinds = np.array([q.kind for q in sample])
top = [[hit["id"] for hit in retrieve(q.text)] for q in sample]
conditions = {
    "no page": [[] for q in sample],
    "right page": [[q.page] for q in sample],
    "first page": [ids[:1] for ids in top],
    "first three": top,
}
right = {
    name: np.array(
        [
            states(ask(q.text, ids), q.answers)
            for q, ids in zip(sample, given, strict=True)
        ]
    )
    for name, given in conditions.items()
}
seconds = time.perf_counter() - started
print(
    f"{len(said)} answers in {seconds:.0f} s ({seconds / len(said):.1f} s each)"
)

fig, axes = figure(1, 2, width=9, height=3.6)
for j, kind in enumerate(KINDS):
    x = np.arange(4) + (j - 0.5) * 0.38
    rows = [right[name][kinds == kind] for name in conditions]
    axes[0].bar(
        x, [r.mean() for r in rows], 0.36, color=(BLUE, SKY)[j], label=kind
    )
    for at, r in zip(x, rows, strict=True):
        axes[0].plot([at, at], interval(r), color="black", lw=1.2)
axes[0].set(
    ylabel="answers that state the fact (part)",
    xlabel="what the model was given",
    ylim=(0, 1.05),
    xticks=range(4),
)
axes[0].set_xticklabels(conditions, fontsize=9)
for ax in axes:
    ax.set_axisbelow(True)
axes[0].text(0, 0.02, "0", ha="center", fontsize=9)
axes[0].legend(frameon=False)

hit = np.array([ids[0] == q.page for q, ids in zip(sample, top, strict=True)])
blame = {
    "fact stated": right["first page"],
    "right page, fact not stated": hit & ~right["first page"],
    "wrong page": ~hit & ~right["first page"],
}
left = np.zeros(2)
for (label, rows), color in zip(
    blame.items(), (GREEN, ORANGE, RED), strict=True
):
    counts = np.array([rows[kinds == kind].sum() for kind in KINDS])
    axes[1].barh(KINDS, counts, left=left, color=color, label=label)
    left += counts
axes[1].set(
    xlabel="questions, answered from the first page",
    ylabel="kind",
    xlim=(0, 15),
)
axes[1].legend(
    frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1)
)
show(
    fig,
    "part of the answers that state the fact, paraphrase / code: "
    + "; ".join(
        name + " / ".join(f" {r[kinds == k].mean():.2f}" for k in KINDS)
        for name, r in right.items()
    )
    + ". With the first page, paraphrases: "
    + ", ".join(
        f"{k} {v[kinds == 'paraphrase'].sum()}" for k, v in blame.items()
    )
    + ".",
)
shown = 0
for q in sample:
    text = ask(q.text, [q.page])
    if q.kind == "paraphrase" and not states(text, q.answers) and shown < 4:
        shown += 1
        print(
            f"{q.text}\n   with the right page: {text!r}; the page says "
            f"{q.answers[0]}"
        )

# %% [markdown]
# Without a page: nothing, as it must be with invented facts. With a page, code questions
# come out right most of the time, and **the same model, with the right page before it,
# fails on most paraphrases**. Look at what it writes there: it does not connect *freight* in
# the page with *shipping* in the question. MiniLM, at a sixth of the size, does. Finding the
# page and reading it are two different skills, and only the figure on the right tells which
# of them is missing. Orange is the reader's fault: a larger chat model is the cure, and
# `CROSSROADS_CHAT_MODEL` or a server brings one in without a change to your code. Red is the
# retriever's fault: no chat model in the world can mend that.
#
# More pages did not help either: with three, the model has more numbers to confuse. (27
# questions are a hint, not a proof: look at the intervals.)
#
# ## 10 · The same on real questions
#
# Our handbook is small, we wrote both sides of it, and we reworded pages and questions after
# the first measurements, which helped the embedder (its share among the first three rose by
# about seven points). Numbers on such data flatter. So do it again on SQuAD 2.0: 1,204
# paragraphs of Wikipedia and questions that people wrote about them, half of them without
# an answer in the paragraph. Take 200 of each sort. Some paragraphs are longer than MiniLM
# reads: your `chunks` cut them, and a paragraph scores as its best piece.
#
# The first run embeds everything, which takes one to two minutes, and keeps the vectors.

# %% demo
from course.datasets import load_squad
from course.vectors import kept_vectors

passages, squad = load_squad()
rng = np.random.default_rng(0)
sorts = [
    [q for q in squad if q.is_impossible is impossible]
    for impossible in (False, True)
]
real, trick = (
    [s[i] for i in rng.choice(len(s), 200, replace=False)] for s in sorts
)

pieces, owner = [], []
for i, passage in enumerate(passages):
    parts = passage.split()
    for a, b in chunks(parts, 180, 40):
        pieces.append(" ".join(parts[a:b]))
        owner.append(i)
cut = len(
    set(owner[j] for j in range(1, len(owner)) if owner[j] == owner[j - 1])
)
print(f"{len(passages)} passages, {cut} of them cut: {len(pieces)} pieces")
started = time.perf_counter()
piece_vectors = kept_vectors("a4-squad", pieces, embed)
print(f"vectors there after {time.perf_counter() - started:.0f} s")


def best_pieces(questions):
    """Return each passage's best cosine, (n questions, 1204)."""
    out = np.full((len(questions), len(passages)), -1.0)
    cosines = embed([q.question for q in questions]) @ piece_vectors.T
    np.maximum.at(out.T, np.array(owner), cosines.T)
    return out


started = time.perf_counter()
squad_dense, trick_dense = best_pieces(real), best_pieces(trick)
passage_words = [words(p) for p in passages]
squad_bm = np.array([bm25(words(q.question), passage_words) for q in real])
squad_fused = np.array(
    [fuse([b, d]) for b, d in zip(squad_bm, squad_dense, strict=True)]
)
print(f"ranked in {time.perf_counter() - started:.0f} s\n")

squad_gold = [q.passage for q in real]
squad_found = {}
print(f"{'SQuAD':10}{'recall@1':>10}{'95 %':>13}{'recall@3':>10}{'MRR':>7}")
for name, matrix in (
    ("BM25", squad_bm),
    ("MiniLM", squad_dense),
    ("fusion", squad_fused),
):
    r = ranks_of(matrix, squad_gold)
    (one, mrr), (three, _) = recall_mrr(r, 1), recall_mrr(r, 3)
    low, high = interval(r == 1)
    squad_found[name] = one
    print(f"{name:10}{one:10.3f}{low:8.2f}–{high:.2f}{three:10.3f}{mrr:7.3f}")

# %% [markdown]
# Here **the old method wins**. The people who wrote SQuAD's questions had the paragraph before
# their eyes and used its words. Our paraphrases were written to avoid them. Neither set is
# *the* truth about search; each is the truth about how it was made. What do *your* customers
# do? Look at their questions before you choose.
#
# And the gate, on 200 answerable questions and 200 that look answerable but are not:

# %% demo
best_real, best_trick = squad_dense.max(axis=1), trick_dense.max(axis=1)
s = np.ravel(np.column_stack([best_real, best_trick]))  # alternating
k = np.tile([True, False], 200)
dev_rows = np.arange(400) < 200
squad_tau, squad_f1 = gate(
    (s[dev_rows], k[dev_rows]), (s[~dev_rows], k[~dev_rows])
)
always = 2 * 0.5 / (0.5 + 1)
wins = (best_real[:, None] > best_trick).mean() + 0.5 * (
    best_real[:, None] == best_trick
).mean()
fig, ax = figure(width=7.5, height=3.2)
bins = np.arange(0.1, 1.0, 0.05)
ax.hist(best_real, bins, color=BLUE, alpha=0.6, label="answerable (200)")
ax.hist(
    best_trick,
    bins,
    color=ORANGE,
    histtype="step",
    lw=2,
    label="unanswerable (200)",
)
ax.axvline(
    squad_tau, color="black", ls="--", lw=1.5, label=f"tau = {squad_tau:.2f}"
)
ax.set(
    xlabel="similarity of the best passage (cosine)",
    ylabel="number of questions",
)
ax.legend(frameon=False, fontsize=8)
show(
    fig,
    f"the two histograms lie on each other: an answerable question has the "
    f"higher "
    f"similarity in {wins:.0%} of pairs (50 % is chance). F1 on test "
    f"{squad_f1:.2f}; "
    f"always abstaining gives {always:.2f}.",
)

# %% [markdown]
# SQuAD's unanswerable questions were written to look answerable, and the gate is close to
# useless: no threshold helps when the two histograms lie on each other. It is a filter for
# what is off topic, no judge of answers. Whether a passage *supports* an answer has to be
# checked by reading it. Lesson A7 comes back to this.
#
# ## What this tells you about the job
#
# What you just did is what an AI engineer does when a company says "let the bot read our
# documents". The model is rented, the embedder is downloaded, BM25 is in every search engine.
# What is yours: the cutting, the choice of retriever, the gate, the sources, and above all
# **the 80 questions**. Without them every choice of today would have been a matter of taste,
# and most blog posts would have told you to fuse.
#
# Half of the work was looking at failures and deciding whose they are. Some people find this
# tedious, and some cannot stop. Which are you? The other half of the day, M4, also ranks
# things with vectors; there they are not downloaded but learned, from what people liked.
#
# ## Further reading
#
# - S. Robertson, H. Zaragoza: *The Probabilistic Relevance Framework: BM25 and Beyond*,
#   Foundations and Trends in Information Retrieval 3(4), 2009.
# - G. Cormack, C. Clarke, S. Büttcher: *Reciprocal Rank Fusion Outperforms Condorcet and
#   Individual Rank Learning Methods*, SIGIR 2009.
# - N. Reimers, I. Gurevych: *Sentence-BERT*, EMNLP 2019, arXiv:1908.10084.
# - P. Lewis and others: *Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks*,
#   NeurIPS 2020, arXiv:2005.11401.
# - N. Thakur and others: *BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of
#   Information Retrieval Models*, NeurIPS 2021, arXiv:2104.08663. BM25 is hard to beat.
# - P. Rajpurkar, R. Jia, P. Liang: *Know What You Don't Know: Unanswerable Questions for
#   SQuAD*, ACL 2018, arXiv:1806.03822.
# - C. Manning, P. Raghavan, H. Schütze: *Introduction to Information Retrieval*, Cambridge,
#   2008. Chapters 6, 8 and 11.
#
# ## Would you do this again tomorrow?

# %%
again("a4", 0)
