"""The wire: plain data arrives as it was sent; whatever else arrives is refused."""

import collections
import datetime
import decimal
import fractions
import math
import pathlib
import random
import socket
import struct

import msgpack
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgpack import ExtType

from autograder import wire, wire_changes
from autograder import wire_format as wf


class NoReferences:
    """Owner of a codec to which nothing but plain data may come."""

    def __init__(self, libraries=("pandas",)):
        self.libraries = libraries

    def encode(self, value):
        raise wf.WireError(f"a reference to {type(value).__name__}")

    def decode(self, code, payload):
        raise wf.WireError("a reference")

    def knows(self, library):
        return library in self.libraries

    def is_record(self, kind):
        return False

    def record_class(self, module, name):
        return None


CODEC = wire.Codec(NoReferences())
Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 - as learners write it
PLAIN = [
    None, True, 1, -(2**63), 2**64, -(2**200), 1.5, float("inf"), "text", "\ud800", b"\0",
    (1, (2, [3])), {1, "a"}, frozenset([1.5]), 1 + 2j, range(2, 9, 3), slice(1, None),
    {(1, 2): {"a": [None]}}, Point(1, "b"), collections.Counter("aab"),
    collections.OrderedDict(b=1, a=2), collections.deque([1, 2]), ...,
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC), datetime.date(2026, 1, 2),
    datetime.time(1, 2), datetime.timedelta(1, 2, 3), decimal.Decimal("1.20"),
    fractions.Fraction(1, 3), pathlib.Path("a/b"),
]  # fmt: skip
ARRAYS = [
    np.arange(6).reshape(2, 3), np.arange(5000.0), np.zeros((0, 3), "f4"),
    np.array(2.5), np.array([True, False]), np.array(["ab", "ç"]), np.array([b"x"]),
    np.array(["2026-01-01"], "M8[D]"), np.array([1 + 2j]), np.arange(4)[::2],
    np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3, dtype=">i4"),
    np.float32(1.5), np.bool_(True), np.int64(7), np.str_("x"), np.datetime64("2026"),
]  # fmt: skip


def there_and_back(value, codec=CODEC):
    return codec.loads(*codec.dumps(value))


@pytest.mark.parametrize("value", PLAIN, ids=lambda it: type(it).__name__)
def test_plain_data_arrives_as_it_was_sent(value):
    found = there_and_back([value])[0]
    assert found == value
    assert type(found).__name__ == type(value).__name__


@pytest.mark.parametrize("value", ARRAYS, ids=lambda it: str(it.dtype))
def test_arrays_arrive_with_dtype_and_shape(value):
    found = there_and_back(value)
    assert type(found) is type(value)
    assert (found.shape, found.dtype) == (value.shape, value.dtype.newbyteorder("<"))
    assert np.array_equal(found, value)


def test_a_nan_stays_a_nan():
    assert math.isnan(there_and_back(float("nan")))


def test_one_array_sent_twice_is_one_array():
    array = np.arange(3)
    first, second, other = there_and_back([array, array, array.copy()])
    assert first is second
    assert other is not first


def test_generators_go_on_where_they_stood():
    for mine in (
        random.Random(1),
        np.random.default_rng(1),
        np.random.RandomState(1),
    ):
        mine.random()
        theirs = there_and_back(mine)
        assert [theirs.random() for _ in range(3)] == [mine.random() for _ in range(3)]


def test_tables_arrive_with_their_index_and_dtypes():
    frame = pd.DataFrame(
        {
            "a": [1, 2],
            "b": ["x", None],
            "c": pd.Categorical(["u", "v"]),
            "d": pd.array([1, None], dtype="Int64"),
            "e": pd.to_datetime(["2026-01-01", "2026-01-02"]),
        },
        index=pd.MultiIndex.from_tuples([("p", 1), ("q", 2)], names=["i", "j"]),
    )
    pd.testing.assert_frame_equal(there_and_back(frame), frame)
    pd.testing.assert_series_equal(there_and_back(frame["b"]), frame["b"])
    index = frame.columns
    pd.testing.assert_index_equal(there_and_back(index), index)


def test_subclasses_arrive_as_values_without_their_class():
    class Sly(float):
        def __eq__(self, other):
            return True

        __hash__ = float.__hash__

    class Text(str):
        __slots__ = ()

        def __str__(self):
            return "another"

    number, text = there_and_back([Sly(1.0), Text("one")])
    assert (type(number), type(text)) == (float, str)
    assert number != 2
    assert text == "one"


