"""Fuzzes what reads hostile bytes: the wire's decoder and the notebook reader.

    python benchmarks/fuzz_wire.py [--inputs 1000000] [--seed 7] [--atheris]

Without options: a seeded loop that mutates valid messages and notebooks (bytes
exchanged, cut, doubled, spliced from another message), half the inputs each. With
`--atheris`: the same targets under atheris, which follows the coverage (Linux wheels
only). The target holds that there comes a plain value or the one exception that is
allowed, within 2 seconds; anything else ends the run with the input's hex.
"""

import argparse
import collections
import faulthandler
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pandas as pd
from msgpack import ExtType

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import contextlib

from referee_tools import cell, notebook

from autograder import submission, wire
from autograder import wire_format as wf

SLOW_S = 2.0
ASKED = notebook(["def f(x): return x"], ["assert f(1) == 1"], setup="import math")
REFERENCE = submission.reference(ASKED, "t")


class PlainReferences:
    """Makes a text of each reference: only the format is fuzzed here."""

    def encode(self, value: object) -> ExtType:
        """Return a handle like the student's."""
        return ExtType(wf.HANDLE, msgpack.packb([1, "o", "", [type(value).__name__]]))

    def decode(self, code: int, payload: object) -> object:
        """Return what was referred to, as text."""
        if code not in (wf.HANDLE, wf.CALLBACK, wf.ARGUMENT, wf.NAME):
            raise wf.WireError("an unknown reference")
        return repr(payload)[:100]

    def knows(self, library: str) -> bool:
        """Know pandas."""
        return library == "pandas"

    def is_record(self, _: type) -> bool:
        """Know no records."""
        return False

    def record_class(self, *_: str) -> type | None:
        """Know no records."""
        return None


CODEC = wire.Codec(PlainReferences())


def seeds() -> list[bytes]:
    """Return valid messages of every kind of value."""
    point = collections.namedtuple("point", "x y")  # noqa: PYI024 - as learners write it
    frame = pd.DataFrame(
        {"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])}
    )
    values: list[object] = [
        [123, "ok", 1.5, [], ""],
        [1, "raised", {"kind": object(), "args": [1], "text": "t"}, [[0, [1]]], "out"],
        {"a": (1, {2, 3}), (1, 2): frozenset([4]), 2**90: -(2**70)},
        [np.arange(6.0).reshape(2, 3), np.float32(1), np.array(["ab"]), np.bool_(True)],
        [np.array(["2026-01-01"], "M8[D]"), np.dtype("f4"), np.array([True, False])],
        [point(1, 2), collections.Counter("aab"), range(5), slice(1, 2), 1 + 2j],
        [random.Random(1), np.random.default_rng(1), np.random.RandomState(1)],
        [frame, frame["a"], frame.set_index(["a", "b"]).index],
        ["callback", "call", 1, [[1, 2]], {"k": object()}, 1],
    ]
    return [CODEC.dumps(it)[0] for it in values]


def notebooks() -> list[bytes]:
    """Return valid notebooks, with the oddities that are known by name."""
    old = {"nbformat": 3, "worksheets": [{"cells": ASKED["cells"]}]}
    extra = {**ASKED, "cells": [*ASKED["cells"], cell("x", "e0", solution=True)]}
    return [json.dumps(it).encode() for it in (ASKED, old, extra)]


def decode(data: bytes) -> None:
    """Decode: a value, or a WireError."""
    with contextlib.suppress(wf.WireError):
        CODEC.loads(data)


def plan(data: bytes) -> None:
    """Read a notebook: a plan with the reference's checks, or a rejection."""
    try:
        found = submission.plan(REFERENCE, submission.read(data))
    except submission.Rejected:
        return
    if found.due != REFERENCE.due:
        raise SystemExit("a notebook changed what is due")


def mutate(rng: random.Random, corpus: list[bytes]) -> bytes:
    """Return a valid input with one to eight changes."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(data)) if data else 0
        kind = rng.randrange(6)
        if kind < 2 and data:
            data[place] = rng.randrange(256)
        elif kind == 2 and data:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 3:
            del data[place : place + rng.randint(1, 9)]
        elif kind == 4:
            data[place:place] = data[place : place + rng.randint(1, 40)]
        else:
            other = rng.choice(corpus)
            start = rng.randrange(len(other))
            data[place:place] = other[start : start + rng.randint(1, 60)]
    return bytes(data)


def loop(
    name: str,
    target: Callable[[bytes], None],
    corpus: list[bytes],
    args: argparse.Namespace,
) -> None:
    """Run the target on mutated inputs; report the rate and the slowest."""
    rng, start, slowest = random.Random(args.seed), time.perf_counter(), 0.0
    for number in range(args.inputs // 2):
        data = mutate(rng, corpus)
        began = time.perf_counter()
        try:
            target(data)
        except BaseException:
            print(f"{name}: input {number} of seed {args.seed}: {data.hex()}")
            raise
        slowest = max(slowest, time.perf_counter() - began)
        if slowest > SLOW_S:
            raise SystemExit(f"{name}: {slowest:.1f} s for {data.hex()[:2000]}")
    seconds = time.perf_counter() - start
    count = args.inputs // 2
    print(
        f"{name}: {count} inputs in {seconds:.0f} s ({count / seconds:.0f}/s), the "
        f"slowest {slowest * 1e3:.1f} ms; no crash, no other exception"
    )


def with_atheris(args: argparse.Namespace) -> None:
    """Run the decoder, then the reader, under atheris, each in its own process."""
    for name in ("decode", "plan"):
        runs = f"-atheris_runs={args.inputs // 2}"
        script = (
            "import sys, atheris\n"
            f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            "with atheris.instrument_imports(include=['autograder', 'msgpack']):\n"
            "    import fuzz_wire\n"
            f"atheris.Setup([sys.argv[0], {runs!r}, '-seed={args.seed}', "
            f"'-timeout=5', '-max_len=4096', sys.argv[1]], fuzz_wire.{name})\n"
            "atheris.Fuzz()\n"
        )
        corpus = Path(args.corpus) / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(seeds() if name == "decode" else notebooks()):
            (corpus / f"seed{number}").write_bytes(data)
        command = [sys.executable, "-c", script, str(corpus)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"atheris {name}: exit {done.returncode}; {done.stderr[-300:].strip()}")
        if done.returncode and "Done " not in done.stderr[-300:]:
            raise SystemExit(done.returncode)


def main() -> None:
    """Parse the command line and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--atheris", action="store_true")
    parser.add_argument("--corpus", default="fuzz-corpus", help="atheris's folder")
    args = parser.parse_args()
    faulthandler.enable()
    if args.atheris:
        with_atheris(args)
        return
    loop("wire decode", decode, seeds(), args)
    loop("notebook reader", plan, notebooks(), args)


if __name__ == "__main__":
    main()
