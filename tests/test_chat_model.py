"""One setting exchanges the chat model of every demonstration."""

import re

import pytest

from course import lesson, llm
from course.errors import AssetMissing

# These rebuild SmolLM2 from its own weights: another model is another lesson.
BOUND = {"a3", "a6"}
FREE = [
    found
    for found in map(lesson.read, lesson.lesson_paths())
    if found.track == "ai_track" and found.id not in BOUND
]


@pytest.mark.parametrize("found", FREE, ids=lambda it: it.id)
def test_a_demonstration_takes_the_model_of_the_setting(found):
    cells = [cell.source for cell in found.cells if cell.role == "demo"]
    assert not [it for it in cells if re.search(r"load_local\([^)]", it)]


def test_the_setting_names_the_model(monkeypatch, tmp_path):
    monkeypatch.setenv("CROSSROADS_CACHE", str(tmp_path))
    monkeypatch.setenv("CROSSROADS_CHAT_MODEL", "qwen-0.5b")
    with pytest.raises(AssetMissing, match=r"qwen-0\.5b"):
        llm.load_local()
    monkeypatch.delenv("CROSSROADS_CHAT_MODEL")
    with pytest.raises(AssetMissing, match="smollm2"):
        llm.load_local()