def test_objects_and_object_arrays_are_left_to_references():
    for value in (object(), np.array([object()], dtype=object), lambda: 0):
        with pytest.raises(wf.WireError, match="a reference to"):
            CODEC.dumps(value)


def packed(code, payload):
    return msgpack.packb(ExtType(code, msgpack.packb(payload)))


FORGED = {
    "an object array": packed(wf.OBJECTS, [[1], [1]]),
    "a void dtype": packed(wf.ARRAY, ["|V8", [1], bytes(8)]),
    "an object dtype": packed(wf.ARRAY, ["|O", [1], bytes(8)]),
    "a structured dtype": packed(wf.ARRAY, ["i4,i4", [1], bytes(8)]),
    "a dtype that is no text": packed(wf.ARRAY, [["<f8"], [1], bytes(8)]),
    "a negative shape": packed(wf.ARRAY, ["<f8", [-1], b""]),
    "a huge shape": packed(wf.ARRAY, ["<f8", [1 << 60, 0], b""]),
    "a shape of floats": packed(wf.ARRAY, ["<f8", [1.0], bytes(8)]),
    "too few bytes": packed(wf.ARRAY, ["<f8", [2], bytes(8)]),
    "too many bytes": packed(wf.ARRAY, ["<f8", [1], bytes(9)]),
    "no such buffer": packed(wf.ARRAY, ["<f8", [1], 3]),
    "text out of Unicode": packed(wf.ARRAY, ["<U1", [1], b"\xff\xff\xff\x7f"]),
    "an alias of nothing": packed(wf.ALIAS, 0),
    "a long scalar": packed(wf.SCALAR, ["<f8", [], bytes(16)]),
    "a scalar with a shape": packed(wf.SCALAR, ["<f8", [1], bytes(8)]),
    "a tensor without torch's dtype": packed(wf.TENSOR, ["qint8", 0, 0]),
    "an endless range": packed(wf.RANGE, [0, 1 << 62, 1]),
    "a range of texts": packed(wf.RANGE, ["a", "b", "c"]),
    "an integer of a million digits": msgpack.packb(ExtType(wf.INT, b"f" * 1_000_000)),
    "an integer in words": msgpack.packb(ExtType(wf.INT, b"one")),
    "a set of lists": packed(wf.SET, [[1]]),
    "a dict with a list for a key": b"\x81\x91\x01\x01",
    "a namedtuple of a keyword": packed(wf.NAMEDTUPLE, ["class", ["x"], [1]]),
    "a namedtuple of code": packed(wf.NAMEDTUPLE, ["P", ["x=print()"], [1]]),
    "a namedtuple of private names": packed(wf.NAMEDTUPLE, ["P", ["_x"], [1]]),
    "a namedtuple of too few": packed(wf.NAMEDTUPLE, ["P", ["x", "y"], [1]]),
    "an unknown record": packed(wf.RECORD, ["os", "stat_result", {}]),
    "a generator of another kind": packed(wf.GENERATOR, ["SFC64", 1]),
    "a generator that points outside": packed(
        wf.GENERATOR, ["MT19937", None, 10**9, 0, 0.0]
    ),
    "a generator's state out of range": packed(wf.GENERATOR, ["PCG64", -1, 1, 0, 0]),
    "a huge decimal": packed(wf.OTHER, ["decimal", "1e999999"]),
    "an unknown value": packed(wf.OTHER, ["pickle", b"cos\nsystem\n"]),
    "an unknown code": packed(77, 1),
    "a reference": packed(wf.HANDLE, [1, "o", "", []]),
    "half a message": b"\x93\x01",
    "nothing": b"",
    "two messages": b"\x01\x01",
    "bytes that are no text": b"\xa1\xff",
}


@pytest.mark.parametrize("body", FORGED.values(), ids=FORGED)
def test_forged_bytes_are_refused(body):
    with pytest.raises(wf.WireError):
        CODEC.loads(body)


def test_keys_that_collide_are_refused_before_they_cost_time():
    keys = [k * (2**61 - 1) for k in range(1, 4)]
    assert there_and_back(dict.fromkeys(keys, 0)) == dict.fromkeys(keys, 0)
    many = [packed_int(k * (2**61 - 1)) for k in range(1, 5000)]
    body = b"\xdf" + struct.pack(">I", len(many)) + b"".join(it + b"\0" for it in many)
    with pytest.raises(wf.WireError, match="equal hashes"):
        CODEC.loads(body)


def packed_int(number):
    return CODEC.dumps(number)[0]


