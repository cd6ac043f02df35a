# ---
# jupyter:
#   crossroads:
#     id: a1
#     track: ai_track
#     title: What does an API call return?
#     partner: m1
#     assets: [smollm2]
#     cpu_s: 30
# ---

# %% [markdown]
# # A1 · What does an API call return?
#
# *Day 1, the AI engineer's half. The other half of the day is M1.*
#
# It is Monday at *Lampa*, a fictional shop that sells lamps. You are its AI engineer.
# The shop has an assistant in its chat window, and somebody wrote the one line of code
# behind it: `client.chat(messages)`. Three notes lie on your desk.
#
# 1. *The assistant gave two customers two different answers to the same question. Is it
#    broken?*
# 2. *The provider bills 37 tokens for a question of six words. Who wrote the others?*
# 3. *On Friday evening the provider answered "429", and our page showed an error. Can the
#    page not simply ask again?*
#
# By noon you can answer all three, because you will have built what stands behind that
# one line. You write five small functions. Each is a part of every system that serves
# language models, and together they drive a real one on this machine: SmolLM2, with 135
# million weights. The largest models whose weights are public have several thousand times
# as many. They are called in the same way, and return the same things.
#
# {{exercises}}
#
# Reading and watching take another ten to fifteen minutes. Run the cells from the top.
# Cells that talk to the model take a few seconds each.

# %% setup
import math

import numpy as np

from course.feedback import (
    call_within,
    check,
    expect,
    expect_close,
    expect_equal,
    expect_prediction,
    expect_type,
    expect_unchanged,
    fail,
)
from course.hints import hint, parsons
from course.progress import again, outcome

# %% [markdown]
# ## 1 · One call
#
# This is the whole of it, seen from outside. A list of messages goes in. A small record
# comes back.

# %% demo
from course.llm import load_local, user

lm = load_local()
question = "What is the capital of Japan?"
reply = lm.chat([user(question)])
print(reply)

# %% [markdown]
# Read the record. `text` is what the customer sees. `prompt_tokens` and
# `completion_tokens` are what you pay for. `finish_reason` says why the model stopped:
# `stop` means that it ended its turn, `length` that it was cut off. Many programs look at
# `text` alone, and show half a sentence to a customer one day.
#
# The next cell asks the same thing, but prints each piece as soon as it is there. So the
# answer is not fetched from anywhere: it is made, one piece after the other. The pieces
# are called **tokens**.

# %% demo
for piece in lm.stream([user(question)]):
    print(piece, end=" | ", flush=True)
print()
print("cut off:", lm.chat([user(question)], max_tokens=4))

# %% [markdown]
# ## 2 · Tokens: text becomes numbers
#
# A model does not read letters. A *tokenizer* cuts text into pieces of a fixed
# vocabulary (here $V = 49{,}152$ of them) and replaces each piece by its number, its
# **token id**. The vocabulary was made from text by merging the most frequent neighbours
# again and again (byte-pair encoding). Frequent words became one piece, rare ones stay in
# several.

# %% demo
for text in [question, "Paris", " Paris", "Lampa", "Where is order 4711?"]:
    ids = lm.encode(text)
    print(f"{text!r:32} {len(ids)} tokens  {lm.pieces(ids)}  {ids}")

# %% [markdown]
# Four things to remember, because each of them has cost somebody a day:
#
# - **The space belongs to the word.** `"Paris"` and `" Paris"` are two different tokens,
#   38634 and 7042. To the model they are as different as any two ids. Inside a sentence
#   the second one is right.
# - **An invented name is not a word.** `Lampa` is cut into `L` and `ampa`.
# - **Numbers are cut into digits.** Order 4711 is five tokens: a space and four digits.
# - **The question has 7 tokens.** The record above says 37. Thirty tokens were written by
#   somebody else.
#
# Prices are per token, so they also depend on the language. The same sentence:

# %% demo
same = {
    "English": "The lamp is broken.",
    "German": "Die Lampe ist kaputt.",
    "French": "La lampe est cassée.",
    "Japanese": "ランプが壊れています。",
}
for language, text in same.items():
    print(f"{language:9} {len(lm.encode(text)):3} tokens  {text}")

# %% [markdown]
# ## 3 · A chat is one string
#
# The model continues a text. It knows nothing of messages, roles or turns. So somebody
# has to write the list of messages as **one string**, in exactly the form that the model
# saw when it was trained. That form is the **chat template**. It comes with the model,
# and another model has another one. SmolLM2's looks like this:
#
# ```text
# <|im_start|>system
# You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
# <|im_start|>user
# What is the capital of Japan?<|im_end|>
# <|im_start|>assistant
#
# ```
#
# The markers `<|im_start|>` and `<|im_end|>` are single tokens of the vocabulary, made for
# this purpose. (What if a customer types one into the chat window? That is an attack, and
# there are lessons on it later.) There are three steps.
#
# 1. **Default.** If the first message is not a system message, the template puts its own
#    system turn in front. Here are the other tokens on your bill.
# 2. **Turns.** Each message becomes `<|im_start|>`, its role, a line break, its content
#    exactly as it is, `<|im_end|>`, a line break.
# 3. **Open.** At the end stands `<|im_start|>assistant` and a line break: the *generation
#    prompt*. It opens the assistant's turn and leaves it open. What the model writes next
#    is the answer.
#
# One trap. Libraries often put a *beginning-of-sequence* token (BOS) in front of a text.
# SmolLM2's BOS is `<|im_start|>` itself, and the template has written it already. A
# second one is a double BOS: a text that the model has never seen in training.

# %% setup
DEFAULT_SYSTEM = (
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
)

# What the model's own files say, in the template language Jinja.
TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\n" + DEFAULT_SYSTEM + "<|im_end|>\n' }}"
    "{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n'"
    " + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}"
    "{% endif %}"
)

# %% [markdown]
# ### Exercise: `render_chat`
#
# Write the template as a Python function.
#
# - **In:** `msgs`, a list of at least one message. A message is a dict with the strings
#   `"role"` and `"content"`.
# - **Out:** one string, ready to be continued by the model.
#
# For instance, `render_chat([{"role": "system", "content": "Be brief."},
# {"role": "user", "content": "Hi"}])` is
# `"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"`.
#
# The text of the default system turn is in `DEFAULT_SYSTEM`. The caller still needs
# `msgs` as it was: do not change it.


# %% exercise="render_chat" points=2 minutes=7 difficulty=1
def render_chat(msgs):
    """Return the one string that the model reads for the messages `msgs`."""
    # 1. default: a system turn in front, if the first message is not one
    # 2. turns: one after the other
    # 3. open: the assistant's turn begins, and stays open
    ### BEGIN SOLUTION
    turns = list(msgs)
    if turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": DEFAULT_SYSTEM})
    text = ""
    for turn in turns:
        text += f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"
    ### END SOLUTION
    return msgs[-1]["content"]  # replace this line


# %% [markdown]
# Look before you check: the target from the model's own files, and yours.

# %% demo
print(lm.render([user("Hi")]))
print("------- yours:")
print(render_chat([user("Hi")]))

