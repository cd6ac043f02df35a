# ---
# jupyter:
#   crossroads:
#     id: a2
#     track: ai_track
#     title: Is this prompt better?
#     partner: m2
#     assets: [smollm2, minilm]
#     cpu_s: 30
# ---

# %% [markdown]
# # A2 · Is this prompt better?
#
# *Day 2, the AI engineer's half. The other half of the day is M2.*
#
# *Lampa*, the fictional lamp shop, gets a few hundred messages a day. Before a person can
# answer one, somebody has to send it to the right desk: delivery, returns, invoices and so
# on. The language model could do that. Your colleagues have already tried, and each of them
# is certain.
#
# 1. *"Give it examples. The more the better, that is well known."*
# 2. *"I changed the prompt, tried three messages, and now it works."*
# 3. *"Mine gets 58 %, yours 54 %. We take mine."*
#
# By noon you can say which of the three is right. (It is none.) A prompt is not a spell but
# a **hypothesis**: "with this text in front, the model sorts more messages rightly". You
# will write prompts, read labels out of a model in two ways, take away a prejudice of the
# model's, and test the difference between two prompts as one tests a medicine.
#
# {{exercises}}
#
# Reading and watching take another ten to fifteen minutes. Run the cells from the top. No
# check needs the model: its answers to every prompt of this lesson were recorded once, by
# a script that you can run again (`benchmarks/make_logprob_tables.py`).

# %% setup
import math
import re
import zlib

import numpy as np

from course.feedback import (
    check,
    expect,
    expect_close,
    expect_equal,
    expect_prediction,
    expect_raises,
    expect_shape,
    expect_type,
    expect_unchanged,
    fail,
)
from course.hints import hint, parsons
from course.logprobs import SYSTEM, draw_shots, load_tables
from course.progress import again, outcome
from course.tickets import INTENTS, VOICES, load_tickets

tickets, tables = load_tickets(), load_tables()
dev_rows, test_rows = tables.is_dev, ~tables.is_dev
truth = tables.truth


def interval(right):
    """Return Wilson's 95 % interval of the part that is right."""
    n, p, z = len(right), float(np.mean(right)), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    half /= 1 + z * z / n
    return max(0.0, middle - half), min(1.0, middle + half)


# %% [markdown]
# ## 1 · The tickets
#
# 240 messages to the shop, 30 for each of eight **labels**. All were written for this
# course. Each label has six *situations* (a parcel that is late, a tracking page that
# hangs), and each situation is told in five voices: polite, short, with typing errors,
# upset, and indirect, where the customer does not say what he wants at all.
#
# The messages are split three ways. From **train** come the examples that stand in prompts.
# On **dev** you try things out, as often as you like. **Test** is opened once, at the end.
# The split goes by situation, not by message: had one "my parcel is late" gone to train and
# its rewording to test, then remembering would look like understanding.

# %%
print("the labels:", ", ".join(INTENTS), "\n")
for ticket in tickets.all[5:10] + tickets.all[95:100:2]:
    print(f"{ticket.intent:9} {ticket.split:6} {ticket.voice:9} {ticket.text}")
for split in ("train", "dev", "test"):
    print(f"{split}: {len(tickets.of_split(split))} tickets", end="   ")

# %% [markdown]
# ## 2 · A prompt with examples
#
# A chat model reads turns. To show it what we want we can play a few turns for it: the user
# says a message, and the assistant (played by us) answers with the label. This is called
# **few-shot prompting**, and each played pair is a *shot*. Zero-shot means: instruction only.
#
# Three steps make such a conversation.
#
# 1. **Instruct.** A system message says what to do and names the labels.
# 2. **Show.** For each shot two turns: the user's with the text, the assistant's with
#    `Topic: ` and the label. The form is always the same, since the model copies the form
#    first of all.
# 3. **Ask.** The user's turn with the new message. It comes last.
#
# And one thing must never happen: that the message we ask about stands among the shots. Then
# the answer is in the prompt, the model copies it, and your measurement is worth nothing.
# With examples that are picked by a program this happens more often than one thinks.
#
# ### Exercise: `build_prompt`
#
# - **In:** `system`, the instruction; `shots`, a list of pairs `(text, label)`, perhaps
#   empty; `text`, the message to sort.
# - **Out:** a list of messages, dicts with `"role"` and `"content"`: one system message, two
#   turns per shot, and the question.
# - **Refuse** with a `ValueError` if `text` is the text of one of the shots. Capital letters
#   and spaces at both ends make no difference: `"Where is it? "` is `"where is it?"`.
#
# For instance, `build_prompt("Sort.", [("It is late", "delivery")], "Cracked!")` is
#
# ```python
# [{"role": "system", "content": "Sort."},
#  {"role": "user", "content": "It is late"},
#  {"role": "assistant", "content": "Topic: delivery"},
#  {"role": "user", "content": "Cracked!"}]
# ```


# %% exercise="build_prompt" points=2 minutes=7 difficulty=1
def build_prompt(system, shots, text):
    """Return the messages: the instruction, the shots, the question."""
    # 1. instruct   2. show: two turns per shot   3. ask
    ### BEGIN SOLUTION
    msgs = [{"role": "system", "content": system}]
    for shown, label in shots:
        if shown.strip().casefold() == text.strip().casefold():
            raise ValueError(f"the message {text!r} is among the shots")
        msgs.append({"role": "user", "content": shown})
        msgs.append({"role": "assistant", "content": f"Topic: {label}"})
    return [*msgs, {"role": "user", "content": text}]
    ### END SOLUTION
    return [{"role": "user", "content": text}]  # replace this line


# %% check="build_prompt"
def expect_conversation(system, shots, text):
    """Judge one conversation, and say what differs."""
    before = [tuple(shot) for shot in shots]
    got = build_prompt(system, shots, text)
    expect_type(got, list, "build_prompt(...)")
    expect_unchanged(shots, before, "shots")
    want = [("system", system)]
    for shown, label in before:
        want += [("user", shown), ("assistant", "Topic: " + label)]
    want.append(("user", text))
    for i, m in enumerate(got):
        if not (isinstance(m, dict) and set(m) == {"role", "content"}):
            fail(
                f"message {i} is {m!r}; it must be a dict with 'role' and "
                "'content' and nothing else."
            )
    pairs = [(m["role"], m["content"]) for m in got]
    if pairs == want:
        return
    roles = [role for role, _ in pairs]
    everything = " ".join(str(content) for _, content in pairs)
    if not roles or pairs[0] != want[0]:
        fail(
            "the first message must be the instruction, with the role system: "
            "without it nobody tells the model which labels there are."
        )
    texts = [s for s, _ in before] + [text]
    if any(c not in texts and sum(s in c for s in texts) > 1 for _, c in pairs):
        fail(
            "several messages stand in one turn. Then the model sees one long "
            "question, not a conversation to go on with. Each shot is a "
            "user's turn and an assistant's turn."
        )
    if not all(s in everything for s, _ in before):
        fail(f"not all of the {len(before)} shots are in the conversation.")
    if before and "assistant" not in roles:
        fail(
            "no turn has the role assistant. The label of a shot is what the "
            "assistant said: only so the model learns which part is its own."
        )
    bare = [(r, c.removeprefix("Topic: ")) for r, c in want]
    if pairs == bare:
        fail(
            "the assistant's turns must be 'Topic: ' and the label. The model "
            "copies this form, and the scores below are read behind 'Topic:'."
        )
    if pairs[-1] != want[-1]:
        fail(
            "the question must come last: the model answers what stands at "
            "the end."
        )
    at = next(
        (i for i, (g, w) in enumerate(zip(pairs, want)) if g != w),
        min(len(pairs), len(want)),
    )
    fail(
        f"the conversation has {len(pairs)} messages and differs from what is "
        f"wanted ({len(want)} messages) first at number {at}: "
        f"{pairs[at : at + 1]} in place of {want[at : at + 1]}."
    )


def expect_refusal(shots, text):
    """A ValueError if the text is among the shots."""
    expect_raises(
        ValueError,
        lambda: build_prompt("Sort.", shots, text),
        f"the message {text!r} stands among the shots {shots!r}, and with it "
        "its answer: the model would only copy it. Raise a ValueError.",
    )


