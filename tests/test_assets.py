"""Assets arrive whole and verified, or not at all, with an error that says why."""

import dataclasses
import errno
import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from fake_index import FakeIndex, Served, entry, one_wheel, parsed, sdist, wheel

from course import assets, download, fetching, manifest
from course import lesson as library
from course.download import Patience
from course.errors import (
    AssetCorrupt,
    AssetError,
    AssetMissing,
    AssetUnavailable,
)

WHEEL = "toy-1.0-py3-none-any.whl"
SHORT = Patience(attempts=3, pause_s=0.01, timeout_s=5)
FETCH = """
import json, sys
from course import assets, manifest
from course.download import Patience
known = manifest.parse(json.load(open(sys.argv[1])))
source = sys.argv[2] if len(sys.argv) > 2 else None
patience = Patience(attempts=2, pause_s=0.01, timeout_s=30)
assets.fetch(assets=known, progress=False, patience=patience, source=source)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("CROSSROADS_CACHE", str(folder))
    return folder


@pytest.fixture
def index(cache, monkeypatch):
    with FakeIndex() as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
        yield server
        server.release.set()
        server.shutdown()


@pytest.fixture
def toy(index):
    """One asset in one wheel, served."""
    described, packed = one_wheel(os.urandom(3_000_000))
    index.files[WHEEL] = Served("toy", packed)
    return parsed(toy=described)


def get(known, **options):
    assets.fetch(assets=known, progress=False, patience=SHORT, **options)


def state(known, name="toy"):
    return {it.name: it for it in assets.status(known)}[name].state


def spawn(known_json, tmp_path, *more):
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(known_json))
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FETCH, str(file), *more],
        stderr=subprocess.PIPE,
        text=True,
    )


def leftovers(cache):
    return [*(cache / "work").iterdir(), *(cache / "downloads").iterdir()]


# --- the manifest ---------------------------------------------------------------


def test_the_manifest_pins_every_file_and_says_what_it_is():
    for asset in manifest.load().values():
        pinned = [*asset.distributions, *asset.files]
        pinned += [part for file in asset.files for part in file.parts]
        assert all(len(it.sha256) == 64 and it.size > 0 for it in pinned)
        assert all([asset.purpose, asset.licence, asset.source, asset.note])


def test_the_parts_of_a_file_add_up_to_it():
    for asset in manifest.load().values():
        for file in asset.files:
            assert sum(part.size for part in file.parts) == file.size
            assert len(file.parts) > 1 or file.parts[0].sha256 == file.sha256


def test_the_default_set_is_what_the_lessons_need():
    default = {name for name, it in manifest.load().items() if it.default}
    lessons = [library.read(path) for path in library.lesson_paths()]
    assert default == {name for lesson in lessons for name in lesson.assets}


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", ".hidden"])
def test_a_manifest_cannot_name_a_place_outside_of_the_cache(name):
    described, _ = one_wheel(b"x", name=name)
    with pytest.raises(AssetError, match="plain file name"):
        parsed(toy=described)


def test_a_part_of_an_unlisted_distribution_is_refused():
    described, _ = one_wheel(b"x")
    described["files"][0]["parts"][0]["file"] = "other.whl"
    with pytest.raises(AssetError, match="add it there"):
        parsed(toy=described)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(AssetError, match=r"'qwen'.*qwen-0.5b"):
        assets.path("qwen")


# --- getting them ---------------------------------------------------------------


@pytest.mark.parametrize("as_json", [False, True])
def test_a_fetched_asset_is_ready_and_nothing_is_left_over(toy, index, cache, as_json):
    index.as_json = as_json
    assert state(toy) == "missing"
    get(toy)
    assert state(toy) == "ready"
    file = cache / "toy" / "data.bin"
    assert download.sha256_of(file) == toy["toy"].files[0].sha256
    assert leftovers(cache) == []


def test_a_second_fetch_asks_nobody_and_is_quick(toy, index):
    get(toy)
    index.requests.clear()
    start = time.perf_counter()
    get(toy)
    assert time.perf_counter() - start < 0.2
    assert index.requests == []


def test_path_names_the_asset_the_reason_and_the_command(cache):
    with pytest.raises(AssetMissing) as caught:
        assets.path("smollm2")
    words = str(caught.value)
    assert "course fetch smollm2" in words
    assert f"{cache / 'smollm2'} is not there yet" in words


def test_path_is_the_folder_once_it_is_ready(cache, toy, monkeypatch):
    get(toy)
    monkeypatch.setattr(manifest, "load", lambda: toy)
    assert assets.path("toy") == cache / "toy"


def test_a_changed_manifest_makes_the_old_asset_outdated(toy, index, cache):
    get(toy)
    described, packed = one_wheel(b"another edition")
    newer = parsed(toy=described)
    assert state(newer) == "outdated"
    index.files[WHEEL].data = packed
    get(newer)
    assert (cache / "toy" / "data.bin").read_bytes() == b"another edition"


def test_new_words_in_the_manifest_do_not_outdate_an_asset(toy):
    get(toy)
    reworded = {"toy": dataclasses.replace(toy["toy"], purpose="x", note="y")}
    assert state(reworded) == "ready"


@pytest.mark.parametrize("harm", [lambda f: f.unlink(), lambda f: f.write_bytes(b"")])
def test_a_file_that_was_cut_or_deleted_is_noticed_and_mended(toy, cache, harm):
    get(toy)
    harm(cache / "toy" / "data.bin")
    assert state(toy) == "damaged"
    get(toy)
    assert state(toy) == "ready"


def test_a_folder_without_its_marker_is_not_taken_for_finished(toy, cache):
    get(toy)
    (cache / "toy" / assets.MARKER).unlink()
    assert state(toy) == "missing"


def test_a_marker_that_is_not_json_counts_as_damage(toy, cache):
    get(toy)
    (cache / "toy" / assets.MARKER).write_text("{")
    assert state(toy) == "damaged"


def test_a_file_in_many_parts_is_joined_in_order(index, cache):
    parts, packed = [], {}
    for i in range(3):
        file, data = f"piece{i}-1.0-py3-none-any.whl", bytes([i]) * 1000
        packed[file] = wheel({"p/part.bin": data})
        index.files[file] = Served(f"piece{i}", packed[file])
        parts.append((file, "p/part.bin", data))
    known = parsed(big=entry({"whole.bin": parts}, packed))
    get(known)
    whole = (cache / "big" / "whole.bin").read_bytes()
    assert whole == b"\0" * 1000 + b"\1" * 1000 + b"\2" * 1000


def test_assets_in_one_package_need_one_download(index, cache):
    packed = wheel({"a": b"aaa", "b": b"bbb"})
    index.files[WHEEL] = Served("toy", packed)
    known = parsed(
        **{n: entry({n: [(WHEEL, n, n.encode() * 3)]}, {WHEEL: packed}) for n in "ab"}
    )
    get(known)
    assert len(index.downloads(WHEEL)) == 1
    assert leftovers(cache) == []


def test_an_sdist_is_opened_and_its_setup_script_is_not_run(index, cache):
    file = "toy-1.0.tar.gz"
    packed = sdist({"toy-1.0/setup.py": b"raise SystemExit", "toy-1.0/d.csv": b"1,2"})
    index.files[file] = Served("toy", packed)
    get(parsed(toy=entry({"d.csv": [(file, "toy-1.0/d.csv", b"1,2")]}, {file: packed})))
    assert (cache / "toy" / "d.csv").read_bytes() == b"1,2"


@pytest.mark.parametrize("pack", [wheel, sdist])
@pytest.mark.parametrize("folder", ["../..", "absolute"])
def test_a_member_that_points_outside_does_not_get_there(
    index, cache, tmp_path, pack, folder
):
    member = f"{tmp_path if folder == 'absolute' else folder}/escaped"
    packed = pack({member: b"here I am"})
    index.files[WHEEL] = Served("toy", packed)
    known = parsed(toy=entry({"d": [(WHEEL, member, b"here I am")]}, {WHEEL: packed}))
    get(known)
    assert (cache / "toy" / "d").read_bytes() == b"here I am"
    assert list(tmp_path.rglob("*escaped*")) == []


def test_a_link_in_an_archive_is_not_followed(index, cache, tmp_path):
    (tmp_path / "secret").write_bytes(b"s")
    packed = sdist({"a": b"a"}, link=("d", str(tmp_path / "secret")))
    index.files[WHEEL] = Served("toy", packed)
    with pytest.raises(AssetCorrupt, match="not a plain file"):
        get(parsed(toy=entry({"d": [(WHEEL, "d", b"s")]}, {WHEEL: packed})))


# --- what can go wrong ----------------------------------------------------------


def test_a_broken_connection_is_gone_on_with(toy, index, cache):
    index.files[WHEEL].break_at = [1_000_000, 500_000]
    get(toy)
    assert state(toy) == "ready"
    first, *later = index.downloads(WHEEL)
    assert first is None
    assert all(it.startswith("bytes=") for it in later)


def test_a_server_without_ranges_is_asked_for_the_whole_file_again(toy, index):
    index.files[WHEEL].break_at = [1_000_000]
    index.files[WHEEL].ranges = False
    get(toy)
    assert state(toy) == "ready"


def test_a_connection_that_keeps_breaking_ends_in_words(toy, index, cache):
    index.files[WHEEL].break_at = [200_000] * 50
    with pytest.raises(AssetUnavailable, match=r"broke off at \d.*run `course fetch`"):
        get(toy)
    assert state(toy) == "missing"
    assert (cache / "downloads" / f"{WHEEL}.part").stat().st_size > 0


@pytest.mark.parametrize("size", [10, 1_000_000, 3_000_500, 9_000_000])
def test_an_older_files_half_does_no_harm(toy, cache, size):
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / f"{WHEEL}.part").write_bytes(b"?" * size)
    get(toy)
    assert state(toy) == "ready"


def test_other_bytes_than_the_manifests_are_refused_and_removed(toy, index, cache):
    index.files[WHEEL].data = index.files[WHEEL].data[:-1] + b"!"
    with pytest.raises(AssetCorrupt, match=toy["toy"].distributions[0].sha256):
        get(toy)
    assert state(toy) == "missing"
    assert list((cache / "downloads").iterdir()) == []


@pytest.mark.parametrize("longer", [b"", b"more"])
def test_a_longer_or_shorter_file_is_refused(toy, index, longer):
    data = index.files[WHEEL].data
    index.files[WHEEL].data = data + longer if longer else data[:-1000]
    with pytest.raises(AssetCorrupt):
        get(toy)


def test_a_wrong_member_in_a_right_package_is_refused(index):
    described, packed = one_wheel(b"abc")
    wrong = "0" * 64
    described["files"][0]["sha256"] = described["files"][0]["parts"][0]["sha256"] = (
        wrong
    )
    index.files[WHEEL] = Served("toy", packed)
    with pytest.raises(AssetCorrupt, match=r"toy/data.bin must have 3 bytes"):
        get(parsed(toy=described))


def test_a_missing_member_is_named(index):
    described, packed = one_wheel(b"abc")
    described["files"][0]["parts"][0]["member"] = "toy/other.bin"
    index.files[WHEEL] = Served("toy", packed)
    with pytest.raises(AssetCorrupt, match=r"has no member toy/other.bin"):
        get(parsed(toy=described))


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "404"), (410, "410"), (500, "500"), (503, "503")],
)
def test_a_refused_file_is_named_with_the_servers_answer(toy, index, status, words):
    index.files[WHEEL].status = status
    with pytest.raises(AssetUnavailable, match=rf"{WHEEL}.*{words}.*--from"):
        get(toy)


def test_a_package_that_vanished_has_other_sources(toy, index):
    index.files.clear()
    with pytest.raises(AssetUnavailable, match=r"no longer has it.*--from hub"):
        get(toy)


def test_a_version_that_vanished_is_named(toy, index):
    index.files = {"toy-2.0-py3-none-any.whl": Served("toy", b"")}
    with pytest.raises(AssetUnavailable, match=r"version 1.0"):
        get(toy)


def test_an_index_with_an_error_is_asked_again_and_then_reported(toy, index):
    index.page_status = 500
    with pytest.raises(AssetUnavailable, match=r"no answer.*500"):
        get(toy)
    assert len(index.requests) == SHORT.attempts


def test_offline_is_said_in_words_without_the_password(toy, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple/")
    with pytest.raises(AssetUnavailable, match="check the network") as caught:
        get(toy)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)


def test_pips_configuration_names_the_index(tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://a.example/s\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    assert download.open_index(SHORT).url == "https://a.example/s"


def test_the_usual_certificates_are_trusted(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://a.example/s")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    session = download.open_index(SHORT).session
    used = session.merge_environment_settings("https://a.example", {}, None, None, None)
    assert used["verify"] == str(tmp_path / "company.pem")


def test_a_full_disk_is_said_before_the_download(toy, index, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(AssetUnavailable, match=r"has 1 MB left.*CROSSROADS_CACHE"):
        get(toy)
    assert index.requests == []


def test_a_disk_that_fills_up_meanwhile_is_said(toy, cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetching, "take", full)
    with pytest.raises(AssetUnavailable, match=r"is full: free some"):
        get(toy)
    assert state(toy) == "missing"


def test_a_file_in_the_cache_folders_place_is_reported(toy, cache):
    cache.write_text("not a folder")
    with pytest.raises(AssetUnavailable, match=r"cannot be written.*CROSSROADS_CACHE"):
        get(toy)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX users")
def test_a_read_only_cache_is_reported(toy, cache, tmp_path):
    cache.mkdir(mode=0o555)
    if os.geteuid():
        with pytest.raises(AssetUnavailable, match="cannot be written"):
            get(toy)
        return
    # The superuser may write anywhere: be nobody in a child process.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and "pytest" in str(folder):
            folder.chmod(0o755)
    file = tmp_path / "manifest.json"
    described, _ = one_wheel()
    file.write_text(json.dumps({"toy": described}))
    imports = "import os, course.fetching, rich.console, rich.progress"
    drop = f"{imports}\nos.seteuid(65534)\n{FETCH}"
    run = subprocess.run(
        [sys.executable, "-c", drop, str(file)], capture_output=True, text=True
    )
    assert "AssetUnavailable" in run.stderr
    assert "cannot be written (Permission denied)" in run.stderr


def test_a_pickle_with_a_command_in_it_ends_the_fetch(index, cache, tmp_path):
    evil = lzma.compress(b"cposix\nmkdir\n(V" + bytes(tmp_path / "made") + b"\ntR.")
    described, packed = one_wheel(evil, name="d.pkl.xz", convert="pickled-table")
    index.files[WHEEL] = Served("toy", packed)
    with pytest.raises(AssetError, match=r"posix.mkdir, which no table needs: refused"):
        get(parsed(toy=described))
    assert state(parsed(toy=described)) == "missing"
    assert not (tmp_path / "made").exists()


# --- several processes, and killed ones -----------------------------------------


def test_two_processes_at_once_download_once(index, cache, tmp_path):
    described, packed = one_wheel()
    index.files[WHEEL] = Served("toy", packed)
    both = [spawn({"toy": described}, tmp_path) for _ in range(2)]
    errors = [it.communicate(timeout=60)[1] for it in both]
    assert [it.returncode for it in both] == [0, 0], errors
    assert len(index.downloads(WHEEL)) == 1
    assert state(parsed(toy=described)) == "ready"


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_fetch_is_gone_on_with(index, cache, tmp_path):
    described, packed = one_wheel(os.urandom(5_000_000))
    index.files[WHEEL] = Served("toy", packed, hold_after=3_000_000)
    part = cache / "downloads" / f"{WHEEL}.part"
    child = spawn({"toy": described}, tmp_path)
    wait_for(lambda: part.exists() and part.stat().st_size > 1_000_000)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=10)
    known = parsed(toy=described)
    assert state(known) == "missing"
    index.files[WHEEL].hold_after = None
    get(known)
    assert state(known) == "ready"
    assert index.downloads(WHEEL)[-1].startswith("bytes=")


def wait_for(happened, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


# --- other sources --------------------------------------------------------------


@pytest.mark.parametrize("how", ["package", "member", "raw"])
def test_a_folder_gives_the_package_or_the_file_itself(index, cache, tmp_path, how):
    described, packed = one_wheel(b"abc", member="toy/inner.bin")
    names = {"package": WHEEL, "member": "inner.bin", "raw": "data.bin"}
    (tmp_path / names[how]).write_bytes(packed if how == "package" else b"abc")
    get(parsed(toy=described), source=str(tmp_path))
    assert (cache / "toy" / "data.bin").read_bytes() == b"abc"
    assert index.requests == []


@pytest.mark.parametrize("put", [None, b"other bytes"])
def test_a_folder_without_the_right_file_is_told_what_to_hold(toy, tmp_path, put):
    if put:
        (tmp_path / "data.bin").write_bytes(put)
    with pytest.raises(AssetUnavailable, match=rf"neither {WHEEL} nor .*data.bin"):
        get(toy, source=str(tmp_path))


def hub_asset(index, data=b"weights"):
    described, _ = one_wheel(data, hub=("someone/model", "v1", "m.safetensors"))
    index.hub["/someone/model/resolve/v1/m.safetensors"] = data
    return described


def from_hub(described, index, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", index.url)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    child = spawn({"toy": described}, tmp_path, "hub")
    return child.communicate(timeout=60)[1]


def test_a_model_hub_gives_the_same_file(index, cache, tmp_path, monkeypatch):
    described = hub_asset(index)
    errors = from_hub(described, index, tmp_path, monkeypatch)
    assert state(parsed(toy=described)) == "ready", errors
    assert (cache / "toy" / "data.bin").read_bytes() == b"weights"
    assert index.downloads(WHEEL) == []


def test_a_hubs_file_is_verified_too(index, cache, tmp_path, monkeypatch):
    described = hub_asset(index)
    index.hub["/someone/model/resolve/v1/m.safetensors"] = b"changed"
    errors = from_hub(described, index, tmp_path, monkeypatch)
    assert "AssetCorrupt" in errors
    assert state(parsed(toy=described)) == "missing"


def test_a_hub_without_the_file_is_reported(index, cache, tmp_path, monkeypatch):
    described = hub_asset(index)
    index.hub.clear()
    errors = from_hub(described, index, tmp_path, monkeypatch)
    assert "AssetUnavailable: toy: m.safetensors of someone/model" in errors


def test_an_asset_that_no_hub_has_says_so(toy):
    with pytest.raises(AssetUnavailable, match="leave out --from hub"):
        get(toy, source="hub")


def test_the_list_shows_every_asset_with_its_licence(cache):
    table = assets.status_table()
    for name, asset in manifest.load().items():
        assert name in table
        assert asset.licence.split()[0] in table