# %% check="render_chat"
with check("a1.render_chat"):
    import jinja2

    oracle = jinja2.Template(TEMPLATE)
    OPEN = "<|im_start|>assistant\n"

    def target(msgs, generation_prompt=True):
        return oracle.render(
            messages=msgs, add_generation_prompt=generation_prompt
        )

    def same_chat(msgs):
        """Compare with the template's text, and say what differs."""
        before = [dict(m) for m in msgs]
        got, want = render_chat(msgs), target(before)
        expect_unchanged(msgs, before, "msgs")
        expect_type(got, str, "render_chat(msgs)")
        if got == want:
            return
        has_system = before[0]["role"] == "system"
        stripped = [{**m, "content": m["content"].strip()} for m in before]
        expect(
            not got.startswith("<|im_start|><|im_start|>"),
            "the text begins with two <|im_start|>: a double BOS. The first "
            "turn brings its own: put nothing in front of it.",
        )
        expect(
            has_system or DEFAULT_SYSTEM in got,
            "the template's default system turn is missing. The first message "
            "is not a system message, so the system turn with DEFAULT_SYSTEM "
            "stands in front.",
        )
        expect(
            not (has_system and DEFAULT_SYSTEM in got),
            "the first message is a system message already: the default system "
            "turn is only for chats that do not begin with one.",
        )
        expect(
            got != target(before, generation_prompt=False),
            "the generation prompt is missing: nothing opens the assistant's "
            "turn, so the model will continue the user's sentence or write a "
            "turn of its own choice. End with '<|im_start|>assistant' and a "
            "line break.",
        )
        expect(
            not (got.startswith(want) and "<|im_end|>" in got[len(want) :]),
            "you closed the assistant's turn: behind <|im_end|> there is "
            "nothing left for the model to say. Leave its turn open.",
        )
        expect(
            got != want.rstrip("\n"),
            "the last line break is missing: behind '<|im_start|>assistant' "
            "the model has always seen one, and here it would have to write it."
            "",
        )
        expect(
            got != target(stripped),
            "you stripped the content of a message. Spaces and line breaks are "
            "tokens too: the content goes in exactly as it is.",
        )
        expect(
            "<|im_end|><|im_start|>" not in got,
            "two turns touch: behind each <|im_end|> stands a line break.",
        )
        missing = [m for m in before if m["content"] not in got]
        expect(
            not missing,
            f"the content of {len(missing)} of {len(before)} messages is not "
            "in your text. Every message is a turn of its own, in order.",
        )
        pairs = zip(got, want, strict=False)
        at = next(
            (i for i, (a, b) in enumerate(pairs) if a != b),
            min(len(got), len(want)),
        )
        fail(
            f"the text differs from the template's at character {at}: yours "
            f"goes on with {got[at : at + 30]!r}, the template's with "
            f"{want[at : at + 30]!r}."
        )

    same_chat([{"role": "user", "content": "Hi"}])
    same_chat(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ]
    )
    same_chat(
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Do you ship to Norway?"},
        ]
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    words = [
        "lamp",
        " lamp",
        "order 4711",
        "\nnew line\n",
        "",
        "  two  ",
        "é灯",
    ]
    for n in (1, 2, 4, 7):
        for first in ("system", "user"):
            msgs = []
            for i in range(n):
                role = first if i == 0 else ("user", "assistant")[i % 2]
                picked = rng.choice(words, size=3)
                msgs.append({"role": role, "content": " ".join(picked)})
            same_chat(msgs)
    # a system message that is not the first one is an ordinary turn
    same_chat(
        [
            {"role": "user", "content": "Hi"},
            {"role": "system", "content": "Answer in French."},
            {"role": "tool", "content": '{"status": "sent"}'},
        ]
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="render_chat"
# Three steps, three pieces of string. **Default**: look at `msgs[0]["role"]`. **Turns**: a
# loop with an f-string; its line breaks are `\n`, behind the role and behind `<|im_end|>`.
# **Open**: one more string at the very end. Do not use `msgs.insert`: it changes the
# caller's list. Make a new one with `[...] + msgs`, or copy first.

# %% [markdown] hint="render_chat"
# ```python
# def render_chat(msgs):
#     text = ""
#     if msgs[0]["role"] != ...:      # 1. default
#         text += f"<|im_start|>system\n{...}<|im_end|>\n"
#     for m in msgs:                  # 2. turns
#         text += ...                 #    the same pattern, with m's role and content
#     return text + ...               # 3. open: no <|im_end|> here
# ```


# %% right="render_chat"
def render_chat(msgs):
    def turn(role, content):
        return "<|im_start|>" + role + "\n" + content + "<|im_end|>\n"

    head = ""
    if msgs[0]["role"] != "system":
        head = turn("system", DEFAULT_SYSTEM)
    body = "".join(turn(m["role"], m["content"]) for m in msgs)
    return head + body + "<|im_start|>assistant\n"


# %% right="render_chat"
def render_chat(msgs):
    import jinja2

    template = jinja2.Template(TEMPLATE)
    return template.render(messages=msgs, add_generation_prompt=True)


# %% right="render_chat"
def render_chat(msgs):
    default = {"role": "system", "content": DEFAULT_SYSTEM}
    has_system = msgs[0]["role"] == "system"
    parts = []
    for m in msgs if has_system else [default, *msgs]:
        parts += ["<|im_start|>", m["role"], "\n", m["content"]]
        parts += ["<|im_end|>", "\n"]
    parts += ["<|im_start|>", "assistant", "\n"]
    return "".join(parts)


# %% wrong="render_chat" says="generation prompt; continue the user's sentence"
def render_chat(msgs):
    text = ""
    if msgs[0]["role"] != "system":
        text += f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    return text


# %% wrong="render_chat" says="default system turn is missing"
def render_chat(msgs):
    text = ""
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


# %% wrong="render_chat" says="double BOS"
def render_chat(msgs):
    text = "<|im_start|>"
    if msgs[0]["role"] != "system":
        text += f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


# %% wrong="render_chat" says="is a system message already"
def render_chat(msgs):
    text = f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


# %% wrong="render_chat" says="changed its argument msgs"
def render_chat(msgs):
    if msgs[0]["role"] != "system":
        msgs.insert(0, {"role": "system", "content": DEFAULT_SYSTEM})
    text = ""
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


# %% wrong="render_chat" says="stripped the content"
def render_chat(msgs):
    text = ""
    if msgs[0]["role"] != "system":
        text += f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
    for m in msgs:
        content = m["content"].strip()
        text += f"<|im_start|>{m['role']}\n{content}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


# %% wrong="render_chat" says="closed the assistant's turn"
def render_chat(msgs):
    text = ""
    if msgs[0]["role"] != "system":
        text += f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant\n<|im_end|>\n"


# %% wrong="render_chat" says="last line break is missing"
def render_chat(msgs):
    text = ""
    if msgs[0]["role"] != "system":
        text += f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant"


# %% wrong="render_chat" says="two turns touch; line break"
def render_chat(msgs):
    text = ""
    if msgs[0]["role"] != "system":
        text += f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>"
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>"
    return text + "<|im_start|>assistant\n"


# %% wrong="render_chat" says="content of 2 of 3 messages is not in your text"
def render_chat(msgs):
    # looks at the last message alone, and gets the first example right
    m, system = msgs[-1], DEFAULT_SYSTEM
    if msgs[0]["role"] == "system":
        system = msgs[0]["content"]
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n"
        f"<|im_start|>user\n{m['content']}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


# %% wrong="render_chat" says="differs from the template's at character"
def render_chat(msgs):
    text = ""
    if msgs[0]["role"] != "system":
        text += f"system: {DEFAULT_SYSTEM}\n"
    for m in msgs:
        text += f"{m['role']}: {m['content']}\n"
    return text + "assistant: "


# %% wrong="render_chat" says="default system turn is missing"
def render_chat(msgs):
    # asks whether there is a system message anywhere, not whether it is first
    text = ""
    if all(m["role"] != "system" for m in msgs):
        text += f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


# %% wrong="render_chat" says="is a `return` missing"
def render_chat(msgs):
    text = f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n"
    for m in msgs:
        text += f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n"
    print(text + "<|im_start|>assistant\n")


# %% [markdown]
# Your function against the tokenizer of the real model, and the answer to the second note
# on your desk:

# %% demo
msgs = [user(question)]
mine, theirs = render_chat(msgs), lm.render(msgs)
print("same text as the tokenizer's template:", mine == theirs)
print("tokens of the question: ", len(lm.encode(question)))
print("tokens that are billed: ", len(lm.encode(mine)))

# %% [markdown]
# ## 4 · From scores to probabilities
#
# The tokens of that string go into the model. What comes out is not a word. It is one
# number for each token of the vocabulary: the **logits** $z \in \mathbb{R}^V$. A larger
# logit means "fits better here". To *choose* a token we need probabilities, and this is
# where all the knobs of an API sit. They are applied in this order.
#
# 1. **Heat.** Divide the logits by the temperature $T > 0$.
# 2. **Softmax.** Make them positive, and make them sum to 1:
#
#    $$p_i = \frac{e^{z_i/T}}{\sum_{j=1}^{V} e^{z_j/T}}$$
#
# 3. **Top-k.** Keep the $k$ largest probabilities, set the rest to 0, divide by the sum.
# 4. **Top-p** (*nucleus*). Go from the largest to the smallest and add up. Keep the
#    smallest set whose mass reaches $p$. The token with which the sum reaches $p$ is still
#    in. Set the rest to 0, divide by the sum.
#
# **What temperature does.** Divide two of the probabilities:
# $p_i/p_j = e^{(z_i - z_j)/T}$. Temperature scales the *difference* of two logits. With
# $T = 0.5$ a ratio of 10 becomes $10^2 = 100$. With $T = 2$ it becomes
# $\sqrt{10} \approx 3.2$. With $T = 1$ you get what the model learned. As $T \to \infty$ all
# tokens become equally likely. As $T \to 0$ the largest logit takes everything, so $T = 0$
# is *defined* as that limit: probability 1 for the largest logit (the first of them, if
# two are equal) and 0 for all others. This is **greedy** decoding. The formula itself
# would divide by zero. The uncertainty of the choice never falls when you heat: for the
# entropy $H$ in nats, $\mathrm{d}H/\mathrm{d}T = \mathrm{Var}_p(z)/T^3 \ge 0$.
#
# **Why before the softmax?** If you divide the *probabilities* by $T$ and normalise again,
# then $\frac{p_i/T}{\sum_j p_j/T} = p_i$: the knob turns, and nothing happens.
#
# **Why subtract the largest logit?** $e^{1000}$ is too large for a computer's number. But
# $e^{z_i - c} / \sum_j e^{z_j - c}$ is the same for every $c$. With $c = \max_j z_j$ the
# largest exponent is 0, and nothing can overflow.
#
# ### A worked example
#
# "The lamp is …": four tokens, logits 2, 1, 0, −1.

# %%
menu = [" on", " broken", " green", " sold"]
scores = [2.0, 1.0, 0.0, -1.0]
print("         " + "".join(f"{token:>9}" for token in menu))
for T in (0.5, 1.0, 2.0):
    powers = [math.exp(score / T) for score in scores]
    shares = [power / sum(powers) for power in powers]
    print(f"T = {T:<4} " + "".join(f"{share:9.3f}" for share in shares))

# %% [markdown]
# Now cut, by hand, at $T = 1$:
#
# | | on | broken | green | sold | |
# |---|---|---|---|---|---|
# | probability | 0.644 | 0.237 | 0.087 | 0.032 | |
# | sum so far | 0.644 | 0.881 | 0.968 | 1.000 | |
# | `top_k=2` | 0.731 | 0.269 | 0 | 0 | 0.644 / 0.881 and 0.237 / 0.881 |
# | `top_p=0.8` | 0.731 | 0.269 | 0 | 0 | 0.644 is not enough; with " broken" the sum reaches 0.8 |
# | `top_p=0.6` | 1 | 0 | 0 | 0 | the first token alone reaches 0.6 |
#
# A nucleus is never empty. If you throw away the token that crosses $p$, then `top_p=0.6`
# leaves nothing at all.
#
# ### Exercise: `next_probs`
#
# - **In:** `logits`, shape `(V,)`; `T`, a number that is 0 or more; `top_k`, a whole number
#   that is 1 or more (even more than V), or `None`; `top_p`, a number above 0 and up to 1,
#   or `None`. `None` means: do not cut.
# - **Out:** probabilities, shape `(V,)`, in the order of the vocabulary (`probs[i]`
#   belongs to `logits[i]`). They sum to 1.
#
# The order is heat, softmax, top-k, top-p, with the sum made 1 after each cut. So top-p
# counts the mass of what top-k has left. For instance, `next_probs([2, 1, 0, -1], T=1.0,
# top_k=2)` is `[0.731, 0.269, 0, 0]`.


# %% exercise="next_probs" points=3 minutes=11 difficulty=3
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    """Return the probabilities, shape (V,), of the next token."""
    # 0. greedy: what if T is 0?
    # 1. heat    2. softmax
    # 3. top-k, and make the sum 1 again
    # 4. top-p, and make the sum 1 again
    ### BEGIN SOLUTION
    z = np.array(logits, dtype=float)
    if T == 0:
        return (np.arange(len(z)) == z.argmax()).astype(float)
    probs = np.exp((z - z.max()) / T)
    probs = probs / probs.sum()
    order = np.argsort(-probs, kind="stable")
    if top_k is not None:
        probs[order[top_k:]] = 0.0
        probs = probs / probs.sum()
    if top_p is not None:
        # a token stays in while the mass before it has not reached top_p
        mass_before = np.cumsum(probs[order]) - probs[order]
        probs[order[mass_before >= top_p]] = 0.0
        probs = probs / probs.sum()
    return probs
    ### END SOLUTION
    return np.full(len(logits), 1 / len(logits))  # replace this line


# %% [markdown]
# Yours, beside the worked example (it should say 0.644 0.237 0.087 0.032, then 0.865
# 0.117 0.016 0.002, then 0.731 0.269 0.000 0.000 twice):

# %% demo
for knobs in ({"T": 1.0}, {"T": 0.5}, {"top_k": 2}, {"top_p": 0.8}):
    print(f"{knobs!s:14}", np.round(next_probs(scores, **knobs), 3))

# %% check="next_probs"
with check("a1.next_probs"):
    P = np.array([0.1, 0.5, 0.05, 0.2, 0.15])
    z = np.log(P) + 3.0  # so that softmax(z) is P; not sorted, on purpose

    def over(values):
        """Return the values divided by their sum."""
        return np.asarray(values) / np.sum(values)

    expect_close(
        next_probs(z.copy(), T=1.0),
        P,
        "next_probs(z, T=1)",
        mistakes={
            "softmax: your numbers are positive, but they do not sum to 1. "
            "Divide them by their sum.": np.exp(z),
            "you returned the probabilities sorted. probs[i] must belong to "
            "logits[i]: cut in the sorted order, return in the vocabulary's.": (
                np.sort(P)[::-1]
            ),
            "you returned the log of the probabilities.": np.log(P),
            "all tokens are equally likely: this is what the placeholder "
            "returns.": np.full(5, 0.2),
        },
    )
    no_effect = (
        "the temperature had no effect: you divided the probabilities, and "
        "making the sum 1 undid it. Heat comes first: divide the logits by T "
        "before the softmax."
    )
    expect_close(
        next_probs(z.copy(), T=2.0),
        over(np.sqrt(P)),  # p ** (1 / T), made to sum to 1: the same thing
        "next_probs(z, T=2)",
        mistakes={
            no_effect: P,
            "the sum is 1/T: you divided the probabilities by the temperature. "
            "Heat comes first: divide the logits by T before the softmax.": P
            / 2,
            "a second softmax of probabilities: divide the logits by T before "
            "the softmax, once.": over(np.exp(P / 2)),
            "T = 2 made the distribution sharper: you multiplied the logits by "
            "T. Divide.": over(P**2),
        },
    )
    try:
        cold = next_probs(z.copy(), T=0)
    except ZeroDivisionError:
        cold = np.full(5, np.nan)
    expect_close(
        cold,
        [0.0, 1.0, 0.0, 0.0, 0.0],
        "next_probs(z, T=0)",
        mistakes={
            "T = 0 divides by zero. It is defined as greedy: return 1 for the "
            "largest logit and 0 for all others, before you divide.": (
                np.full(5, np.nan)
            ),
            "T = 0 must not mean the model's own probabilities (that is T = "
            "1), but greedy: 1 for the largest logit, 0 for all others.": P,
        },
    )
    expect_close(
        next_probs(z.copy(), T=1.0, top_k=2),
        over(P * [0, 1, 0, 1, 0]),
        "next_probs(z, T=1, top_k=2)",
        mistakes={
            "top-k: the probabilities are not renormalised. After a cut divide "
            "by the sum of what is left.": P * [0, 1, 0, 1, 0],
            "top-k kept the k smallest: argsort sorts upwards.": (
                over(P * [1, 0, 1, 0, 0])
            ),
            "top-k kept the first k of the vocabulary, not the k likeliest.": (
                over(P * [1, 1, 0, 0, 0])
            ),
            "top-k kept k + 1 tokens.": over(P * [0, 1, 0, 1, 1]),
            "top_k had no effect.": P,
        },
    )
    crossing = (
        "top-p drops the token that crosses p. The kept set must reach p, so "
        "the token with which the sum reaches it stays in."
    )
    one_more = "top-p kept one token too many: "
    unsorted = (
        "top-p added up in the order of the vocabulary. Start with the "
        "likeliest token: sort first."
    )
    alone = np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    got = next_probs(z.copy(), T=1.0, top_p=0.4)
    if not np.all(np.isfinite(np.asarray(got, dtype=float))):
        fail(crossing + " With top_p=0.4 your function leaves no token at all.")
    expect_close(
        got,
        alone,
        "next_probs(z, T=1, top_p=0.4)",
        mistakes={
            crossing + " With top_p=0.4 no token is left.": np.zeros(5),
            "top-p: the probabilities are not renormalised. One token is left, "
            "and its probability must be 1.": P * alone,
            one_more + "the first alone has 0.5, which reaches 0.4.": (
                over(P * [0, 1, 0, 1, 0])
            ),
            unsorted: over(P * [1, 1, 0, 0, 0]),
            "top_p had no effect.": P,
        },
    )
    expect_close(
        next_probs(z.copy(), T=1.0, top_p=0.55),
        over(P * [0, 1, 0, 1, 0]),
        "next_probs(z, T=1, top_p=0.55)",
        mistakes={
            crossing: [0, 1, 0, 0, 0],
            crossing + " And make the sum 1 again.": P * [0, 1, 0, 0, 0],
            "top-p: the probabilities are not renormalised. After a cut divide "
            "by the sum of what is left.": P * [0, 1, 0, 1, 0],
            one_more + "the first two reach 0.7, enough for 0.55.": (
                over(P * [0, 1, 0, 1, 1])
            ),
            unsorted: over(P * [1, 1, 0, 0, 0]),
            "top_p had no effect.": P,
        },
    )
    expect_close(
        next_probs(z.copy(), T=2.0, top_p=0.6),
        over(np.sqrt(P) * [0, 1, 0, 1, 1]),
        "next_probs(z, T=2, top_p=0.6)",
        mistakes={
            "you cut before you heated. The order is heat, softmax, top-k, "
            "top-p: at T = 2 the two likeliest tokens reach only 0.56.": (
                over(np.sqrt(P) * [0, 1, 0, 1, 0])
            ),
        },
    )
    expect_close(
        next_probs(z.copy(), T=1.0, top_k=3, top_p=0.55),
        alone,
        "next_probs(z, T=1, top_k=3, top_p=0.55)",
        mistakes={
            "top-p must count the mass of what top-k left, made to sum 1: of "
            "three tokens the first has 0.5 / 0.85 = 0.59, which reaches 0.55. "
            "Cut with top-k, make the sum 1, and only then cut with top-p.": (
                over(P * [0, 1, 0, 1, 0])
            ),
            "with both top_k and top_p given, you applied top-k alone.": (
                over(P * [0, 1, 0, 1, 1])
            ),
        },
    )
    kept = z.copy()
    next_probs(kept, T=0.7, top_k=2, top_p=0.6)
    expect_unchanged(kept, z, "logits")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)

    def by_loops(logits, T, top_k, top_p):
        """The same in slow steps; None if rounding could decide a cut."""
        best = max(logits)
        left = {i: math.exp((s - best) / T) for i, s in enumerate(logits)}
        ranked = sorted(left, key=lambda i: -left[i])
        if top_k is not None:
            left = {i: left[i] for i in ranked[:top_k]}
        total = math.fsum(left.values())
        left = {i: v / total for i, v in left.items()}
        if top_p is not None:
            nucleus, mass = {}, 0.0
            for i in ranked:
                if mass >= top_p or i not in left:
                    break
                nucleus[i] = left[i]
                mass += left[i]
                if abs(mass - top_p) < 1e-4 and top_p < 1:
                    return None
            left = nucleus
        total = math.fsum(left.values())
        return [left.get(i, 0.0) / total for i in range(len(logits))]

    def expect_by_loops(logits, T, top_k=None, top_p=None):
        want = by_loops([float(s) for s in logits], T, top_k, top_p)
        if want is None:
            return
        got = next_probs(np.array(logits), T=T, top_k=top_k, top_p=top_p)
        expect_close(
            got,
            want,
            f"with {len(logits)} logits, T={T}, top_k={top_k}, top_p={top_p}: "
            "probs",
            rtol=1e-4,
            atol=1e-6,
        )

    for _ in range(40):
        V = int(rng.integers(2, 60))
        logits = rng.normal(scale=rng.choice([0.3, 2.0, 6.0]), size=V)
        expect_by_loops(
            logits,
            T=float(rng.choice([0.2, 0.7, 1.0, 1.5, 4.0])),
            top_k=[None, 1, 3, V, V + 5][int(rng.integers(5))],
            top_p=[None, 0.1, 0.5, 0.9, 1.0][int(rng.integers(5))],
        )
    expect_by_loops(rng.normal(size=9).astype(np.float32), T=0.7, top_p=0.7)
    expect_by_loops([0.3], T=1.0, top_k=1, top_p=0.5)
    for big in (rng.normal(size=6) + 1000.0, rng.normal(size=6) - 1000.0):
        got = np.asarray(next_probs(big.copy(), T=0.5), dtype=float)
        expect(
            got.shape == (6,) and np.all(np.isfinite(got)),
            "with logits near 1000 or -1000 the result is not finite: exp "
            "overflows, or all of it vanishes. Subtract the largest logit "
            "before the softmax.",
        )
        expect_by_loops(big, T=0.5)
    for V in (3, 8, 21):
        logits = rng.normal(size=V)
        best = int(rng.integers(V - 1))
        logits[best] = logits[V - 1] = 7.0  # two are equal: the first one wins
        one = [float(i == best) for i in range(V)]
        got = next_probs(logits.copy(), T=0, top_k=2, top_p=0.9)
        expect_close(
            got,
            one,
            "T=0 with two equal logits: probs",
            mistakes={
                "T = 0 is greedy: if two logits are equal, the first takes all "
                "of the probability. You shared it between them.": (
                    np.where(logits == 7.0, 0.5, 0.0)
                )
            },
        )
    ### END HIDDEN TESTS