with check("a2.build_prompt"):
    late, cracked = ("It is late", "delivery"), ("Shade is cracked", "broken")
    expect_conversation("Sort.", [], "Where is it?")
    expect_conversation("Sort.", [late], "Cracked!")
    expect_conversation("Sort.", [late, cracked], "Do you take cards?")
    expect_refusal([late, cracked], "It is late")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    expect_refusal([late, cracked], "  shade is CRACKED\n")
    expect_conversation("Sort.", [late], "It is late again")
    expect_conversation("Sort.", [late], "late")
    pool = tickets.of_split("train")
    for n in (1, 3, 8):
        picks = [pool[i] for i in rng.choice(80, n + 1, replace=False)]
        shots = [(t.text, t.intent) for t in picks[1:]]
        expect_conversation(SYSTEM, shots, picks[0].text)
        expect_refusal(shots, picks[-1].text)
    ### END HIDDEN TESTS

# %% [markdown] hint="build_prompt"
# Sketch: begin a list with the system message. Loop over the shots: compare the shot's text
# with the question (both through `.strip().casefold()`), refuse if they are equal, otherwise
# append two dicts. After the loop append the question.

# %% [markdown] hint="build_prompt"
# ```python
# msgs = [{"role": "system", "content": ...}]
# for shown, label in shots:
#     if ... == ...:                       # stripped, casefolded
#         raise ValueError(...)
#     msgs.append({"role": ..., "content": shown})
#     msgs.append({"role": ..., "content": ...})
# return [*msgs, ...]
# ```


# %% right="build_prompt"
def build_prompt(system, shots, text):
    def turn(role, content):
        return dict(role=role, content=content)

    asked = text.strip().lower()
    if asked in {shown.strip().lower() for shown, _ in shots}:
        raise ValueError("the answer is in the prompt")
    played = [
        turn(role, content)
        for shown, label in shots
        for role, content in (("user", shown), ("assistant", "Topic: " + label))
    ]
    return [turn("system", system)] + played + [turn("user", text)]


# %% wrong="build_prompt" says="among the shots; only copy"
def build_prompt(system, shots, text):
    msgs = [{"role": "system", "content": system}]
    for shown, label in shots:
        msgs.append({"role": "user", "content": shown})
        msgs.append({"role": "assistant", "content": f"Topic: {label}"})
    return [*msgs, {"role": "user", "content": text}]


# %% wrong="build_prompt" says="in one turn"
def build_prompt(system, shots, text):
    if text in [shown for shown, _ in shots]:
        raise ValueError(text)
    shown = "\n".join(f"{t}\nTopic: {label}" for t, label in shots)
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": shown + "\n" + text if shots else text},
    ]


# %% wrong="build_prompt" says="among the shots"
def build_prompt(system, shots, text):
    # leaves it out silently, and compares letter by letter
    msgs = [{"role": "system", "content": system}]
    for shown, label in shots:
        if shown == text:
            continue
        msgs.append({"role": "user", "content": shown})
        msgs.append({"role": "assistant", "content": f"Topic: {label}"})
    return [*msgs, {"role": "user", "content": text}]


# %% wrong="build_prompt" says="among the shots; CRACKED"
def build_prompt(system, shots, text):
    msgs = [{"role": "system", "content": system}]
    for shown, label in shots:
        if shown == text:
            raise ValueError(text)
        msgs.append({"role": "user", "content": shown})
        msgs.append({"role": "assistant", "content": f"Topic: {label}"})
    return [*msgs, {"role": "user", "content": text}]


# %% wrong="build_prompt" says="must be 'Topic: ' and the label"
def build_prompt(system, shots, text):
    msgs = [{"role": "system", "content": system}]
    for shown, label in shots:
        if shown.strip().casefold() == text.strip().casefold():
            raise ValueError(text)
        msgs.append({"role": "user", "content": shown})
        msgs.append({"role": "assistant", "content": label})
    return [*msgs, {"role": "user", "content": text}]


# %% wrong="build_prompt" says="question must come last"
def build_prompt(system, shots, text):
    msgs = [{"role": "system", "content": system}]
    msgs.append({"role": "user", "content": text})
    for shown, label in shots:
        if shown.strip().casefold() == text.strip().casefold():
            raise ValueError(text)
        msgs.append({"role": "user", "content": shown})
        msgs.append({"role": "assistant", "content": f"Topic: {label}"})
    return msgs


# %% wrong="build_prompt" says="first message must be the instruction"
def build_prompt(system, shots, text):
    msgs = []
    for shown, label in shots:
        if shown.strip().casefold() == text.strip().casefold():
            raise ValueError(text)
        msgs.append({"role": "user", "content": shown})
        msgs.append({"role": "assistant", "content": f"Topic: {label}"})
    return [*msgs, {"role": "user", "content": text}]


# %% [markdown]
# ## 3 · Let it write, and read the answer
#
# The most natural way to ask: let the model write, and look for the label in what it wrote.
# Try it, with no shot and with eight (one for each label).

# %% demo
from course.llm import load_local

lm = load_local()
for ticket in tickets.of_split("dev")[3:60:18]:
    print(f"{ticket.text}  [{ticket.intent}]")
    for n_shots in (0, 1):
        msgs = build_prompt(
            SYSTEM, draw_shots(tickets, n_shots, 0), ticket.text
        )
        said = lm.chat(msgs, max_tokens=12, stop=["\n"]).text
        print(f"   {8 * n_shots} shots: {said!r}")

# %% [markdown]
# A program has to decide which of these is an answer. The tempting way is
# `if "return" in text`. It finds `return` in *I cannot return this* as well. Nearly as bad
# is to take the first label when nothing fits: then the `delivery` desk gets all the
# rubbish, and your table says that the model likes `delivery`.
#
# So be strict: an answer that is not a label is **no answer**, and is counted as such.
#
# ### Exercise: `parse_label`
#
# - **In:** `text`, what the model wrote; `labels`, a list of strings in small letters.
# - **Out:** a label, or `None`.
#
# 1. **Line.** Take the first line that is not empty.
# 2. **Strip.** In small letters, take away `Topic:` in front if it is there, and then spaces
#    and any of ``.,;:!?'"*` `` at both ends.
# 3. **Compare.** What is left must be one of the labels, from its first letter to its last.
#
# | `text` | with the labels `delivery`, `return`, `cancel` |
# |---|---|
# | `Topic: Return.` | `"return"` |
# | `**cancel**` | `"cancel"` |
# | `I cannot return this` | `None` |
# | `return or cancel` | `None` |
# | `no idea` | `None` |


# %% exercise="parse_label" points=2 minutes=8 difficulty=2
def parse_label(text, labels):
    """Return the label that the text is, or None if it is none."""
    # 1. line   2. strip   3. compare
    ### BEGIN SOLUTION
    lines = text.strip().splitlines() or [""]
    answer = lines[0].strip().lower().removeprefix("topic:")
    answer = answer.strip(" .,;:!?'\"*`")
    return answer if answer in labels else None
    ### END SOLUTION
    return labels[0]  # replace this line


# %% check="parse_label"
LABELS = ["delivery", "return", "cancel", "order status"]
INSIDE = (
    "a label inside a sentence is not an answer: 'cannot return' is not the "
    "label 'return'. Compare the whole text."
)
CASES = [
    ("return", "return", "it is a label as it stands."),
    ("Topic: return", "return", "take away 'Topic:' in front."),
    (" Cancel", "cancel", "capital letters and spaces do not count."),
    ("Topic: Return.", "return", "the full stop at the end does not count."),
    ("**cancel**", "cancel", "asterisks around the label do not count."),
    ("I cannot return this", None, INSIDE),
    ("return or cancel", None, "two labels are no answer: which one?"),
    ("no idea", None, "there is no label in it."),
]


def expect_parsed(cases, labels):
    """Judge each text; a default label is named as such."""
    for text, want, why in cases:
        name = f"parse_label({text!r}, {labels!r})"
        got = parse_label(text, list(labels))
        if got == want:
            continue
        if want is None and got == labels[0] and labels[0] not in text.lower():
            fail(
                f"{name} is {got!r}, the default class: an answer that cannot "
                "be read became a vote for the first label. Return None."
            )
        fail(f"{name} is {got!r}; it must be {want!r}: {why}")