def test_other_bytes_than_0_and_1_are_not_a_third_truth_value():
    found = CODEC.loads(packed(wf.ARRAY, ["|b1", [3], b"\x00\x02\xff"]))
    assert found.tobytes() == b"\x00\x01\x01"
    scalar = CODEC.loads(packed(wf.SCALAR, ["|b1", [], b"\x07"]))
    assert scalar.tobytes() == b"\x01"


def test_deep_nesting_is_refused():
    value = ()
    for _ in range(200):
        value = (value,)
    with pytest.raises(wf.WireError):
        there_and_back(value)
    with pytest.raises(wf.WireError):
        CODEC.loads(b"\x91" * 5000 + b"\x01")


def test_msgpacks_own_timestamps_become_numbers():
    assert type(CODEC.loads(b"\xd6\xff\x00\x00\x00\x01")) is float


@pytest.mark.parametrize(
    "head",
    [
        b"\xff" * 6,
        struct.pack("<IH", 4, 65),
        struct.pack("<IHQ", 4, 1, 1 << 40),
        struct.pack("<IH2Q", 4, 2, 200 << 20, 200 << 20),
    ],
)
def test_frames_over_the_limits_are_refused_before_anything_is_reserved(head):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(head)
        with pytest.raises(wf.WireError):
            wire.receive(ours, CODEC)


def test_a_claimed_length_reserves_no_memory():
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(struct.pack("<IHQ", 4, 1, 200 << 20) + b"\x01\x01\x01\x01")
        with pytest.raises(EOFError):
            wire.receive(ours, CODEC)


def test_large_arrays_cross_a_socket():
    import threading

    ours, theirs = socket.socketpair()
    array = np.arange(300_000.0)
    with ours, theirs:
        sender = threading.Thread(target=wire.send, args=(theirs, CODEC, [array, 1]))
        sender.start()
        found, one = wire.receive(ours, CODEC)
        sender.join()
    assert one == 1
    assert np.array_equal(found, array)
    found[0] = 5  # it is ours to change


def test_a_merge_keeps_identity_and_refuses_another_kind():
    xs, array = [1], np.zeros(2)
    wire_changes.merge(xs, [2, 3])
    wire_changes.merge(array, np.ones(2))
    assert (xs, array.tolist()) == ([2, 3], [1.0, 1.0])
    for value, new in (
        (xs, {}),
        ({}, []),
        (set(), []),
        (array, np.ones(3)),
        (array, 1),
    ):
        with pytest.raises(wf.WireError):
            wire_changes.merge(value, new)


def test_what_a_call_changed_is_found_with_its_peers():
    inner, outer = np.zeros(2), {}
    outer["w"] = inner
    watch = wire_changes.Watch([outer, 3, "x"], NoReferences(), 2)
    outer["b"] = 1
    inner += 1
    (first, content), (second, array) = watch.changes()
    assert (first, second, array is inner) == (0, 1, True)
    assert type(content["w"]) is wire_changes.Argument


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
)
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    SCALARS | st.complex_numbers(),
    lambda it: (
        st.lists(it, max_size=4)
        | st.tuples(it, it)
        | st.dictionaries(KEYS, it, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_any_plain_value_comes_back(value):
    assert repr(there_and_back(value)) == repr(value)  # repr: a nan is no equal


@settings(max_examples=300, deadline=None)
@given(VALUES, st.data())
def test_any_bytes_give_a_value_or_a_wire_error(value, data):
    """A valid message with some bytes exchanged, or no message at all."""
    body = bytearray(CODEC.dumps([value, np.arange(3), (1, {2})])[0])
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    body = bytes(body) if data.draw(st.booleans()) else data.draw(st.binary())
    try:
        found = CODEC.loads(body)
    except wf.WireError:
        return
    assert_plain(found)


def assert_plain(value):
    """Hold that a value is of exact builtin types and arrays that hold no objects."""
    kind = type(value)
    if kind in (list, tuple, set, frozenset, collections.deque):
        for it in value:
            assert_plain(it)
    elif kind in (dict, collections.Counter, collections.OrderedDict):
        for key, it in value.items():
            assert_plain(key)
            assert_plain(it)
    elif isinstance(value, np.ndarray | np.generic):
        assert value.dtype.kind in "biufcSUmM"
    else:
        allowed = {type(it) for it in PLAIN} - {Point} | {
            float,
            np.dtype,
            random.Random,
        }
        allowed |= {np.random.Generator, np.random.RandomState, pathlib.PosixPath}
        assert kind in allowed or isinstance(value, tuple | pd.DataFrame | pd.Series)