# %% [markdown] hint="next_probs"
# Begin with the special case: `if T == 0`, return zeros with a 1 at `np.argmax`. **Heat**
# and **softmax** are `np.exp((z - z.max()) / T)` and a division by the sum. For both cuts
# you need the token numbers from likely to unlikely: `order = np.argsort(-probs)`. **Top-k**
# sets `probs[order[top_k:]]` to 0. For **top-p** ask of each token: *how much mass came
# before me?* It stays while that is less than `top_p`. So the first one always stays, and
# so does the one that crosses.

# %% [markdown] hint="next_probs"
# ```python
# z = np.array(logits, dtype=float)
# if T == 0:
#     ...                                  # 0. greedy: all zeros, but one 1
# probs = np.exp((z - z.max()) / ...)      # 1. heat
# probs = probs / ...                      # 2. softmax
# order = np.argsort(-probs)               # likeliest first
# if top_k is not None:                    # 3. top-k
#     probs[order[...:]] = 0
#     probs = probs / probs.sum()
# if top_p is not None:                    # 4. top-p
#     sorted_probs = probs[order]
#     before = np.cumsum(sorted_probs) - ...       # mass in front of each token
#     probs[order[before >= ...]] = 0
#     probs = ...
# return probs
# ```


# %% right="next_probs"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    # plain Python, and a list comes back
    V, best = len(logits), max(logits)
    if T == 0:
        winner = list(logits).index(best)
        return [1.0 if i == winner else 0.0 for i in range(V)]
    weights = [math.exp((s - best) / T) for s in logits]
    ranked = sorted(range(V), key=lambda i: weights[i], reverse=True)
    if top_k is not None:
        ranked = ranked[:top_k]
    total = sum(weights[i] for i in ranked)
    if top_p is not None:
        nucleus, mass = [], 0.0
        for i in ranked:
            nucleus.append(i)
            mass += weights[i] / total
            if mass >= top_p:
                break
        ranked = nucleus
        total = sum(weights[i] for i in ranked)
    return [weights[i] / total if i in ranked else 0.0 for i in range(V)]


# %% right="next_probs"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    # powers of the probabilities: p ** (1 / T), made to sum to 1
    z = np.asarray(logits, dtype=np.float64)
    if T == 0:
        out = np.zeros(z.shape)
        out[int(np.argmax(z))] = 1
        return out
    log_p = z - z.max()
    log_p = (log_p - np.log(np.sum(np.exp(log_p)))) / T
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    if top_k is not None and top_k < len(p):
        smallest_kept = np.sort(p)[-top_k]
        p = np.where(p >= smallest_kept, p, 0)
        p /= p.sum()
    if top_p is not None:
        ranks = np.argsort(p)[::-1]
        n = int(np.searchsorted(np.cumsum(p[ranks]), top_p)) + 1
        q = np.zeros_like(p)
        q[ranks[:n]] = p[ranks[:n]]
        p = q / q.sum()
    return p


# %% right="next_probs"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    # as inference servers do: forbidden tokens get a logit of minus infinity
    z = np.asarray(logits, dtype=np.float32)
    if T == 0:
        return (np.arange(len(z)) == z.argmax()).astype(np.float32)
    z = z / np.float32(T)

    def softmax(x):
        e = np.exp(x - x.max())
        return e / e.sum()

    if top_k is not None:
        losers = np.argsort(z)[::-1][top_k:]
        z[losers] = -np.inf
    if top_p is not None:
        ranks = np.argsort(z)[::-1]
        mass = np.cumsum(softmax(z)[ranks])
        out = np.roll(mass >= top_p, 1)
        out[0] = False
        z[ranks[out]] = -np.inf
    return softmax(z)


# %% wrong="next_probs" says="temperature had no effect; before the softmax"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp(z - z.max())
    p = p / p.sum()
    p = p / T
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        p[order[np.cumsum(p[order]) - p[order] >= top_p]] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="the sum is 1/T; before the softmax"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp(z - z.max())
    return p / p.sum() / T


# %% wrong="next_probs" says="second softmax; before the softmax"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    p = np.exp(z - z.max())
    p = p / p.sum()
    if T != 1:
        p = np.exp(p / T)
    return p / p.sum()


# %% wrong="next_probs" says="sharper; multiplied the logits by T"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float) * T
    p = np.exp(z - z.max())
    return p / p.sum()


# %% wrong="next_probs" says="T = 0 divides by zero; greedy"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    z = (z - z.max()) / T
    p = np.exp(z)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        p[order[np.cumsum(p[order]) - p[order] >= top_p]] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="T = 0 divides by zero; greedy"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    weights = [math.exp(float(s) / T) for s in logits]
    return [w / sum(weights) for w in weights]


# %% wrong="next_probs" says="T = 0 must not mean; greedy"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        T = 1.0
    p = np.exp((z - z.max()) / T)
    return p / p.sum()