with check("a2.parse_label"):
    expect_parsed(CASES, LABELS)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    later = "only the first line that is not empty is the answer."
    hidden = [
        ("", None, "nothing was written."),
        ("Topic:", None, "there is no label behind 'Topic:'."),
        ("returns", None, "'returns' is longer than the label."),
        ("deliver", None, "'deliver' is shorter than the label."),
        ("order", None, "'order' is only the first word of a label."),
        ("TOPIC: ORDER STATUS!", "order status", "capitals do not count."),
        ("\n\n return \nor so", "return", later),
        ("I am not sure.\nreturn", None, later),
        ('Topic: "cancel"', "cancel", "quotation marks do not count."),
        ("the topic is return", None, INSIDE),
        ("return, cancel", None, "two labels are no answer: which one?"),
        ("not delivery", None, INSIDE),
    ]
    expect_parsed([hidden[i] for i in rng.permutation(len(hidden))], LABELS)
    expect_parsed([("yes", "yes", "it is a label.")], ["no", "yes"])
    expect_parsed([("no idea", None, "nothing fits.")], ["yes", "no"])
    ### END HIDDEN TESTS

# %% [markdown] hint="parse_label"
# Sketch: `text.strip().splitlines()` gives the lines; it is empty for an empty text. Then
# `.lower()`, `.removeprefix("topic:")` and `.strip(...)` with the characters that do not
# count. At the end ask whether the result is `in labels`: that compares whole strings.

# %% [markdown] hint="parse_label"
# ```python
# lines = text.strip().splitlines() or [""]
# answer = lines[0].strip().lower().removeprefix(...)
# answer = answer.strip(" .,;:!?'\"*`")
# return ... if ... else None
# ```


# %% right="parse_label"
def parse_label(text, labels):
    first = next((row for row in text.split("\n") if row.strip()), "")
    found = re.fullmatch(
        r"\s*(?:topic:)?[\s.,;:!?'\"*`]*(.*?)[\s.,;:!?'\"*`]*",
        first,
        flags=re.IGNORECASE,
    )
    answer = found.group(1).lower()
    for label in labels:
        if label == answer:
            return label
    return None


# %% wrong="parse_label" says="'cannot return' is not the label 'return'"
def parse_label(text, labels):
    for label in labels:
        if label in text.lower():
            return label
    return None


# %% wrong="parse_label" says="the default class"
def parse_label(text, labels):
    lines = text.strip().splitlines() or [""]
    answer = lines[0].strip().lower().removeprefix("topic:")
    answer = answer.strip(" .,;:!?'\"*`")
    if any(answer == label for label in labels):
        return answer
    return labels[0] if answer == "no idea" else None


# %% wrong="parse_label" says="capital letters"
def parse_label(text, labels):
    answer = text.strip().removeprefix("Topic:").strip(" .,;:!?'\"*`")
    return answer if answer in labels else None


# %% wrong="parse_label" says="two labels"
def parse_label(text, labels):
    words = re.findall(r"[a-z]+", text.lower().removeprefix("topic:"))
    return words[0] if words and words[0] in labels else None


# %% wrong="parse_label" says="'returns' is longer"
def parse_label(text, labels):
    lines = text.strip().splitlines() or [""]
    answer = lines[0].lower().removeprefix("topic:").strip(" .,;:!?'\"*`")
    for label in labels:
        if answer.startswith(label) and " " not in answer[len(label) :]:
            return label
    return None


# %% wrong="parse_label" says="first line"
def parse_label(text, labels):
    for line in text.splitlines():
        answer = line.strip().lower().removeprefix("topic:")
        answer = answer.strip(" .,;:!?'\"*`")
        if answer in labels:
            return answer
    return None


# %% wrong="parse_label" says="first word of a label"
def parse_label(text, labels):
    lines = text.strip().splitlines() or [""]
    answer = lines[0].strip().lower().removeprefix("topic:")
    answer = answer.strip(" .,;:!?'\"*`")
    for label in labels:
        if answer and label.split()[0] == answer:
            return label
    return answer if answer in labels else None


# %% [markdown]
# Now the same for all 80 tickets of dev, from the recorded answers:

# %%
free = {}
for name in ("0", "8a"):
    said = [t for t, keep in zip(tables.texts(name), dev_rows) if keep]
    parsed = [parse_label(text, list(INTENTS)) for text in said]
    wanted = [INTENTS[k] for k in truth[dev_rows]]
    free[name] = np.array([p == w for p, w in zip(parsed, wanted)])
    valid = sum(p is not None for p in parsed)
    low, high = interval(free[name])
    print(
        f"{name:3} shots: {valid} of 80 answers are a label, {free[name].sum()}"
        f" are the right one ({free[name].mean():.3f}, {low:.2f}–{high:.2f})"
    )
    odd = [text for text, p in zip(said, parsed) if p is None]
    print("    no label:", odd[:4])

# %% [markdown]
# Without examples it never once wrote a label: it answered the customer. With one example per
# label it has learnt the *form*, `Topic: ...`, and half of the answers are labels. But `refund` and
# `cancellation` are not on our list, and of 80 messages only 19 land on the right desk. A stricter
# instruction, a longer list of synonyms, a second try? There is a cleaner way.
#
# ## 4 · Do not let it write: ask how likely each label is
#
# The model is a table of probabilities (lesson A1). So we need not wait for it to *write* a
# label. We put each of the eight labels behind the prompt and ask: **how likely would it have
# been to write this?** Then the most likely one is the answer, and it is always a label.
#
# A label can be several tokens: " order", " status". With tokens $w_1 \dots w_m$ behind the
# prompt $x$ the chain rule says
#
# $$\log P(w_1 \dots w_m \mid x) = \sum_{i=1}^{m} \log P(w_i \mid x, w_1 \dots w_{i-1}) .$$
#
# **A worked example.** Behind "Topic:" let P(" order") = 0.5. Behind " order" let P(" status")
# = 0.2 and P(" change") = 0.1. And let P(" return") = 0.15. Then `order status` has
# probability $0.5 \cdot 0.2 = 0.10$, `order change` 0.05 and `return` 0.15: the winner is
# `return`. Whoever looks at the first token only finds 0.5 twice: a tie, and the wrong one.
#
# The space belongs to the word (A1 again). Our prompt ends in `Topic:`, so the continuation is
# `" return"`, with its space, and never `"return"`.
#
# ### Exercise: `label_scores`
#
# - **In:** `logp`, a function: `logp(prompt, continuation)` returns the list of the
#   log-probabilities of the continuation's tokens; `prompt`, a string that ends in `Topic:`;
#   `labels`, a list of $K$ strings without a space in front.
# - **Out:** shape `(K,)`: the log-probability of each label, all its tokens together.


# %% exercise="label_scores" points=2 minutes=7 difficulty=2
def label_scores(logp, prompt, labels):
    """Return log P(label | prompt) for each of the K labels, shape (K,)."""
    # 1. continue: the label behind the prompt, with its space
    # 2. add up: over all the tokens
    ### BEGIN SOLUTION
    return np.array([sum(logp(prompt, f" {label}")) for label in labels])
    ### END SOLUTION
    return np.zeros(len(labels))  # replace this line


# %% check="label_scores"
def toy_logp(prompt, continuation):
    """A toy model: words are tokens, with the space in front of them."""
    logs, seen = [], prompt
    for token in re.findall(r"\s?[^\s]+|\s", continuation):
        seen += token
        logs.append(-0.1 - zlib.crc32(seen.encode()) % 4001 / 1000)
    return logs


def worked_logp(prompt, continuation):
    """The worked example; without the space nothing is likely."""
    known = {
        " order status": [0.5, 0.2],
        " order change": [0.5, 0.1],
        " return": [0.15],
    }
    p = known.get(continuation, [0.001] * len(continuation.split()))
    return [math.log(it) for it in p]


def expect_scores(logp, prompt, labels):
    """Judge one prompt against a loop over tokens."""
    want, first, mean, bare, added = [], [], [], [], []
    for label in labels:
        logs, total = logp(prompt, " " + label), 0.0
        for it in logs:
            total += it
        want.append(total)
        first.append(logs[0])
        mean.append(total / len(logs))
        bare.append(math.fsum(logp(prompt, label)))
        added.append(math.log(sum(math.exp(it) for it in logs)))
    before = list(labels)
    got = label_scores(logp, prompt, labels)
    expect_unchanged(labels, before, "labels")
    expect_shape(got, (len(labels),), "label_scores(...)")
    expect_close(
        got,
        want,
        f"label_scores(logp, {prompt!r}, {labels!r})",
        mistakes={
            "you score the first token only: 'order status' and 'order change' "
            "tie, since both begin with ' order'. Add up the log-probabilities "
            "of all the tokens.": first,
            "you drop the leading space: behind 'Topic:' the model expects "
            "' return', and 'return' is another token. Score ' ' + label.": (
                bare
            ),
            "you take the mean over the tokens. The probability of several "
            "tokens is their product, so the logs are added; a mean favours "
            "long labels.": mean,
            "you add probabilities. The tokens come one after the other: "
            "probabilities are multiplied, logs are added.": added,
            "these are probabilities; return their logarithms.": np.exp(want),
            "the sign is wrong: log-probabilities are at most 0.": [
                -it for it in want
            ],
        },
    )


with check("a2.label_scores"):
    three = ["order status", "order change", "return"]
    expect_scores(worked_logp, "Topic:", three)
    expect_scores(toy_logp, "It is late. Topic:", three)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    vocabulary = ["order", "lamp", "late", "return", "of", "shade", "card"]
    for _ in range(6):
        n = int(rng.integers(1, 6))
        some = [
            " ".join(str(w) for w in rng.choice(vocabulary, rng.integers(1, 5)))
            for _ in range(n)
        ]
        expect_scores(toy_logp, f"Message {rng.integers(99)}\nTopic:", some)
    ### END HIDDEN TESTS

# %% [markdown] hint="label_scores"
# Sketch: for each label call `logp(prompt, " " + label)`. You get a list with one number per
# token. The score is its sum. Collect the scores in an array.

# %% [markdown] hint="label_scores"
# ```python
# scores = []
# for label in labels:
#     logs = logp(prompt, ...)      # one log-probability per token
#     scores.append(...)
# return np.array(scores)
# ```


# %% right="label_scores"
def label_scores(logp, prompt, labels):
    scores = np.zeros(len(labels))
    for k, label in enumerate(labels):
        for log in logp(prompt, " " + label):
            scores[k] += log
    return scores


# %% wrong="label_scores" says="first token only; tie"
def label_scores(logp, prompt, labels):
    return np.array([logp(prompt, " " + label)[0] for label in labels])


# %% wrong="label_scores" says="drop the leading space"
def label_scores(logp, prompt, labels):
    return np.array([sum(logp(prompt, label)) for label in labels])


# %% wrong="label_scores" says="mean over the tokens"
def label_scores(logp, prompt, labels):
    return np.array([np.mean(logp(prompt, " " + label)) for label in labels])


# %% wrong="label_scores" says="add probabilities"
def label_scores(logp, prompt, labels):
    return np.array(
        [np.log(np.exp(logp(prompt, " " + it)).sum()) for it in labels]
    )


# %% wrong="label_scores" says="return their logarithms"
def label_scores(logp, prompt, labels):
    return np.exp([sum(logp(prompt, " " + it)) for it in labels])


# %% wrong="label_scores" says="has shape"
def label_scores(logp, prompt, labels):
    return max(sum(logp(prompt, " " + it)) for it in labels)


# %% [markdown]
# With the live model: your function, a real `logp`, and the recorded numbers beside them.