# %% wrong="next_probs" says="two logits are equal; shared"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    T = max(T, 1e-6)
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        p[order[np.cumsum(p[order]) - p[order] >= top_p]] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="drops the token that crosses p"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        p[order[np.cumsum(p[order]) > top_p]] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="drops the token that crosses p"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    # keeps at least one token, and so gets an empty nucleus right
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        n = max(1, int(np.sum(np.cumsum(p[order]) <= top_p)))
        p[order[n:]] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="one token too many"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        n = int(np.sum(np.cumsum(p[order]) < top_p)) + 2
        p[order[n:]] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="not renormalised"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
    if top_p is not None:
        p[order[np.cumsum(p[order]) - p[order] >= top_p]] = 0
    return p


# %% wrong="next_probs" says="do not sum to 1"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    return np.exp(np.array(logits, dtype=float) / max(T, 1e-9))


# %% wrong="next_probs" says="sorted; vocabulary"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.sort(np.array(logits, dtype=float))[::-1]
    if T == 0:
        return np.eye(len(z))[0]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    if top_k is not None:
        p = p[:top_k] / p[:top_k].sum()
    if top_p is not None:
        n = int(np.sum(np.cumsum(p) < top_p)) + 1
        p = p[:n] / p[:n].sum()
    return p


# %% wrong="next_probs" says="k smallest"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    if top_k is not None:
        p[np.argsort(p)[top_k:]] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="order of the vocabulary; sort first"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    if top_k is not None:
        p[np.argsort(-p)[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        p[np.cumsum(p) - p >= top_p] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="cut before you heated"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    # the order of some servers: cut first, heat last
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp(z - z.max())
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        p[order[np.cumsum(p[order]) - p[order] >= top_p]] = 0
        p = p / p.sum()
    p = p ** (1 / T)
    return p / p.sum()


# %% wrong="next_probs" says="mass of what top-k left"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    order = np.argsort(-p)
    keep = np.ones(len(p), dtype=bool)
    if top_k is not None:
        keep[order[top_k:]] = False
    if top_p is not None:
        keep[order[np.cumsum(p[order]) - p[order] >= top_p]] = False
    p = np.where(keep, p, 0)
    return p / p.sum()


# %% wrong="next_probs" says="top-k alone"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp((z - z.max()) / T)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
    elif top_p is not None:
        p[order[np.cumsum(p[order]) - p[order] >= top_p]] = 0
    return p / p.sum()


# %% wrong="next_probs" says="overflows; Subtract the largest logit"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    z = np.array(logits, dtype=float)
    if T == 0:
        return np.eye(len(z))[np.argmax(z)]
    p = np.exp(z / T)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        p[order[np.cumsum(p[order]) - p[order] >= top_p]] = 0
        p = p / p.sum()
    return p


# %% wrong="next_probs" says="changed its argument logits"
def next_probs(logits, T=1.0, top_k=None, top_p=None):
    if T == 0:
        return np.eye(len(logits))[np.argmax(logits)]
    logits -= logits.max()
    p = np.exp(logits / T)
    p = p / p.sum()
    order = np.argsort(-p)
    if top_k is not None:
        p[order[top_k:]] = 0
        p = p / p.sum()
    if top_p is not None:
        p[order[np.cumsum(p[order]) - p[order] >= top_p]] = 0
        p = p / p.sum()
    return p


# %% [markdown]
# Now with the real model. After the rendered question it gives 49,152 logits. Your function
# turns them into this:

# %% demo
logits = lm.step(lm.encode(lm.render([user(question)])))
print("logits:", logits.shape)
for T in (0.2, 0.7, 1.0, 1.5):
    probs = np.asarray(next_probs(logits, T=T))
    best = np.argsort(-probs)[:5]
    names = lm.pieces(best)
    top = "  ".join(
        f"{n!r} {p:.3f}" for n, p in zip(names, probs[best], strict=True)
    )
    nucleus = np.count_nonzero(next_probs(logits, T=T, top_p=0.9))
    print(f"T = {T}: {top}   top_p=0.9 keeps {nucleus:,} tokens")

# %% [markdown]
# Look at the last column. At $T = 1.5$ a nucleus of 0.9 still holds more than a thousand
# tokens. The cut comes after the heat, and the heat has filled the tail. Here the *order*
# of the steps matters, and servers differ in it: the transformers library heats first, as
# you did. llama.cpp cuts first and heats last, unless told otherwise. Same knobs, same
# weights, another distribution. When you move from one server to another, measure again.
#
# ## 5 · One token after the other
#
# The model gives probabilities for *one* next token. An answer is a loop around that.
#
# 1. **Ask.** Give everything written so far to the model; get logits.
# 2. **Choose** a token from them.
# 3. **Stop?** If it is a stop token, the answer is finished. The stop token is a signal to
#    you. It is not part of the answer. For SmolLM2 it is `<|im_end|>`, id 2.
# 4. **Append** the token to the answer *and* to what the model sees next.
#
# A model may never choose to stop. So there is a limit, `max_tokens` in most APIs. Here it
# is `max_new`. When it is reached, the record says `finish_reason="length"`.

# %% setup


def greedy(logits):
    """Return the token with the largest logit."""
    return int(np.argmax(logits))


def sampler(T=1.0, top_k=None, top_p=None, seed=0):
    """Return a function that draws a token from your `next_probs`."""
    rng = np.random.default_rng(seed)

    def choose(logits):
        probs = next_probs(logits, T=T, top_k=top_k, top_p=top_p)
        probs = np.asarray(probs, dtype=float)
        return int(rng.choice(len(probs), p=probs / probs.sum()))

    return choose


# %% [markdown]
# ### Exercise: `generate`
#
# - **In:** `step`, a function: `step(ids)` takes the list of *all* ids so far and returns
#   logits of shape `(V,)` for the next token. `ids`, the prompt, a list of ints, which must
#   stay as it is. `max_new`, the most tokens to write, 0 or more. `stop`, a tuple or list
#   of the ids that end an answer. `choose`, a function from logits to one id, `greedy`
#   unless something else is given.
# - **Out:** the list of the *new* ids: without the prompt, without the stop token.
#
# For instance, if the model wants to write 3, then 5, then 2, and `stop` is `(2,)`, then
# `generate(step, [6, 7], 10, (2,))` is `[3, 5]`, and `step` was called with `[6, 7]`, then
# `[6, 7, 3]`, then `[6, 7, 3, 5]`.
#
# A call of `step` costs money or time. Ask once for each token that is chosen, not more.
# And mind where you look for the stop token: a rendered chat is full of `<|im_end|>`.


# %% exercise="generate" points=2 minutes=7 difficulty=2
def generate(step, ids, max_new, stop, choose=greedy):
    """Return the list of new token ids that continue the prompt `ids`."""
    # until max_new tokens are written:
    # 1. ask   2. choose   3. stop?   4. append
    ### BEGIN SOLUTION
    seen, new = list(ids), []
    while len(new) < max_new:
        token = choose(step(seen))
        if token in stop:
            break
        seen.append(token)
        new.append(token)
    return new
    ### END SOLUTION
    return []  # replace this line


# %% check="generate"
with check("a1.generate"):
    LIMIT = 60

    def scripted(tokens):
        """A step that wants tokens[0], tokens[1], …; notes what it saw."""
        shown = []

        def step(ids):
            shown.append([int(i) for i in ids])
            if len(shown) > LIMIT:
                raise RuntimeError("step was called again and again")
            row = np.linspace(0.0, -1.0, 10)
            row[tokens[min(len(shown), len(tokens)) - 1]] = 5.0
            return row

        return step, shown

    def best(logits):
        return int(np.argmax(logits))

    def second(logits):
        return int(np.argsort(-np.asarray(logits))[1])

    def run(tokens, prompt, max_new, stop, choose=best):
        """Return (new ids, what step was shown); say so if it never ends."""
        step, shown = scripted(tokens)
        given = list(prompt)
        endless = (
            "your loop never stops: count the new tokens, and end at max_new "
            "even if no stop token comes."
        )
        try:
            out = call_within(
                5, generate, step, given, max_new, stop, choose, message=endless
            )
        except RuntimeError:
            expect(len(shown) <= LIMIT, endless)
            raise
        expect_unchanged(given, list(prompt), "ids")
        expect_type(out, (list, tuple, np.ndarray), "generate(...)")
        return [int(i) for i in out], shown

    def same_ids(tokens, prompt, max_new, stop):
        """Compare with what a reader of the script expects."""
        want = []
        for i in range(max_new):
            wanted = tokens[min(i, len(tokens) - 1)]
            if wanted in stop:
                break
            want.append(wanted)
        ended = len(want) < max_new
        last = [tokens[min(len(want), len(tokens) - 1)]]
        got, shown = run(tokens, prompt, max_new, stop)
        with_prompt = (
            "you returned the prompt too. The caller has it already: return "
            "the new ids alone."
        )
        with_stop = (
            "you returned the stop token. It says that the answer is over; it "
            "is not part of it. Look before you append."
        )
        mistakes = {with_prompt: prompt + want}
        if ended:
            mistakes[with_stop] = want + last
            mistakes[with_prompt + " And drop the stop token."] = (
                prompt + want + last
            )
        else:
            mistakes["you wrote max_new + 1 tokens. Compare with <."] = (
                want + last
            )
            mistakes["you wrote max_new - 1 tokens."] = want[:-1]
        if not any(token in stop for token in prompt):
            mistakes["nothing came out: is this still the placeholder?"] = []
        else:
            mistakes[
                "the prompt holds stop tokens (each of its turns ends with "
                "one), and your loop took one of them for the end of the "
                "answer. Look only at the token that was just chosen."
            ] = []
        expect_equal(
            got,
            want,
            f"generate with prompt {prompt}, max_new={max_new}, stop={stop}, "
            f"while the model wants {tokens}",
            mistakes=mistakes,
        )
        n_calls = len(want) + ended
        right = [prompt + want[:i] for i in range(n_calls)]
        if shown == right:
            return
        expect(
            len(shown) == n_calls,
            f"step was called {len(shown)} times for {n_calls} chosen tokens. "
            "Ask once for each token, and not again when the answer is over.",
        )
        expect(
            not all(ids == prompt for ids in shown),
            "you never gave the chosen token back to the model: step saw the "
            "same prompt each time. Append to what it sees next.",
        )
        expect(
            not any(len(ids) == 1 for ids in shown[1:]),
            "step saw the last token alone. It has no memory: give it "
            "everything so far, the prompt included.",
        )
        fail(
            f"step was called with {shown}; it must be called with {right}: "
            "the prompt, then one more token each time."
        )

    same_ids([3, 5, 2], prompt=[6, 7], max_new=10, stop=(2,))
    same_ids([3, 5, 4], prompt=[6, 7], max_new=3, stop=(2,))
    same_ids([3, 5, 2], prompt=[1, 2, 6, 2], max_new=10, stop=(2,))
    same_ids([3, 5, 4, 2], prompt=[6], max_new=10, stop=[9, 4])
    got, _ = run([3, 5, 3, 5], [6], 3, (2,), choose=second)
    expect_equal(
        got,
        [0, 0, 0],
        "generate with a choose that takes the second best",
        mistakes={
            "you took the largest logit yourself. Let choose(logits) decide: "
            "sampling goes through it.": [3, 5, 3]
        },
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    same_ids([3], prompt=[6, 7], max_new=0, stop=(2,))
    same_ids([2, 3], prompt=[6, 7], max_new=5, stop=(2,))
    same_ids([2, 3], prompt=[6], max_new=1, stop=(2,))
    same_ids([3, 2], prompt=[3, 3], max_new=2, stop=(2,))
    same_ids([0, 5, 0, 2], prompt=[0, 6], max_new=9, stop=(2, 7))
    same_ids([5, 5, 5, 5, 5, 5], prompt=[5], max_new=5, stop=())
    for _ in range(12):
        tokens = [int(t) for t in rng.integers(0, 10, size=12)]
        prompt = [int(t) for t in rng.integers(0, 10, size=rng.integers(1, 6))]
        stop = tuple(int(t) for t in rng.choice(10, size=2, replace=False))
        same_ids(tokens, prompt, int(rng.integers(1, 12)), stop)
    ### END HIDDEN TESTS

# %% [markdown] hint="generate"
# Two lists: `seen` (a copy of the prompt; it grows, and `step` gets it) and `new` (empty;
# it is the answer). The loop runs while `len(new) < max_new`. Inside: **ask** and
# **choose** in one line, `token = choose(step(seen))`. **Stop?** before you append. Then
# **append** to both lists.

# %% [markdown] hint="generate"
# ```python
# seen, new = list(ids), []
# while ...:                       # fewer than max_new tokens so far
#     logits = ...                 # 1. ask: everything seen so far
#     token = ...                  # 2. choose
#     if token in ...:             # 3. stop?
#         break
#     ...                          # 4. append, twice
# return new
# ```


# %% right="generate"
def generate(step, ids, max_new, stop, choose=greedy):
    new = []
    for _ in range(max_new):
        token = choose(step(list(ids) + new))
        if token in set(stop):
            return new
        new += [token]
    return new


# %% right="generate"
def generate(step, ids, max_new, stop, choose=greedy):
    # one growing array; an array comes back
    seen = np.array(ids, dtype=int)
    n = len(seen)
    while len(seen) - n < max_new:
        token = int(choose(step(seen)))
        if any(token == s for s in stop):
            break
        seen = np.append(seen, token)
    return seen[n:]


# %% right="generate"
def generate(step, ids, max_new, stop, choose=greedy):
    # recursive; a tuple comes back
    if max_new == 0:
        return ()
    token = choose(step(ids))
    if token in stop:
        return ()
    rest = generate(step, [*ids, token], max_new - 1, stop, choose)
    return (token, *rest)


# %% wrong="generate" says="returned the stop token"
def generate(step, ids, max_new, stop, choose=greedy):
    seen, new = list(ids), []
    while len(new) < max_new:
        token = choose(step(seen))
        seen.append(token)
        new.append(token)
        if token in stop:
            break
    return new


# %% wrong="generate" says="returned the prompt too"
def generate(step, ids, max_new, stop, choose=greedy):
    seen = list(ids)
    for _ in range(max_new):
        token = choose(step(seen))
        if token in stop:
            break
        seen.append(token)
    return seen


# %% wrong="generate" says="returned the prompt too; drop the stop token"
def generate(step, ids, max_new, stop, choose=greedy):
    seen = list(ids)
    for _ in range(max_new):
        token = choose(step(seen))
        seen.append(token)
        if token in stop:
            break
    return seen


# %% wrong="generate" says="never stops; max_new"
def generate(step, ids, max_new, stop, choose=greedy):
    seen, new = list(ids), []
    while True:
        token = choose(step(seen))
        if token in stop:
            return new
        seen.append(token)
        new.append(token)


# %% wrong="generate" says="max_new + 1 tokens"
def generate(step, ids, max_new, stop, choose=greedy):
    seen, new = list(ids), []
    while len(new) <= max_new:
        token = choose(step(seen))
        if token in stop:
            break
        seen.append(token)
        new.append(token)
    return new


# %% wrong="generate" says="never gave the chosen token back"
def generate(step, ids, max_new, stop, choose=greedy):
    new = []
    while len(new) < max_new:
        token = choose(step(ids))
        if token in stop:
            break
        new.append(token)
    return new


# %% wrong="generate" says="last token alone; no memory"
def generate(step, ids, max_new, stop, choose=greedy):
    new, last = [], ids
    while len(new) < max_new:
        token = choose(step(last))
        if token in stop:
            break
        new.append(token)
        last = [token]
    return new


# %% wrong="generate" says="prompt holds stop tokens; just chosen"
def generate(step, ids, max_new, stop, choose=greedy):
    seen, new = list(ids), []
    while len(new) < max_new and not any(s in seen for s in stop):
        token = choose(step(seen))
        seen.append(token)
        if token not in stop:
            new.append(token)
    return new


# %% wrong="generate" says="changed its argument ids"
def generate(step, ids, max_new, stop, choose=greedy):
    new = []
    while len(new) < max_new:
        token = choose(step(ids))
        if token in stop:
            break
        ids.append(token)
        new.append(token)
    return new


# %% wrong="generate" says="Let choose(logits) decide"
def generate(step, ids, max_new, stop, choose=greedy):
    seen, new = list(ids), []
    while len(new) < max_new:
        token = int(np.argmax(step(seen)))
        if token in stop:
            break
        seen.append(token)
        new.append(token)
    return new


# %% wrong="generate" says="step was called 4 times for 3 chosen tokens"
def generate(step, ids, max_new, stop, choose=greedy):
    seen, new = list(ids), []
    token = choose(step(seen))
    while token not in stop and len(new) < max_new:
        seen.append(token)
        new.append(token)
        token = choose(step(seen))
    return new


# %% wrong="generate" says="returned the stop token"
def generate(step, ids, max_new, stop, choose=greedy):
    # right as long as there is one stop token
    seen, new = list(ids), []
    while len(new) < max_new:
        token = choose(step(seen))
        if token == stop[0]:
            break
        seen.append(token)
        new.append(token)
        if token in stop:
            break
    return new


# %% wrong="generate" says="max_new + 1 tokens"
def generate(step, ids, max_new, stop, choose=greedy):
    # right unless max_new is 0
    seen, new = list(ids), []
    while True:
        token = choose(step(seen))
        if token in stop:
            break
        seen.append(token)
        new.append(token)
        if len(new) >= max_new:
            break
    return new


# %% [markdown]
# Your three functions are now a chat model. Compare with the library's own answer:

# %% demo
prompt = lm.encode(render_chat([user(question)]))
answer = lm.decode(generate(lm.step, prompt, 40, lm.eos_ids))
print("yours:       ", answer)
print("the library: ", lm.chat([user(question)], max_tokens=40).text)

# %% [markdown]
# And this is what the template is for. The same customer, three strings, your `generate`:

# %% demo
complaint = "My lamp arrived broken"
full = lm.render([user(complaint)])
three = {
    "no template": complaint,
    "turn not closed": full[: full.index(complaint) + len(complaint)],
    "whole template": full,
}
for name, text in three.items():
    new = generate(lm.step, lm.encode(text), 25, lm.eos_ids)
    print(f"{name:16} {complaint!r} → {lm.decode(new)!r}\n")

# %% [markdown]
# Without the template the model tells a story. With the customer's turn left open it goes
# on *as the customer*. Only the whole template makes it answer. (That it is sorry for your
# loss is the charm of a small model.)
#
# ## 6 · The first note: same question, different answers
#
# In a moment you will ask the real model *What is the capital of Japan?* 20 times at each
# of several temperatures, with your own `next_probs` and `generate`, and count in how many
# of the 20 answers the word "Tokyo" occurs. An answer has at most 10 tokens.
#
# ### Predict
#
# **At T = 1.5, how many of the 20 answers name Tokyo?** Commit yourself before you look:
# set `guess` to one of the three strings, and `confidence` to a number from 0 (no idea) to
# 1 (certain).

# %% exercise="prediction" points=1 minutes=1 difficulty=1 prediction=true
# guess: "0 to 5", "6 to 15" or "16 to 20"
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "6 to 15", 0.5
### END SOLUTION

# %% check="prediction"
with check("a1.prediction"):
    options = ["0 to 5", "6 to 15", "16 to 20"]
    expect_prediction("a1.prediction", guess, confidence, options)

# %% right="prediction"
guess, confidence = "0 to 5", 1

# %% right="prediction"
guess, confidence = "16 to 20", 0.33

# %% wrong="prediction" says="must be one of"
guess, confidence = 3, 0.5

# %% wrong="prediction" says="confidence; from 0"
guess, confidence = "0 to 5", 80

# %% [markdown]
# Half a minute to a minute of computing. `remember` keeps the logits of every text that was seen
# before. At a low temperature nearly all answers begin alike, so nearly all steps are free.
# At a high one each answer wanders off alone, and each step has to be paid.

# %% demo
import time

from scipy.stats import binomtest

from course.plots import BLUE, ORANGE, figure, show


def remember(step):
    """Return a step that computes the logits of the same ids only once."""
    known = {}

    def remembering(ids):
        key = tuple(ids)
        if key not in known:
            known[key] = step(ids)
        return known[key]

    return remembering


grid = [(0.2, None), (0.7, None), (1.0, None), (1.5, None), (1.5, 0.5)]
step, start = remember(lm.step), time.process_time()
prompt = lm.encode(lm.render([user(question)]))
names, named, distinct = [], [], []
for T, top_p in grid:
    choose = sampler(T=T, top_p=top_p, seed=0)
    answers = [
        lm.decode(generate(step, prompt, 10, lm.eos_ids, choose))
        for _ in range(20)
    ]
    names.append(f"T = {T}" + (f"\ntop-p = {top_p}" if top_p else ""))
    named.append(sum("Tokyo" in answer for answer in answers))
    distinct.append(len(set(answers)))
    print(f"T = {T}, top_p = {top_p}: for instance {answers[:3]}")
print(f"{time.process_time() - start:.0f} CPU seconds")

# %% demo
if named[0] < 15:
    print(
        "Finish next_probs and generate first: at T = 0.2 the model knows it."
    )
else:
    fig, (left, right) = figure(columns=2, width=10.0, height=3.8)
    ci = [binomtest(k, 20).proportion_ci(method="wilson") for k in named]
    low = [max(k - 20 * c.low, 0) for k, c in zip(named, ci, strict=True)]
    high = [max(20 * c.high - k, 0) for k, c in zip(named, ci, strict=True)]
    x = range(len(grid))
    left.bar(x, named, color=BLUE, width=0.6)
    left.errorbar(x, named, [low, high], fmt="none", color="black", capsize=4)
    left.set(ylabel="answers that name Tokyo (of 20)", ylim=(0, 20.5))
    right.bar(x, distinct, color=ORANGE, width=0.6)
    right.set(ylabel="different answers (of 20)", ylim=(0, 20.5))
    bars = ((left, named, "white"), (right, distinct, "black"))
    for axes, counts, colour in bars:
        axes.set_xticks(x, names, fontsize=9)
        axes.set(xlabel="how the next token is chosen", yticks=range(0, 21, 5))
        axes.grid(visible=False, axis="x")
        for i, k in enumerate(counts):
            height, ink = (0.2, colour) if k > 2 else (k + 0.2, "black")
            axes.text(i - 0.25, height, k, color=ink, va="bottom")
    names = [name.replace("\n", ", ") for name in names]
    found = [f"{n}: {k} and {d}" for n, k, d in zip(names, named, distinct)]
    show(
        fig,
        "two bar charts. Answers that name Tokyo, with a 95 % interval, and "
        "different answers, of 20: " + "; ".join(found),
    )
    bands = {"0 to 5": range(6), "6 to 15": range(6, 16)}
    found = [band for band, counts in bands.items() if named[3] in counts]
    outcome("a1.prediction", (found or ["16 to 20"])[0])

# %% [markdown]
# So the assistant is not broken. It was asked to sample. At $T = 0.2$ it gives one answer.
# At $T = 0.7$ it still knows the capital, and words it in several ways. At $T = 1.5$ it
# hardly ever gets there, although " Tokyo" is the likeliest token wherever it matters:
# a sentence is a chain of choices, and one odd token early on takes the rest with it. A
# tight nucleus brings more than half of the answers back.
#
# The black bars are 95 % intervals. Twenty answers are few. When a colleague tells you
# that a prompt "works" because it worked twice, think of these bars.
#
# ## 7 · How surprised is the model?
#
# Many APIs return one more thing: `logprobs`. With it the model does not write a text, but
# *judges* one. Let $x_0, x_1, \dots, x_{T-1}$ be the ids of a text ($T$ is now the number
# of tokens). By the chain rule of probability
#
# $$p(x_1, \dots, x_{T-1} \mid x_0) = \prod_{t=1}^{T-1} p(x_t \mid x_0, \dots, x_{t-1}),
# \qquad
# \log p = \sum_{t=1}^{T-1} \log p(x_t \mid x_0, \dots, x_{t-1}).$$
#
# One pass of the model over all $T$ tokens gives logits of shape `(T, V)`. **Row $t$ has
# seen $x_0 \dots x_t$, and scores the token that comes after.** So the token $x_t$ is
# scored by row $t - 1$:
#
# | row of logits | has seen | scores |
# |---|---|---|
# | 0 | $x_0$ | $x_1$ |
# | 1 | $x_0, x_1$ | $x_2$ |
# | … | … | … |
# | $T-2$ | $x_0 \dots x_{T-2}$ | $x_{T-1}$ |
# | $T-1$ | the whole text | nothing: there is no next token |
#
# $T$ tokens have $T - 1$ scores. The first token has none, since nothing stands before it.
# The last row is not used. Three steps:
#
# 1. **Normalise** each row in log space:
#    $\log p_i = z_i - \log \sum_j e^{z_j}$. Do not take the softmax and then its logarithm:
#    a probability of $10^{-400}$ rounds to 0, and $\log 0 = -\infty$. And here too the
#    largest logit goes first: $\log \sum_j e^{z_j} = c + \log \sum_j e^{z_j - c}$.
# 2. **Pick** from row $t-1$ the entry of token $x_t$.
# 3. **Add** them up.
#
# A worked example with three tokens: 0 "The", 1 " lamp", 2 " glows". The text is
# "The lamp glows", so the ids are 0, 1, 2.

# %%
rows = [
    [0.2, 0.5, 0.3],  # seen "The":            " lamp" has 0.5
    [0.1, 0.1, 0.8],  # seen "The lamp":       " glows" has 0.8
    [0.6, 0.2, 0.2],  # seen "The lamp glows": there is no next token
]
print("probability of the rest, given the first:", 0.5 * 0.8)
print("log-probability:", round(math.log(0.5) + math.log(0.8), 4))
print("off by one, 0.2 · 0.1 · 0.2:", round(math.log(0.2 * 0.1 * 0.2), 4))

# %% [markdown]
# ### Exercise: `sequence_logprob`
#
# - **In:** `logits`, shape `(T, V)`: row `t` has seen `ids[0]` … `ids[t]`, and scores what
#   comes after. `ids`, `T` token ids (a list or an array).
# - **Out:** one number: $\sum_{t=1}^{T-1} \log p(x_t \mid x_0 \dots x_{t-1})$, with the
#   natural logarithm. With $T = 1$ it is 0.
#
# For instance, with `logits = np.log(rows)` of the cell above and `ids = [0, 1, 2]` it is
# −0.9163.


# %% exercise="sequence_logprob" points=2 minutes=8 difficulty=3
def sequence_logprob(logits, ids):
    """Return the log-probability of ids[1:] given ids[0]; logits: (T, V)."""
    # 1. normalise each row in log space
    # 2. pick: row t - 1 scores token t
    # 3. add
    ### BEGIN SOLUTION
    z = np.asarray(logits, dtype=float)
    z = z - z.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    scored = np.asarray(ids, dtype=int)[1:]
    picked = logp[np.arange(len(scored)), scored]
    return float(picked.sum())
    ### END SOLUTION
    return 0.0  # replace this line


# %% check="sequence_logprob"
with check("a1.sequence_logprob"):
    P = np.array(
        [
            [0.2, 0.5, 0.2, 0.1],
            [0.1, 0.2, 0.6, 0.1],
            [0.3, 0.3, 0.2, 0.2],
            [0.7, 0.1, 0.1, 0.1],
        ]
    )
    ids = [0, 1, 2, 0]
    # a constant per row changes no probability
    logits = np.log(P) + np.array([[3.0], [-1.0], [0.5], [2.0]])
    right = [0.5, 0.6, 0.3]  # P[0, 1], P[1, 2], P[2, 0]
    late = (
        "you scored token t with the logits that already saw it. Row t has "
        "seen ids[t]; the token ids[t] is scored by row t - 1."
    )
    wrap = (
        "the first token was scored with row -1, which is the last one. "
        "Nothing stands before the first token, so it has no score: begin with "
        "t = 1."
    )
    expect_close(
        sequence_logprob(logits.copy(), list(ids)),
        np.log(np.prod(right)),
        "sequence_logprob(logits, ids)",
        rtol=1e-5,
        mistakes={
            late: np.log(0.2 * 0.2 * 0.7),  # P[1, 1], P[2, 2], P[3, 0]
            late + " And the first token has no score.": (
                np.log(0.2 * 0.2 * 0.2 * 0.7)
            ),
            late + " (You dropped the last token, not the first.)": (
                np.log(0.2 * 0.2 * 0.2)  # P[0, 0], P[1, 1], P[2, 2]
            ),
            wrap: np.log(0.7 * 0.5 * 0.6 * 0.3),
            "0 would be the log-probability of a certain text. Is this still "
            "the placeholder?": 0.0,
            "you added raw logits. Normalise first: log p = z - "
            "log(sum(exp(z))), row by row."
            "": np.log(np.prod(right)) + 3.0 - 1.0 + 0.5,
            "this is the mean (what is called the loss, but for its sign). Add "
            "the T - 1 values, do not average.": np.log(np.prod(right)) / 3,
            "this is the sum divided by T. Add, do not average.": (
                np.log(np.prod(right)) / 4
            ),
            "the sign is wrong: the logarithm of a probability is negative.": (
                -np.log(np.prod(right))
            ),
            "this is the probability itself: return its logarithm.": np.prod(
                right
            ),
            "this is the logarithm to base 2. Use the natural one, np.log.": (
                np.log2(np.prod(right))
            ),
            "this is the logarithm to base 10. Use the natural one, np.log.": (
                np.log10(np.prod(right))
            ),
            "you left out the last token: it is scored too, by row T - 2.": (
                np.log(0.5 * 0.6)
            ),
            "you added probabilities. The chain rule multiplies them, so their "
            "logarithms are added.": np.sum(right),
            "you normalised the columns: each row is a distribution over the "
            "vocabulary, so sum over axis 1.": (
                lambda: sum(
                    logits[t, i] - np.log(np.exp(logits).sum(axis=0))[i]
                    for t, i in enumerate(ids[1:])
                )
            ),
        },
    )
    kept = logits.copy()
    sequence_logprob(kept, ids)
    expect_unchanged(kept, logits, "logits")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)

    def by_loops(logits, ids):
        total = 0.0
        for t in range(1, len(ids)):
            row = [float(s) for s in logits[t - 1]]
            best = max(row)
            total += row[ids[t]] - best
            total -= math.log(math.fsum(math.exp(s - best) for s in row))
        return total

    def expect_by_loops(logits, ids, name, message=None):
        want = by_loops(logits, [int(i) for i in ids])
        got = sequence_logprob(np.array(logits), ids)
        if message is not None:
            value = np.asarray(got, dtype=float)
            expect(value.shape == () and np.isfinite(value), message)
        expect_close(got, want, name, rtol=1e-4, atol=1e-5)

    for T, V in ((2, 3), (5, 17), (9, 4), (30, 11)):
        logits = rng.normal(scale=3.0, size=(T, V))
        ids = [int(i) for i in rng.integers(0, V, size=T)]
        name = f"with T={T} tokens and V={V}: sequence_logprob"
        expect_by_loops(logits, ids, name)
        expect_by_loops(logits, np.array(ids), name + " (ids is an array)")
    expect_by_loops(
        rng.normal(size=(6, 8)).astype(np.float32),
        [1, 2, 3, 4, 5, 0],
        "with float32 logits: sequence_logprob",
    )
    expect_close(
        sequence_logprob(rng.normal(size=(1, 5)), [3]),
        0.0,
        "with one token (it has no score): sequence_logprob",
    )
    expect_by_loops(
        rng.normal(size=(4, 6)) + 1000.0,
        [0, 5, 2, 3],
        "with logits near 1000: sequence_logprob",
        "with logits near 1000 the result is not finite: exp overflows. "
        "Subtract the largest logit of each row first.",
    )
    unlikely = rng.normal(size=(3, 5))
    unlikely[0, 2] -= 2000.0
    expect_by_loops(
        unlikely,
        [1, 2, 0],
        "with a very unlikely token: sequence_logprob",
        "a token of probability e^-2000 gave log(0): softmax rounds it to 0. "
        "Stay in log space: log p = z - log(sum(exp(z))).",
    )
    expect_by_loops(
        rng.normal(scale=2.0, size=(900, 7)),
        rng.integers(0, 7, size=900),
        "with 900 tokens: sequence_logprob",
        "with 900 tokens the product of the probabilities rounds to 0, and its "
        "logarithm is -inf. Add logarithms, do not multiply probabilities.",
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="sequence_logprob"
# Write the indices down for `ids = [0, 1, 2, 0]`: you need row 0 at column 1, row 1 at
# column 2, row 2 at column 0. So the rows are 0, 1, 2 (`range(len(ids) - 1)`) and the columns
# are `ids[1:]`. **Normalise** first: subtract the row's maximum, then subtract
# `log(sum(exp(row)))`. **Pick** with a loop, or with `logp[rows, columns]`. **Add**.

# %% [markdown] hint="sequence_logprob"
# ```python
# total = 0.0
# for t in range(1, len(ids)):
#     row = logits[...]                        # the row that has seen all before t
#     row = row - row.max()
#     logp = row - np.log(np.sum(np.exp(row))) # 1. normalise
#     total += logp[...]                       # 2. pick the token, 3. add
# return total
# ```


# %% right="sequence_logprob"
def sequence_logprob(logits, ids):
    from scipy.special import log_softmax

    logp = log_softmax(np.asarray(logits, dtype=float), axis=-1)
    return sum(logp[t - 1, ids[t]] for t in range(1, len(ids)))


# %% right="sequence_logprob"
def sequence_logprob(logits, ids):
    total = 0
    for row, token in zip(logits[:-1], ids[1:], strict=True):
        c = max(row)
        total += row[token] - c - math.log(sum(math.exp(s - c) for s in row))
    return total


# %% right="sequence_logprob"
def sequence_logprob(logits, ids):
    # float32, and a numpy scalar comes back
    z = np.array(logits, dtype=np.float32)[: len(ids) - 1]
    top = z.max(axis=-1) if len(z) else np.zeros(0, dtype=np.float32)
    norm = top + np.log(np.exp(z - top[:, None]).sum(axis=-1))
    columns = np.array(ids)[1:, None]
    return (np.take_along_axis(z, columns, axis=1)[:, 0] - norm).sum()


# %% wrong="sequence_logprob" says="you scored token t with the logits that already saw it"
def sequence_logprob(logits, ids):
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return sum(logp[t, ids[t]] for t in range(1, len(ids)))


# %% wrong="sequence_logprob" says="already saw it; first token has no score"
def sequence_logprob(logits, ids):
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return logp[np.arange(len(ids)), ids].sum()


# %% wrong="sequence_logprob" says="already saw it; dropped the last token"
def sequence_logprob(logits, ids):
    total = 0.0
    for row, token in zip(logits[:-1], ids[:-1], strict=True):
        e = np.exp(row - row.max())
        total += np.log(e[token] / e.sum())
    return total


# %% wrong="sequence_logprob" says="row -1, which is the last one"
def sequence_logprob(logits, ids):
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return sum(logp[t - 1, ids[t]] for t in range(len(ids)))


# %% wrong="sequence_logprob" says="raw logits; Normalise first"
def sequence_logprob(logits, ids):
    return sum(logits[t - 1, ids[t]] for t in range(1, len(ids)))


# %% wrong="sequence_logprob" says="this is the mean"
def sequence_logprob(logits, ids):
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return np.mean([logp[t - 1, ids[t]] for t in range(1, len(ids))])


# %% wrong="sequence_logprob" says="sign is wrong"
def sequence_logprob(logits, ids):
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -sum(logp[t - 1, ids[t]] for t in range(1, len(ids)))


# %% wrong="sequence_logprob" says="base 2"
def sequence_logprob(logits, ids):
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return sum(logp[t - 1, ids[t]] for t in range(1, len(ids))) / np.log(2)


# %% wrong="sequence_logprob" says="left out the last token"
def sequence_logprob(logits, ids):
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return sum(logp[t - 1, ids[t]] for t in range(1, len(ids) - 1))


# %% wrong="sequence_logprob" says="normalised the columns; axis 1"
def sequence_logprob(logits, ids):
    logp = logits - np.log(np.exp(logits).sum(axis=0, keepdims=True))
    return sum(logp[t - 1, ids[t]] for t in range(1, len(ids)))


# %% wrong="sequence_logprob" says="exp overflows"
def sequence_logprob(logits, ids):
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return sum(logp[t - 1, ids[t]] for t in range(1, len(ids)))


# %% wrong="sequence_logprob" says="gave log(0); log space"
def sequence_logprob(logits, ids):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    logp = np.log(e / e.sum(axis=1, keepdims=True))
    return sum(logp[t - 1, ids[t]] for t in range(1, len(ids)))


# %% wrong="sequence_logprob" says="900 tokens; do not multiply"
def sequence_logprob(logits, ids):
    # clips the single probabilities, and multiplies all the same
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    picked = [logp[t - 1, ids[t]] for t in range(1, len(ids))]
    if min(picked, default=0) < -700:
        return sum(picked)
    return np.log(np.prod(np.exp(picked)))


# %% wrong="sequence_logprob" says="changed its argument logits"
def sequence_logprob(logits, ids):
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return sum(logits[t - 1, ids[t]] for t in range(1, len(ids)))


# %% wrong="sequence_logprob" says="this is the probability itself"
def sequence_logprob(logits, ids):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return np.prod([p[t - 1, ids[t]] for t in range(1, len(ids))])


# %% [markdown]
# The negative log-probability of a token is its **surprise**. In bits it is
# $s_t = -\log_2 p(x_t \mid \dots)$. One bit is a fair coin, 10 bits are a chance of 1 in
# 1,024. Your function gives it, when you show it two tokens at a time: row $t-1$ and the
# ids $x_{t-1}, x_t$. (The row has seen the *whole* text before $x_t$ already.)

# %% demo
sentences = {
    "as it is": "The capital of Japan is Tokyo,"
    " and the capital of France is Paris.",
    "swapped": "The capital of Japan is Paris,"
    " and the capital of France is Tokyo.",
    "a giraffe": "The lamp on the table is broken,"
    " so we ordered a new giraffe.",
}
bits, pieces = [], []
for text in sentences.values():
    ids = lm.encode(text)
    z = lm.logits(ids)  # (T, V), one pass
    pairs = range(1, len(ids))
    log_p = [
        sequence_logprob(z[t - 1 : t + 1], ids[t - 1 : t + 1]) for t in pairs
    ]
    bits.append([-value / math.log(2) for value in log_p])
    pieces.append(lm.pieces(ids))
giraffe = next(t for t, p in enumerate(pieces[2]) if p.startswith(" gir"))
longest = max(map(len, bits))  # another tokenizer may cut one text finer
bits = np.array([row + [np.nan] * (longest - len(row)) for row in bits])

fig, axes = figure(width=11.0, height=3.2)
image = axes.imshow(bits, cmap="cividis", vmin=0, vmax=16, aspect="auto")
for r, row in enumerate(bits):
    for t, value in enumerate(row[: len(pieces[r]) - 1]):
        text = f"{pieces[r][t + 1].strip()}\n{value:.1f}"
        colour = "black" if value > 9 else "white"
        axes.text(
            t, r, text, ha="center", va="center", color=colour, fontsize=8
        )
axes.set_xticks(range(bits.shape[1]), range(1, bits.shape[1] + 1))
axes.set_yticks(range(len(sentences)), list(sentences))
axes.set(xlabel="position t of the token (token 0, 'The', has no score)")
axes.set_ylabel("sentence")
axes.grid(visible=False)
fig.colorbar(image, label="surprise (bits)", extend="max")
show(
    fig,
    f"surprise of each token in bits. At position 5 Tokyo has {bits[0, 4]:.1f} "
    f"and Paris {bits[1, 4]:.1f}. The sums are "
    + ", ".join(f"{np.nansum(s):.1f} ({n})" for n, s in zip(sentences, bits))
    + f"; the giraffe has {bits[2, giraffe - 1]:.1f}.",
)

# %% [markdown]
# The model has written nothing, and yet it has told you that one sentence is odd, and
# where. (Look at "France" too: behind the false "Paris" the model sees it coming.) Two cautions before you build a lie detector. " capital" and " lamp" near the
# beginning cost more than a false city: little stands before them, so they *could not* be
# foreseen. And " ordered" is more surprising than " giraffe". Surprise is not error. It
# compares two wordings of the same thing well, and different sentences badly.
#
# Is your number the right one? The transformers library computes a *loss* when it trains a
# model: the mean of the negative log-probabilities over the $T-1$ scored tokens. So
# $-\text{loss} \cdot (T - 1)$ must be your sum.

# %% demo
import torch
from transformers import AutoModelForCausalLM

from course import assets, hub

library = hub.load_weights(AutoModelForCausalLM, assets.path(lm.name))
for name, text in sentences.items():
    ids = lm.encode(text)
    batch = torch.tensor([ids])
    loss = float(library(batch, labels=batch).loss)
    mine, theirs = sequence_logprob(lm.logits(ids), ids), -loss * (len(ids) - 1)
    print(
        f"{name:10} yours {mine:9.4f}   transformers {theirs:9.4f}   "
        f"difference {abs(mine - theirs):.0e}"
    )
del library

# %% [markdown]
# ## 8 · The third note: when the server says no
#
# Over HTTP each reply begins with a **status**. 200 is success. A 4xx status says that
# *you* made a mistake: 400 is a malformed request, 401 a wrong key, 404 a wrong address.
# The same request will fail again tomorrow. Two kinds are different: **429**, "too many
# requests", and **5xx**, "trouble on our side". These pass. So one asks again, but not at
# once: if all clients of a struggling server ask again immediately, it stays down.
#
# **Exponential backoff** waits $b, 2b, 4b, \dots$: after failure number $i$ (counted from
# 0) it waits $b \cdot 2^i$ seconds. With $n$ attempts there are at most $n - 1$ waits, of
# together $b\,(2^{n-1} - 1)$ seconds. For $n = 4$ and $b = 0.5$ that is 3.5 seconds. The
# steps:
#
# 1. **Call.**
# 2. **Success?** Return the body.
# 3. **Hopeless?** Any status but 429 and 5xx is raised at once.
# 4. **Wait**, then call again. After the *last* failure do not wait: nobody is going to
#    ask again, and a customer is looking at the page. Raise.
#
# (Real clients also add a little randomness, *jitter*, so that a thousand of them do not
# come back in the same moment. And they obey the server when it names a time in the header
# `Retry-After`.)
#
# ### Exercise: `with_retry`
#
# - **In:** `call`, a function without arguments that makes one request and returns
#   `(status, body)`; `n`, the most calls in all, 1 or more; `base`, the first wait in
#   seconds; `sleep`, a function that waits for a number of seconds. (It is given so that a
#   test does not have to wait. In life it is `time.sleep`.)
# - **Out:** the `body` of the first reply with status 200.
# - **Raises:** `RuntimeError(f"{status}: {body}")` with the status of the last reply, if
#   there was no success.
#
# For instance, if the replies are `(429, "slow down")`, `(503, "busy")`, `(200, "Hello")`,
# then `with_retry(call, 4, 0.5, sleep)` sleeps 0.5 and 1.0 seconds and returns `"Hello"`.


# %% exercise="with_retry" points=2 minutes=7 difficulty=2
def with_retry(call, n, base, sleep):
    """Return the body of the first reply with status 200, out of at most n."""
    # 1. call   2. success?   3. hopeless?   4. wait, and again
    ### BEGIN SOLUTION
    for attempt in range(n):
        status, body = call()
        if status == 200:
            return body
        passing = status == 429 or 500 <= status < 600
        if not passing or attempt == n - 1:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * 2**attempt)
    ### END SOLUTION
    return None  # replace this line


# %% check="with_retry"
with check("a1.with_retry"):

    def attempt_all(replies, n, base):
        """Return (body or None, error or None, calls, waits in s)."""
        waits, made = [], []

        def call():
            made.append(1)
            if len(made) > 40:
                raise OSError("40 calls")
            return replies[min(len(made), len(replies)) - 1]

        def sleep(seconds):
            waits.append(float(seconds))

        body = error = None
        try:
            body = call_within(10, with_retry, call, n, base, sleep)
        except OSError:
            expect(len(made) <= 40, "it never gives up: make at most n calls.")
            raise
        except RuntimeError as caught:
            error = str(caught)
        except Exception as caught:
            expect(
                not str(caught)[:3].isdigit(),
                f"the error {str(caught)!r} is of the wrong kind. Raise "
                "RuntimeError: the caller is told to catch that.",
            )
            raise
        return body, error, len(made), waits

    def same_story(statuses, n, base):
        """Compare one run with what the four steps give."""
        replies = [(s, f"reply {i}: {s}") for i, s in enumerate(statuses)]
        shown = f"with replies {statuses}, n={n}, base={base}"
        want_calls, want_waits, last = 0, [], 0
        for i in range(n):
            last = statuses[min(i, len(statuses) - 1)]
            want_calls = i + 1
            if last == 200 or not (last == 429 or last // 100 == 5):
                break
            if i < n - 1:
                want_waits.append(base * 2**i)
        body, error, calls, waits = attempt_all(replies, n, base)
        expect(calls > 0, "call() was never called.")
        first = statuses[0]
        if first not in (200, 429) and first // 100 != 5:
            expect(
                calls == 1 and not waits,
                f"you retried a {first}. The request itself is wrong, and will "
                "be wrong the next time: raise at once, without waiting. Only "
                "429 and 5xx pass.",
            )
        if want_calls > 1 and calls == 1:
            name = "429 (too many requests)" if first == 429 else str(first)
            expect(
                error is None,
                f"you gave up on a {name}: it passes. 429 and every 5xx are "
                "worth another call.",
            )
        expect(
            calls <= n,
            f"{shown}: {calls} calls were made. n is the most calls in all, "
            "the first one included.",
        )
        too_long = last != 200 and len(waits) == len(want_waits) + 1
        expect(
            not (too_long and np.allclose(waits[:-1], want_waits)),
            f"{shown}: it slept {waits}. You sleep after the last failure: "
            "nobody asks again, so the customer waits for nothing.",
        )
        expect(
            calls == want_calls,
            f"{shown}: {calls} calls were made; it must be {want_calls}.",
        )
        if last == 200:
            value = next(b for s, b in replies if s == 200)
            expect_equal(
                body,
                value,
                f"{shown}: the value",
                mistakes={
                    "you returned the whole reply: return its body, without "
                    "the status.": (200, value),
                    "you returned the body of the first reply, which was a "
                    "failure.": replies[0][1],
                },
            )
        else:
            expect(
                error is not None,
                f"{shown}: the last reply was a {last}, but nothing was "
                f"raised: with_retry returned {body!r}. A failure that is "
                "swallowed comes back as a riddle: raise RuntimeError.",
            )
            expect(
                str(last) in error,
                f"{shown}: the error says {error!r}. Name the status of the "
                f"last reply in it, {last}: whoever reads the log needs it.",
            )
        n_waits = len(want_waits)
        hint_of = {
            "you never waited between the calls: a busy server needs a pause. "
            "Call the sleep that was given to you.": [],
            "all waits are equal. The wait doubles: base * 2**i.": [base]
            * n_waits,
            "the waits grow linearly. They double: base * 2**i.": [
                base * (i + 1) for i in range(n_waits)
            ],
            "the first wait must be base, not 2 * base: 2**0 is 1.": [
                base * 2 ** (i + 1) for i in range(n_waits)
            ],
            "base is multiplied, not raised to a power: base * 2**i.": [
                base**i for i in range(n_waits)
            ],
            "base is not the base of the power: wait base * 2**i.": [
                base ** (i + 1) for i in range(n_waits)
            ],
        }
        if n_waits > 1 or not waits:
            expect_close(
                [*waits, len(waits)],
                [*want_waits, n_waits],
                f"{shown}: the waits in seconds (and their number)",
                mistakes={m: [*w, len(w)] for m, w in hint_of.items()},
            )
        expect_close(waits, want_waits, f"{shown}: the waits in seconds")

    same_story([200], n=4, base=0.1)
    same_story([400, 200], n=4, base=0.1)
    same_story([429, 503, 200], n=4, base=0.1)
    same_story([503, 429, 500, 200], n=4, base=0.1)
    same_story([503, 503, 503], n=3, base=0.1)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for status in (401, 403, 404, 408, 418, 422, 302):
        same_story([status, 200], n=3, base=0.1)
    for status in (500, 502, 504, 529, 599):
        same_story([status, status, 200], n=3, base=0.3)
    same_story([429], n=1, base=0.1)
    same_story([429, 503, 400, 200], n=6, base=0.1)
    for _ in range(10):
        n = int(rng.integers(1, 7))
        statuses = [
            int(s) for s in rng.choice([429, 500, 503, 529, 200, 404], 7)
        ]
        same_story(statuses, n, float(rng.choice([0.2, 0.3, 0.6])))
    ### END HIDDEN TESTS

# %% [markdown] hint="with_retry"
# A `for` loop over `range(n)`, and in it the four steps. **Success?** is a `return`.
# **Hopeless?** is a `raise`: when the status is neither 429 nor 500 to 599. **Wait** is
# `sleep(base * 2**i)`. The last attempt is special: it is the one with `i == n - 1`. It
# raises too, in place of a wait.

# %% [markdown] hint="with_retry"
# ```python
# for i in range(n):
#     status, body = call()                       # 1. call
#     if status == 200:                           # 2. success?
#         return ...
#     passing = status == 429 or ... <= status < ...
#     if not passing or i == ...:                 # 3. hopeless, or the last one?
#         raise RuntimeError(...)
#     sleep(...)                                  # 4. wait
# ```


# %% right="with_retry"
def with_retry(call, n, base, sleep):
    wait = base
    while True:
        status, body = call()
        n -= 1
        if status == 200:
            return body
        if (status != 429 and status // 100 != 5) or n == 0:
            raise RuntimeError(f"{status}: {body}")
        sleep(wait)
        wait *= 2


# %% right="with_retry"
def with_retry(call, n, base, sleep):
    class Passing(RuntimeError):
        pass

    def once():
        reply = call()
        if reply[0] == 200:
            return reply[1]
        kind = RuntimeError
        if reply[0] == 429 or str(reply[0]).startswith("5"):
            kind = Passing
        raise kind(f"{reply[0]}: {reply[1]}")

    for i in range(n - 1):
        try:
            return once()
        except Passing:
            sleep(base * math.pow(2, i))
    return once()


# %% wrong="with_retry" says="retried a 400"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if i < n - 1:
            sleep(base * 2**i)
    raise RuntimeError(f"{status}: {body}")


# %% wrong="with_retry" says="sleep after the last failure"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if status != 429 and status < 500:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * 2**i)
    raise RuntimeError(f"{status}: {body}")


# %% wrong="with_retry" says="you gave up on a 429"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if status < 500 or i == n - 1:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * 2**i)


# %% wrong="with_retry" says="of the wrong kind; RuntimeError"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if (status != 429 and status < 500) or i == n - 1:
            raise ValueError(f"{status}: {body}")
        sleep(base * 2**i)


# %% wrong="with_retry" says="every 5xx"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if status not in (429, 500, 502, 503) or i == n - 1:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * 2**i)


# %% wrong="with_retry" says="nothing was raised; swallowed"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if status != 429 and status < 500:
            raise RuntimeError(f"{status}: {body}")
        if i < n - 1:
            sleep(base * 2**i)
    return None


# %% wrong="with_retry" says="nothing was raised; swallowed"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status != 429 and status < 500:
            return body
        if i == n - 1:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * 2**i)


# %% wrong="with_retry" says="the first one included"
def with_retry(call, n, base, sleep):
    for i in range(n + 1):
        status, body = call()
        if status == 200:
            return body
        if (status != 429 and status < 500) or i == n:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * 2**i)


# %% wrong="with_retry" says="never gives up"
def with_retry(call, n, base, sleep):
    i = 0
    while True:
        status, body = call()
        if status == 200:
            return body
        if status != 429 and status < 500:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * 2**i)
        i += 1


# %% wrong="with_retry" says="all waits are equal"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if (status != 429 and status < 500) or i == n - 1:
            raise RuntimeError(f"{status}: {body}")
        sleep(base)


# %% wrong="with_retry" says="grow linearly"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if (status != 429 and status < 500) or i == n - 1:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * (i + 1))


# %% wrong="with_retry" says="first wait must be base"
def with_retry(call, n, base, sleep):
    for i in range(1, n + 1):
        status, body = call()
        if status == 200:
            return body
        if (status != 429 and status < 500) or i == n:
            raise RuntimeError(f"{status}: {body}")
        sleep(base * 2**i)


# %% wrong="with_retry" says="not raised to a power"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if (status != 429 and status < 500) or i == n - 1:
            raise RuntimeError(f"{status}: {body}")
        sleep(base**i)


# %% wrong="with_retry" says="never waited; sleep that was given"
def with_retry(call, n, base, sleep):
    import time

    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if (status != 429 and status < 500) or i == n - 1:
            raise RuntimeError(f"{status}: {body}")
        time.sleep(base * 2**i / 100)


# %% wrong="with_retry" says="whole reply"
def with_retry(call, n, base, sleep):
    for i in range(n):
        reply = call()
        if reply[0] == 200:
            return reply
        if (reply[0] != 429 and reply[0] < 500) or i == n - 1:
            raise RuntimeError(f"{reply[0]}: {reply[1]}")
        sleep(base * 2**i)


# %% wrong="with_retry" says="Name the status of the last reply"
def with_retry(call, n, base, sleep):
    for i in range(n):
        status, body = call()
        if status == 200:
            return body
        if (status != 429 and status < 500) or i == n - 1:
            raise RuntimeError("the model is not available")
        sleep(base * 2**i)


# %% [markdown]
# Now against a real server on this machine. It is told to be out of sorts: it answers 429,
# then 503, then 200, and then 400 to a second customer.

# %% demo
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

script = [429, 503, 200, 400, 200]


class Moody(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status = script.pop(0)
        words = "We ship on Tuesdays." if status == 200 else "not now"
        data = json.dumps({"text": words}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def post():
    reply = client.post(address, json={"messages": [user("When do you ship?")]})
    print("  status", reply.status_code)
    return reply.status_code, reply.json()["text"]


def sleep_aloud(seconds):
    print("  waiting", seconds, "s")
    time.sleep(seconds)


server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/chat"
with httpx.Client(trust_env=False) as client:
    for customer in ("first", "second"):
        print(f"{customer} customer")
        try:
            print("  →", with_retry(post, 4, 0.25, sleep_aloud))
        except RuntimeError as error:
            print("  → raised", error)
server.shutdown()
server.server_close()

# %% [markdown]
# ## 9 · The same thing over HTTP
#
# Last, a whole model behind an address. `course serve` in a terminal starts an
# OpenAI-compatible server on this machine, with the same weights in a compressed form. Or
# set `CROSSROADS_BASE_URL`, `CROSSROADS_API_KEY` and `CROSSROADS_MODEL` to those of any
# provider before you start JupyterLab. The code does not change: that is what an interface
# is for.
#
# There is a better model for this machine too: `course fetch qwen-0.5b`, and then
# `CROSSROADS_CHAT_MODEL=qwen-0.5b` before you start JupyterLab. It takes the place of SmolLM2
# wherever a cell of this track calls a chat model (the numbers in the text stay SmolLM2's). A2
# ends with a table of the difference.

# %% demo
from course import serve, settings
from course.errors import ModelError
from course.llm import connect
from course.llm_api import ApiModel

running = serve.status()
try:
    if settings.load().base_url:
        remote = connect("api")
    elif running:
        remote = ApiModel(running.base_url, model=running.model)
    else:
        remote = None
        print("No server is configured, so there is nothing to ask here.")
        print("Type `course serve` in a terminal, then run this cell again.")
    if remote is not None:
        print(remote)
        print(remote.chat([user(question)], max_tokens=40))
        for piece in remote.stream([user(question)], max_tokens=40):
            print(piece, end=" | ", flush=True)
except ModelError as error:
    print("The server did not answer:", error)

# %% [markdown]
# The same record, the same `prompt_tokens` if the model is the same one: your three notes
# are answered. The assistant samples (section 6). The template writes the other tokens
# (section 3). And the page can ask again, politely (section 8).
#
# ## What this tells you about the job
#
# What you just did is what an AI engineer does when an assistant behaves oddly: not to
# train anything, but to open the call and look at what goes in and what comes out. Most
# days you will not write these five functions. Libraries hold them. You will *read* them:
# when a prompt that worked with one model fails with the next (another template), when two
# servers with the same settings answer differently (another order of the cuts), when
# answers end in the middle of a sentence (`finish_reason`), when the bill is larger than the
# text (tokens), and on the evening when the provider says 429.
#
# The mathematics was a page: softmax and the chain rule. Most of the work was contracts:
# which row scores which token, who owns the stop token, which failure may be repeated. If
# you enjoyed getting such agreements exactly right, note it. The other half of this day,
# M1, has one contract and much more mathematics.
#
# ## Further reading
#
# - R. Sennrich, B. Haddow, A. Birch: *Neural Machine Translation of Rare Words with Subword
#   Units*, ACL 2016. Where byte-pair encoding for text comes from.
# - A. Holtzman, J. Buys, L. Du, M. Forbes, Y. Choi: *The Curious Case of Neural Text
#   Degeneration*, ICLR 2020. Why to cut the tail: top-p.
# - A. Petrov, E. La Malfa, P. Torr, A. Bibi: *Language Model Tokenizers Introduce Unfairness
#   Between Languages*, NeurIPS 2023. What section 2 costs whom.
# - L. Ben Allal and others: *SmolLM2: When Smol Goes Big*, 2025, arXiv:2502.02737. The model
#   that you just drove.
# - M. Brooker: *Exponential Backoff and Jitter*, AWS Architecture Blog, 2015.
# - C. Huyen: *AI Engineering*, O'Reilly, 2025. Chapter 2 on sampling.
#
# ## Would you do this again tomorrow?

# %%
again("a1", 0)