# %% demo
def live_logp(prompt, continuation):
    """Return the log-probability of each token of the continuation."""
    ids, more = lm.encode(prompt), lm.encode(continuation)
    logits = lm.logits(ids + more)[len(ids) - 1 : -1].astype(float)
    logits -= logits.max(axis=1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return [float(row[token]) for row, token in zip(logs, more)]


row = 13
ticket = tables.tickets[row]
msgs = build_prompt(SYSTEM, [], ticket.text)
prompt = lm.render(msgs) + "Topic:"
live = label_scores(live_logp, prompt, list(INTENTS))
print(ticket.text, f"[{ticket.intent}]")
for label, now, then in zip(INTENTS, live, tables.scores("0")[row]):
    spaceless = sum(live_logp(prompt, label))
    print(
        f"{label:10} {now:7.2f}   recorded {then:7.2f}   "
        f"without the space {spaceless:7.2f}"
    )
both = ["order status", "order change"]
print("\nfirst token:", [round(live_logp(prompt, " " + b)[0], 2) for b in both])
print("all tokens: ", label_scores(live_logp, prompt, both).round(2))

# %% [markdown]
# ## 5 · The model's prejudice
#
# Eight labels, ten tickets of each on dev. What does the model choose, and what would it say
# about **no message at all**? Three messages without content stand for that: `N/A`, `[MASK]`
# and the empty one. Their probabilities are averaged.


# %% setup
def null_of(name):
    """Return the labels' log-probabilities without a message, shape (8,)."""
    return np.log(np.exp(tables.nulls(name)).mean(axis=0))


def softmax_row(z):
    """Return the probabilities of one row of logs."""
    e = [math.exp(it - max(z)) for it in z]
    return np.array(e) / sum(e)


# %%
for name in ("0", "8a", "16a"):
    chosen = tables.scores(name)[dev_rows].argmax(axis=1)
    blank = softmax_row(null_of(name))
    print(f"{name:>3} shots", *(f"{label:>9}" for label in INTENTS))
    print("  chosen ", *(f"{(chosen == k).sum():9}" for k in range(8)))
    print("  no text", *(f"{p:9.2f}" for p in blank))

# %% [markdown]
# The two rows of each table are alike: what the model says about a message is for the greater
# part what it says about *no* message. It likes some words better than others, and it likes
# what stood in the last shots. That is a prejudice, and it can be measured and taken away.
# This is **contextual calibration** (Zhao and others, 2021):
#
# $$\tilde P(k \mid x) \;=\; \frac{P(k \mid x)\,/\,P(k \mid \text{null})}
#   {\sum_{j=1}^{K} P(j \mid x)\,/\,P(j \mid \text{null})} .$$
#
# In logs the division is a subtraction, $d_k = \log P(k \mid x) - \log P(k \mid \text{null})$,
# and the rest is the softmax of $d$ over the $K$ labels. In other words: not "which label is
# likely?", but "**which label has become more likely by this message?**"
#
# **A worked example.** Two labels. The message gives 0.6 and 0.3, no message gives 0.8 and
# 0.1. The quotients are 0.75 and 3, and their sum is 3.75. So the calibrated probabilities are
# 0.2 and 0.8, and the answer has changed.
#
# ### Exercise: `calibrate`
#
# - **In:** `S`, shape `(N, K)`: log-probabilities of $K$ labels for $N$ messages; `null`,
#   shape `(K,)`: those without a message.
# - **Out:** shape `(N, K)`: probabilities; every **row** adds up to 1.
#
# The logs can be as low as −1000: shift each row before you exponentiate, as in A1.


# %% exercise="calibrate" points=2 minutes=8 difficulty=2
def calibrate(S, null):
    """Return the calibrated probabilities, shape (N, K), of the logs S."""
    # 1. divide: in logs, subtract what is likely without a message
    # 2. shift   3. exponentiate   4. normalise each row
    ### BEGIN SOLUTION
    d = np.asarray(S) - np.asarray(null)
    e = np.exp(d - d.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
    ### END SOLUTION
    return np.zeros(np.shape(S))  # replace this line


# %% check="calibrate"
def expect_calibrated(S, null):
    """Judge one table against a loop over rows."""

    def rows(logs):
        return np.array([softmax_row([float(x) for x in r]) for r in logs])

    S, null = np.asarray(S, float), np.asarray(null, float)
    copies = S.copy(), null.copy()
    with np.errstate(all="ignore"):
        columns = np.exp(S - null)
        columns = np.nan_to_num(columns / columns.sum(axis=0), nan=-1)
    got = calibrate(S, null)
    expect_unchanged(S, copies[0], "S")
    expect_unchanged(null, copies[1], "null")
    expect_shape(got, S.shape, "calibrate(S, null)")
    expect_close(
        got,
        rows(S - null),
        f"calibrate of {len(S)} messages",
        atol=1e-9,
        mistakes={
            "you add the null: that doubles the prejudice. Divide by it; in "
            "logs, subtract.": rows(S + null),
            "the null makes no difference: these are the probabilities before "
            "calibration.": rows(S),
            "you normalise over the N messages: the columns add up to 1. Each "
            "row must: one message has one answer.": columns,
            "these are logs; exponentiate and normalise.": S - null,
            "the rows do not add up to 1: divide each by its sum.": np.exp(
                np.minimum(S - null, 700)
            ),
            "you subtract probabilities from logs. null holds logs already.": (
                rows(S - np.exp(null))
            ),
        },
    )


with check("a2.calibrate"):
    expect_calibrated(np.log([[0.6, 0.3], [0.1, 0.2]]), np.log([0.8, 0.1]))
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, k in [(1, 3), (5, 8), (4, 4), (30, 2)]:
        expect_calibrated(rng.normal(-4, 2, (n, k)), rng.normal(-3, 1, k))
    expect_calibrated(rng.normal(-1500, 3, (3, 4)), rng.normal(-5, 1, 4))
    expect_calibrated(rng.normal(-5, 3, (3, 4)), rng.normal(-1500, 1, 4))
    ### END HIDDEN TESTS

# %% [markdown] hint="calibrate"
# Sketch: `d = S - null` works for all rows at once, since `null` has shape `(K,)`. Then comes
# the softmax of each row: subtract the row's largest value, `np.exp`, divide by the row's sum.
# `axis=1` means "along the row"; `keepdims=True` keeps the shape `(N, 1)`.

# %% [markdown] hint="calibrate"
# ```python
# d = ...                                       # (N, K)
# e = np.exp(d - d.max(axis=..., keepdims=True))
# return e / e.sum(axis=..., keepdims=True)
# ```


# %% right="calibrate"
def calibrate(S, null):
    out = []
    for row in S:
        d = [float(s) - float(n) for s, n in zip(row, null)]
        top = max(d)
        log_sum = top + math.log(sum(math.exp(x - top) for x in d))
        out.append([math.exp(x - log_sum) for x in d])
    return np.array(out)


# %% wrong="calibrate" says="add the null"
def calibrate(S, null):
    d = S + null
    e = np.exp(d - d.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %% wrong="calibrate" says="normalise over the N messages"
def calibrate(S, null):
    e = np.exp(S - null)
    return e / e.sum(axis=0)


# %% wrong="calibrate" says="before calibration"
def calibrate(S, null):
    e = np.exp(S - S.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %% wrong="calibrate" says="these are logs"
def calibrate(S, null):
    return S - null


# %% wrong="calibrate" says="nan"
def calibrate(S, null):
    e = np.exp(S) / np.exp(null)
    return e / e.sum(axis=1, keepdims=True)


# %% wrong="calibrate" says="subtract probabilities from logs"
def calibrate(S, null):
    d = S - np.exp(null)
    e = np.exp(d - d.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %% wrong="calibrate" says="in place"
def calibrate(S, null):
    S -= null
    S -= S.max(axis=1, keepdims=True)
    e = np.exp(S)
    return e / e.sum(axis=1, keepdims=True)


# %% [markdown]
# ## 6 · The ladder
#
# There are eight prompts: no shot; 8 shots (one of each label) in three random draws, called
# `8a`, `8b` and `8c`; 16 shots in three draws; and 32. All the rest is the same.
#
# ### Exercise: your guess
#
# Colleague 1 says: the more examples, the better. Take the **calibrated** scores. From 8 shots (the
# mean of the three draws) to 32, is the share of rightly sorted messages `"higher"`,
# `"about the same"` (within two points) or `"lower"`? And how sure are you, from 0 to 1?

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "higher", 0.7
### END SOLUTION

# %% check="guess"
with check("a2.guess"):
    expect_prediction(
        "a2.guess", guess, confidence, ["higher", "about the same", "lower"]
    )

# %% right="guess"
guess, confidence = "lower", 1

# %% wrong="guess" says="must be one of"
guess, confidence = "better", 0.5

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "lower", 80

# %%
from course.plots import BLUE, GREEN, ORANGE, SKY, figure, show

PROMPT_NAMES = ["0", "8a", "8b", "8c", "16a", "16b", "16c", "32a"]


def verdicts(name, how, rows):
    """Return which of these rows a prompt sorts rightly."""
    S = tables.scores(name)[rows]
    if how == "calibrated":
        S = calibrate(S, null_of(name))
    return S.argmax(axis=1) == truth[rows]


dev = {
    (name, how): verdicts(name, how, dev_rows)
    for name in PROMPT_NAMES
    for how in ("raw", "calibrated")
}
print(f"{'dev, n = 80':14}{'raw':>8}{'95 %':>13}{'calibrated':>14}{'95 %':>13}")
for name in PROMPT_NAMES:
    line = f"{name + ' shots':14}"
    for how in ("raw", "calibrated"):
        low, high = interval(dev[name, how])
        line += f"{dev[name, how].mean():8.3f}{low:10.2f}–{high:.2f}"
    print(line)


def mean_of(shots, how):
    """Return the mean over the draws of a prompt with so many shots."""
    names = [n for n in PROMPT_NAMES if n.rstrip("abc") == str(shots)]
    return float(np.mean([dev[n, how].mean() for n in names]))


change = mean_of(32, "calibrated") - mean_of(8, "calibrated")
real = "about the same" if abs(change) <= 0.02 else "higher"
outcome("a2.guess", "lower" if change < -0.02 else real)

fig, ax = figure(width=8.5, height=3.8)
rungs = ["written 0", "written 8a", *PROMPT_NAMES]
for x, name in enumerate(("0", "8a")):
    low, high = interval(free[name])
    ax.bar(x, free[name].mean(), 0.5, color=SKY)
    ax.plot([x, x], [low, high], color="black", lw=1.2)
for j, how in enumerate(("raw", "calibrated")):
    x = np.arange(2, 10) + (j - 0.5) * 0.4
    bars = [dev[name, how] for name in PROMPT_NAMES]
    color = (ORANGE, BLUE)[j]
    ax.bar(x, [b.mean() for b in bars], 0.38, color=color, label=how)
    for at, b in zip(x, bars):
        ax.plot([at, at], interval(b), color="black", lw=1.2)
ax.axhline(0.125, color="black", ls="--", lw=1, label="chance")
ax.set(
    ylabel="rightly sorted (part of 80 tickets)",
    xlabel="how the label is asked for: written, or scored with so many shots",
    xticks=range(10),
    ylim=(0, 1),
)
ax.set_xticklabels(rungs, fontsize=8)
ax.set_axisbelow(True)
ax.legend(frameon=False, fontsize=8, ncols=3)
show(
    fig,
    "part of the dev tickets that are sorted rightly, raw and calibrated, "
    "means over the draws: "
    + "; ".join(
        f"{n} shots {mean_of(n, 'raw'):.2f} and {mean_of(n, 'calibrated'):.2f}"
        for n in (0, 8, 16, 32)
    )
    + f"; written {free['0'].mean():.2f} with no shot and "
    f"{free['8a'].mean():.2f} with 8. Chance is 0.125.",
)

# %% [markdown]
# Read it slowly, there are four things in it.
#
# - **Do not let it write.** All scored rungs beat the written answer without shots, and no answer
#   is lost.
# - **The draw counts as much as the number.** With 8 shots, raw, three random draws of the same
#   training tickets give 0.36, 0.16 and 0.25. `8b` is below the prompt *without* examples. Whoever
#   tries one set of examples learns next to nothing about "8 shots".
# - **Calibrated, the three draws give the same 0.56.** The difference between them was prejudice.
# - **And then more examples make it worse**: 0.56 with 8 shots, 0.54 with 16, 0.41 with 32. Raw, the
#   line goes up (0.26, 0.39, 0.44), and this is where the advice comes from. The first examples
#   teach the form, and for that eight are enough. The next ones teach this small model mostly what
#   *they* are about, and calibration, which subtracts the same for every message, cannot take that
#   away.
#
# (On other tickets, measured before this lesson was written, with another prompt, even the raw
# scores fell from one shot to two. It depends. That is the point.)
#
# ## 7 · Is the difference real?
#
# The intervals in the figure overlap. Does that mean that the difference is chance? No: that
# would be the wrong test. **Both prompts sorted the same 80 tickets.** A hard ticket is hard for
# both, an easy one easy for both, and neither tells us anything. What counts are the tickets on
# which they disagree.
#
# | | B right | B wrong |
# |---|---|---|
# | **A right** | both right | $n_{10}$ |
# | **A wrong** | $n_{01}$ | both wrong |
#
# If the prompts are equally good, each disagreement is the toss of a fair coin. With
# $n = n_{01} + n_{10}$ and $m = \min(n_{01}, n_{10})$ the probability of a result as uneven as
# this one, or more so, in either direction is
#
# $$p = \min\Bigl(1,\; 2 \sum_{i=0}^{m} \binom{n}{i}\, 2^{-n}\Bigr), \qquad
#   \Delta = \frac{n_{01} - n_{10}}{N} .$$
#
# $\Delta$ is the gain of B over A. This is **McNemar's test** in its exact form. Without a
# single disagreement, $p = 1$.
#
# **A worked example.** Both prompts meet 80 tickets. A sorts 40 rightly, B 48. In one world they
# disagree on 12 tickets, in another on 40:

# %%
rng = np.random.default_rng(0)
for lost, won in ((2, 10), (16, 24)):
    heads = rng.binomial(lost + won, 0.5, size=200_000)
    uneven = np.abs(2 * heads - lost - won) >= won - lost
    print(
        f"B loses {lost} and wins {won}: gain {(won - lost) / 80:+.3f}; a fair "
        f"coin is as uneven in {uneven.mean():.1%} of 200,000 tries"
    )

# %% [markdown]
# The same 40 and 48, the same overlapping intervals, and two different answers. That is why
# one keeps the verdict on **each ticket**, and not only the percentage.
#
# ### Exercise: `mcnemar`
#
# - **In:** `a` and `b`, shape `(N,)`, true or false: which of the same $N$ tickets prompt A and
#   prompt B sorted rightly.
# - **Out:** two numbers, `(delta, p)`.
#
# `math.comb(n, i)` is $\binom{n}{i}$.


# %% exercise="mcnemar" points=3 minutes=9 difficulty=3
def mcnemar(a, b):
    """Return B's gain over A, and the exact two-sided p-value."""
    # 1. disagree: n10 (only A right) and n01 (only B right)
    # 2. toss: the coin's probability of so uneven a result
    # 3. double: in either direction, at most 1
    ### BEGIN SOLUTION
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, m = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(m + 1)) / 2**n
    return (only_b - only_a) / len(a), min(1.0, 2 * tail)
    ### END SOLUTION
    return 0.0, 1.0  # replace this line


# %% check="mcnemar"
def expect_mcnemar(a, b):
    """Judge one pair of prompts against scipy."""
    from scipy.stats import binomtest, chi2, norm

    a, b = np.array(a, bool), np.array(b, bool)
    pairs = list(zip(a.tolist(), b.tolist()))
    n10, n01 = pairs.count((True, False)), pairs.count((False, True))
    total, n = len(pairs), n10 + n01
    name = f"mcnemar of {total} tickets (A alone {n10}, B alone {n01})"
    copies = a.copy(), b.copy()
    got = mcnemar(a, b)
    expect_unchanged(a, copies[0], "a")
    expect_unchanged(b, copies[1], "b")
    if got is None:
        fail(f"{name} is None. Is a `return` missing?")
    expect_shape(got, (2,), f"{name} = (delta, p)")
    gain = (n01 - n10) / total
    expect_close(
        got[0],
        gain,
        f"the delta of {name}",
        mistakes={
            "delta has the wrong sign: it is B's gain over A, so positive if B "
            "is better.": -gain,
            "delta is a number of tickets; divide by N.": n01 - n10,
            "delta must be divided by all N tickets, not only by those on "
            "which the prompts disagree.": (n01 - n10) / max(n, 1),
        },
    )
    share = (a.mean() + b.mean()) / 2
    spread = math.sqrt(2 * share * (1 - share) / total) or 1
    exact = binomtest(n01, n).pvalue if n else 1.0
    square = (n01 - n10) ** 2 / max(n, 1)
    expect_close(
        got[1],
        exact,
        f"the p of {name}",
        rtol=1e-7,
        mistakes={
            "this is an unpaired test: it compares two percentages as if they "
            "came from different tickets. Use only the tickets on which the "
            "prompts disagree.": 2 * norm.sf(abs(gain) / spread),
            "concordant pairs are counted: tickets that both sort rightly, or "
            "both wrongly, say nothing. n is n01 + n10, not N.": (
                binomtest(min(n01, n10), total).pvalue
            ),
            "this is one-sided: double it, since before the test either prompt "
            "could have been the better one.": (
                binomtest(min(n01, n10), max(n, 1), alternative="less").pvalue
            ),
            "this is the chi-squared approximation, which is off for few "
            "disagreements. Add up the binomial probabilities.": (
                chi2.sf(square, 1)
            ),
            "a probability above 1: doubling counts the middle twice. Take "
            "min(1, ...).": (
                2
                * sum(math.comb(n, i) for i in range(min(n01, n10) + 1))
                / 2**n
            ),
            "this is the probability of exactly this result. 'As uneven, or "
            "more so' adds all i from 0 to m.": (
                min(1, 2 * math.comb(n, min(n01, n10)) / 2**n)
            ),
        },
    )


def verdict_pair(both, a_only, b_only, neither):
    """Return two arrays with so many tickets of each sort."""
    a = [1] * both + [1] * a_only + [0] * b_only + [0] * neither
    b = [1] * both + [0] * a_only + [1] * b_only + [0] * neither
    return a, b


with check("a2.mcnemar"):
    expect_mcnemar(*verdict_pair(38, 2, 10, 30))
    expect_mcnemar(*verdict_pair(38, 10, 2, 30))
    expect_mcnemar(*verdict_pair(20, 4, 4, 12))
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    expect_mcnemar(*verdict_pair(5, 0, 0, 5))
    expect_mcnemar(*verdict_pair(1, 0, 1, 1))
    for _ in range(12):
        size = int(rng.integers(5, 120))
        a = rng.random(size) < 0.5
        b = np.where(rng.random(size) < 0.6, a, rng.random(size) < 0.6)
        expect_mcnemar(a, b)
    ### END HIDDEN TESTS

# %% [markdown] hint="mcnemar"
# Sketch: with boolean arrays, `a & ~b` is true where only A is right. Count both kinds of
# disagreement. Then a sum of `math.comb(n, i)` for `i` in `range(m + 1)`, divided by `2**n`,
# times 2, at most 1. For `n = 0` this gives 1 without any special case.

# %% [markdown] hint="mcnemar"
# ```python
# a, b = np.asarray(a, bool), np.asarray(b, bool)
# only_a, only_b = int((...).sum()), int((...).sum())
# n, m = ..., min(...)
# tail = sum(math.comb(...) for i in range(...)) / 2**n
# return ... / len(a), min(1.0, ...)
# ```


# %% right="mcnemar"
def mcnemar(a, b):
    from scipy.stats import binomtest

    won = sum(1 for x, y in zip(a, b) if y and not x)
    lost = sum(1 for x, y in zip(a, b) if x and not y)
    p = binomtest(won, won + lost, 0.5).pvalue if won + lost else 1.0
    return (won - lost) / len(a), p


# %% right="mcnemar"
def mcnemar(a, b):
    d = np.asarray(b, int) - np.asarray(a, int)
    n, k = int(np.abs(d).sum()), int(min((d > 0).sum(), (d < 0).sum()))
    weights = np.array([math.comb(n, i) for i in range(n + 1)], float)
    p = weights[: k + 1].sum() * 2 / weights.sum()
    return np.array([d.mean(), min(p, 1)])


# %% wrong="mcnemar" says="unpaired"
def mcnemar(a, b):
    from scipy.stats import norm

    a, b = np.asarray(a, float), np.asarray(b, float)
    share = (a.mean() + b.mean()) / 2
    spread = math.sqrt(2 * share * (1 - share) / len(a)) or 1
    delta = b.mean() - a.mean()
    return delta, 2 * norm.sf(abs(delta) / spread)


# %% wrong="mcnemar" says="concordant pairs are counted"
def mcnemar(a, b):
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, m = len(a), min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(m + 1)) / 2**n
    return (only_b - only_a) / n, min(1.0, 2 * tail)


# %% wrong="mcnemar" says="one-sided"
def mcnemar(a, b):
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, m = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(m + 1)) / 2**n
    return (only_b - only_a) / len(a), tail


# %% wrong="mcnemar" says="above 1"
def mcnemar(a, b):
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, m = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(m + 1)) / 2**n
    return (only_b - only_a) / len(a), 2 * tail


# %% wrong="mcnemar" says="chi-squared"
def mcnemar(a, b):
    from scipy.stats import chi2

    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    square = (only_a - only_b) ** 2 / max(only_a + only_b, 1)
    return (only_b - only_a) / len(a), chi2.sf(square, 1)


# %% wrong="mcnemar" says="wrong sign"
def mcnemar(a, b):
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, m = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(m + 1)) / 2**n
    return (only_a - only_b) / len(a), min(1.0, 2 * tail)


# %% wrong="mcnemar" says="exactly this result"
def mcnemar(a, b):
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, m = only_a + only_b, min(only_a, only_b)
    return (only_b - only_a) / len(a), min(1, 2 * math.comb(n, m) / 2**n)


# %% [markdown]
# Your test on the claims so far, all on dev:

# %%
claims = [
    ("8a raw, then calibrated", dev["8a", "raw"], dev["8a", "calibrated"]),
    ("16a raw, then calibrated", dev["16a", "raw"], dev["16a", "calibrated"]),
    ("raw: 8a, then 16a", dev["8a", "raw"], dev["16a", "raw"]),
    ("raw: 8b, then 16b", dev["8b", "raw"], dev["16b", "raw"]),
    ("raw: 8c, then 16c", dev["8c", "raw"], dev["16c", "raw"]),
    ("raw: 8a, then 8b (other draw)", dev["8a", "raw"], dev["8b", "raw"]),
    (
        "calibrated: 8a, then 32a",
        dev["8a", "calibrated"],
        dev["32a", "calibrated"],
    ),
    ("8a: written, then calibrated", free["8a"], dev["8a", "calibrated"]),
]
for words, before, after in claims:
    delta, p = mcnemar(before, after)
    print(f"{words:32} {delta:+.3f}   p = {p:.4f}")

# %% [markdown]
# Calibration is a real gain, for `8a` and for `16a`. Another draw of the shots makes a real
# difference of twenty points, with everything else equal. That 32 shots are worse than 8, after
# calibration, has $p = 0.03$: likely, but we have made eight tests, and of eight tests of nothing
# one falls below 0.05 in a third of all cases ($1 - 0.95^8 = 0.34$). With eight tests, ask for
# $0.05/8 = 0.006$ (Bonferroni), and be content with "probably". More tickets would settle it.
#
# And colleague 3, with 58 % against 54 %? On 80 tickets that is a difference of three. Even if all
# disagreements went one way, three tosses of a coin prove nothing: $p = 2/2^3 = 0.25$.
#
# ## 8 · No peeking
#
# Sixteen candidates stand in the table: eight prompts, raw and calibrated. Choose the best! But
# then its number on dev is no longer honest. **The best of many is partly the luckiest of
# many.** How much? Here are six prompts that are exactly equally good: each sorts every ticket
# rightly with probability ½. We take the best of the six on 80 tickets, and then ask it again
# with 80 new ones:

# %%
rng = np.random.default_rng(0)
scores = rng.binomial(80, 0.5, size=(4000, 6)) / 80
luck = scores.max(axis=1).mean() - 0.5
again_score = (rng.binomial(80, 0.5, size=4000) / 80).mean()
print(f"the best of six on dev: {0.5 + luck:.3f} on average")
print(f"the same prompt on new tickets: {again_score:.3f}")

# %% [markdown]
# Seven points out of nothing. This is what happened to colleague 2, who tried until it worked.
# The cure costs nothing: choose on **dev**, as often as you like, and open **test** once, for
# the one you chose. Whoever looks at test six times and keeps the best has a second dev, and no
# test.
#
# ### Exercise: `pick`
#
# - **In:** `names`, a list of prompts' names, the simplest first; `dev` and `test`, functions:
#   `dev(name)` and `test(name)` return the part that the prompt sorts rightly.
# - **Out:** `(name, score)`: the prompt with the best score on dev (of equals the first), and
#   its score on test.
# - `test` counts how often it is called.


# %% exercise="pick" points=2 minutes=6 difficulty=2
def pick(names, dev, test):
    """Return the best prompt by dev, and its score on test."""
    # 1. choose: on dev   2. open: test, once, for the one you chose
    ### BEGIN SOLUTION
    best = max(names, key=dev)
    return best, test(best)
    ### END SOLUTION
    return names[0], 0.0  # replace this line


# %% check="pick"
def expect_pick(names, on_dev, on_test):
    """Judge one choice, and count how often test was opened."""
    opened = []

    def dev_score(name):
        return on_dev[name]

    def test_score(name):
        opened.append(name)
        return on_test[name]

    got = pick(list(names), dev_score, test_score)
    expect_type(got, (tuple, list), "pick(...)")
    if len(got) != 2:
        fail(f"pick(...) has {len(got)} parts; it must be (name, score).")
    top = max(on_dev[n] for n in names)
    best = [n for n in names if on_dev[n] == top]
    told = f"with dev {on_dev} and test {on_test}"
    if len(opened) > 1:
        lucky = max(names, key=lambda n: on_test[n])
        chosen = (
            " and the choice fell on the best of test"
            if got[0] == lucky
            else ""
        )
        fail(
            f"test was opened {len(opened)} times{chosen}. Choose on dev; open "
            "test once, for the prompt you chose."
        )
    if got[0] in best[1:]:
        fail(
            f"{told} you pick {got[0]!r}: of prompts that are equally good on "
            f"dev take the first, the simplest: {best[0]!r}."
        )
    if got[0] != best[0]:
        fail(f"{told} you pick {got[0]!r}; best on dev is {best[0]!r}.")
    if opened != best[:1] and opened:
        fail(
            f"test was opened for {opened[0]!r}, but you chose {best[0]!r}. "
            "Open it for the one you chose."
        )
    expect_close(
        got[1],
        on_test[best[0]],
        f"the score of {best[0]!r}",
        mistakes={
            "you report the score on dev, by which you chose: it is too good "
            "on average. Report the one on test.": on_dev[best[0]]
        },
    )
    expect_equal(len(opened), 1, "the number of times that test was opened")


with check("a2.pick"):
    abc = ["short", "long", "shouting"]
    expect_pick(
        abc,
        {"short": 0.5, "long": 0.6, "shouting": 0.55},
        {"short": 0.52, "long": 0.54, "shouting": 0.61},
    )
    six = ["p1", "p2", "p3", "p4", "p5", "p6"]
    expect_pick(
        six,
        dict(zip(six, [0.4, 0.5, 0.7, 0.6, 0.5, 0.3])),
        dict(zip(six, [0.9, 0.5, 0.6, 0.7, 0.5, 0.3])),
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    expect_pick(["x"], {"x": 0.0}, {"x": 0.1})
    for _ in range(8):
        n = int(rng.integers(2, 7))
        on_dev = dict(zip(six, (rng.integers(0, 4, n) / 4).tolist()))
        on_test = dict(zip(six, rng.permutation(n + 5)[:n] / 20 + 0.013))
        on_test = {k: float(v) for k, v in on_test.items()}
        expect_pick(six[:n], on_dev, on_test)
    ### END HIDDEN TESTS

# %% [markdown] hint="pick"
# Sketch: find the best name with `dev` alone. `max(names, key=dev)` calls `dev` for each name
# and returns the first of the best. Then call `test` for this one name.

# %% [markdown] hint="pick"
# ```python
# best = max(names, key=...)
# return best, ...
# ```


# %% right="pick"
def pick(names, dev, test):
    on_dev = np.array([dev(name) for name in names])
    chosen = names[int(on_dev.argmax())]
    return [chosen, test(chosen)]


# %% wrong="pick" says="test was opened 3 times; best of test"
def pick(names, dev, test):
    on_test = {name: test(name) for name in names}
    best = max(names, key=on_test.get)
    return best, on_test[best]


# %% wrong="pick" says="test was opened 3 times"
def pick(names, dev, test):
    on_test = {name: test(name) for name in names}
    best = max(names, key=dev)
    return best, on_test[best]


# %% wrong="pick" says="report the score on dev"
def pick(names, dev, test):
    best = max(names, key=dev)
    test(best)
    return best, dev(best)


# %% wrong="pick" says="equally good; simplest"
def pick(names, dev, test):
    best = names[0]
    for name in names:
        if dev(name) >= dev(best):
            best = name
    return best, test(best)


# %% wrong="pick" says="test was opened 2 times"
def pick(names, dev, test):
    best = max(names, key=dev)
    print("on test:", test(best))
    return best, test(best)


# %% wrong="pick" says="best on dev is"
def pick(names, dev, test):
    best = min(names, key=dev)
    return best, test(best)


# %% [markdown]
# Now open test. The rival was named before: what the shop has today, the written answer
# with eight shots.

# %%
candidates = [
    f"{name} {how}" for how in ("raw", "calibrated") for name in PROMPT_NAMES
]
winner, on_test = pick(
    candidates,
    lambda it: float(dev[tuple(it.split())].mean()),
    lambda it: float(verdicts(*it.split(), test_rows).mean()),
)
new = verdicts(*winner.split(), test_rows)
said = [t for t, keep in zip(tables.texts("8a"), test_rows) if keep]
old = np.array(
    [
        parse_label(text, list(INTENTS)) == INTENTS[k]
        for text, k in zip(said, truth[test_rows])
    ]
)
low, high = interval(new)
delta, p = mcnemar(old, new)
print(f"chosen on dev: {winner}, {dev[tuple(winner.split())].mean():.3f}")
print(f"on test: {on_test:.3f} ({low:.2f}–{high:.2f})")
print(f"written, 8 shots, on test: {old.mean():.3f}")
print(f"gain {delta:+.3f}, p = {p:.6f}")

# %% [markdown]
# Ten points less than on dev: 0.46. Nothing is wrong. Four of the candidates had the very same best
# score on dev, so luck had sixteen chances, and the situations of the test are new. **0.46 is the
# number to report.** The bar that was set for this lesson, 0.45 for the calibrated prompt with one
# example per label, is just reached; its interval says how much that is worth.
#
# The gain over the written answer is beyond doubt. Without training and without a better model, in
# a few lines, four times as many messages find their desk. That said, more than half do not, and
# no shop would leave it there: A6 trains the same model on these labels.
#
# ## 9 · Look at the failures
#
# A percentage does not say what to do next. Back to dev, where looking is free: which voice does
# the winner not understand, and what does it take for what?

# %%
best_how = tuple(winner.split())
S = tables.scores(best_how[0])[dev_rows]
if best_how[1] == "calibrated":
    S = calibrate(S, null_of(best_how[0]))
picked, wanted = S.argmax(axis=1), truth[dev_rows]
dev_tickets = tickets.of_split("dev")
for voice in VOICES:
    own = np.array([t.voice == voice for t in dev_tickets])
    low, high = interval((picked == wanted)[own])
    share = (picked == wanted)[own].mean()
    print(f"{voice:10}{share:6.2f}  ({low:.2f}–{high:.2f}, n = {own.sum()})")
print("\nrow: the right label; column: what the model chose")
print(f"{'':10}" + "".join(f"{label[:7]:>9}" for label in INTENTS))
for k, label in enumerate(INTENTS):
    counts = np.bincount(picked[wanted == k], minlength=8)
    print(f"{label:10}" + "".join(f"{c:9}" for c in counts))
wrong = np.flatnonzero(picked != wanted)
for i in wrong[:: max(1, len(wrong) // 5)][:5]:
    print(
        f"  {dev_tickets[i].text}\n"
        f"     {INTENTS[wanted[i]]}, taken for {INTENTS[picked[i]]}"
    )

# %% [markdown]
# Polite messages are sorted nearly always, upset and indirect ones in a third of the cases. There
# are only 16 of each voice, but these intervals hardly meet. Upset customers are the ones who must
# not wait, so the average of 0.56 flatters the product. And half of the questions about a *product*
# are taken for *broken*: who asks "does it stand rain?" has no broken lamp. One could rename the
# labels, or choose examples of exactly these cases. Each of these is a new hypothesis, and you know
# how to test it.
#
# And is a chat model the right tool at all? A rival from lesson A4: embed the 80 training
# tickets with MiniLM, average the vectors of each label, and give a new ticket the label whose
# average is nearest. No prompt, no generation, and a sixth of the size.

# %% demo
from course.embed import load_embedder

embed = load_embedder().encode
train = tickets.of_split("train")
vectors = embed([t.text for t in train])
labels_of = np.array([t.label for t in train])
means = np.array([vectors[labels_of == k].mean(axis=0) for k in range(8)])
means /= np.linalg.norm(means, axis=1, keepdims=True)
nearest = (embed([t.text for t in dev_tickets]) @ means.T).argmax(axis=1)
low, high = interval(nearest == wanted)
delta, p = mcnemar(picked == wanted, nearest == wanted)
print(f"MiniLM, 80 examples, dev: {(nearest == wanted).mean():.3f}", end=" ")
print(f"({low:.2f}–{high:.2f})")
print(f"against the winner: {delta:+.3f}, p = {p:.4f}")

# %% [markdown]
# A tie: with 80 examples the simple average of vectors is not better than the chat model with
# eight, and the test cannot tell them apart. It answers in a fraction of the time, though. So the
# honest answer to the support desk is: as long as nobody has labelled anything, a prompt is a
# start. What happens when there are more labelled messages is a question of its own; A6 and F1
# measure it.
#
# ## 10 · And a better model?
#
# "Take a larger model" is a hypothesis as well. Qwen2.5-Coder has 494 million weights, nearly four
# times as many. `course fetch qwen-0.5b` brings it here, and `CROSSROADS_CHAT_MODEL=qwen-0.5b`
# puts it into every cell that calls a chat model. This is what `benchmarks/bench_models.py`
# measured with both, on tasks of this track (greedy, one thread; nothing was chosen by it):
#
# | right, as a part of all | SmolLM2 | Qwen | cases |
# |---|---|---|---|
# | facts of the world (A1) | 0.56 | 0.62 | 16 |
# | tickets, 8 shots: the written answer is a label | 0.60 | 0.97 | 40 |
# | tickets, 8 shots: the written answer is right | 0.12 | 0.30 | 40 |
# | tickets, 8 shots, scored, raw | 0.21 | 0.31 | 80 |
# | tickets, 8 shots, scored, calibrated | 0.46 | 0.50 | 80 |
# | the fact, from the right page: code questions (A4) | 0.85 | 1.00 | 13 |
# | the fact, from the right page: paraphrases (A4) | 0.14 | 0.50 | 14 |
# | CPU seconds for all of it | 141 | 345 | |
#
# The larger model **obeys the form** and **reads a page** far better. But where the small one
# was asked in the best way, scored and calibrated, the gain is four points, well inside of what
# 80 tickets can tell. On this task a better question was worth more than a better model, and it
# cost nothing. On another task it is the other way round; so measure.
#
# ## What this tells you about the job
#
# Half of the trade's advice on prompts was true once, of one model, on somebody's ten examples.
# What lasts is what you did today: write down what you believe, measure it on cases you did not
# choose, compare pair by pair, and open the test once. It is slow, and it is the reason why
# some teams' assistants get better from month to month, and others' only get different.
#
# In M2 the same morning belongs to a data scientist who asks whether a payment is fraud. There
# too a percentage looks splendid (97 % right) and means nothing.
#
# ## Further reading
#
# - T. Z. Zhao, E. Wallace, S. Feng, D. Klein, S. Singh: *Calibrate Before Use: Improving
#   Few-Shot Performance of Language Models*, ICML 2021, arXiv:2102.09690.
# - Y. Lu and others: *Fantastically Ordered Prompts and Where to Find Them*, ACL 2022,
#   arXiv:2104.08786. The order of the shots alone decides much.
# - H. Zhou and others: *Batch Calibration*, ICLR 2024, arXiv:2309.17249.
# - S. Min and others: *Rethinking the Role of Demonstrations*, EMNLP 2022, arXiv:2202.12837.
# - Q. McNemar: *Note on the Sampling Error of the Difference between Correlated Proportions*,
#   Psychometrika 12, 1947.
# - T. Dietterich: *Approximate Statistical Tests for Comparing Supervised Classification
#   Learning Algorithms*, Neural Computation 10(7), 1998.
#
# ## Would you do this again tomorrow?

# %%
again("a2", 0)
