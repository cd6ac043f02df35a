"""A package index and a model hub on loopback, with ways to fail."""

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from course import manifest


@dataclass
class Served:
    """One file of the index; the fields after `data` say how it misbehaves."""

    package: str
    data: bytes
    status: int = 200
    ranges: bool = True
    break_at: list[int] = field(default_factory=list)  # bytes, one per request
    hold_after: int | None = None  # sends so many bytes, then waits for `release`


class FakeIndex(ThreadingHTTPServer):
    """Serves PEP 503 (or 691) pages, files with ranges, and `resolve` links."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.hub: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.page_status, self.as_json = 200, False
        self.release = threading.Event()
        serve = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        serve.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def downloads(self, name):
        """The `Range` headers of all requests for a file."""
        return [asked for path, asked in self.requests if path == f"/files/{name}"]

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the play."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # noqa: A002 - the base class's name
        pass

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        index = self.server
        index.requests.append((self.path, self.headers.get("Range")))
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "simple":
            self._page(rest)
        elif kind == "files":
            self._file(index.files[rest])
        elif self.path in index.hub:
            self._hub_file(index.hub[self.path], body)
        else:
            self._answer(404, b"", "text/plain")

    def _page(self, package):
        index = self.server
        names = [n for n, f in index.files.items() if f.package == package]
        if index.page_status != 200 or not names:
            self._answer(404 if index.page_status == 200 else index.page_status, b"")
        elif index.as_json:
            files = [{"filename": n, "url": f"/files/{n}", "hashes": {}} for n in names]
            page = {"meta": {"api-version": "1.0"}, "name": package, "files": files}
            self._answer(
                200, json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json"
            )
        else:
            links = "".join(f'<a href="/files/{n}">{n}</a>' for n in names)
            self._answer(200, f"<html><body>{links}</body></html>".encode())

    def _file(self, served):
        if served.status != 200:
            return self._answer(served.status, b"")
        asked = self.headers.get("Range") if served.ranges else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(served.data):
            return self._answer(416, b"")
        data = served.data[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if served.break_at:
            self.wfile.write(data[: served.break_at.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        elif served.hold_after is not None:
            self.wfile.write(data[: served.hold_after])
            self.wfile.flush()
            self.server.release.wait(20)
            self.close_connection = True
        else:
            self.wfile.write(data)
        return None

    def _hub_file(self, data, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", "1" * 40)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _answer(self, status, data, kind="text/html"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def wheel(members):
    """A zip file with these members: name -> bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return buffer.getvalue()


def sdist(members, link=None):
    """A tar.gz file with these members, and `link` (name, target) if given."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tarred:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tarred.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link[0])
            info.type, info.linkname = tarfile.SYMTYPE, link[1]
            tarred.addfile(info)
    return buffer.getvalue()


def entry(files, distributions, convert="copy", hub=None):
    """A manifest entry.

    Args:
        files: raw name -> list of (distribution file, member, bytes).
        distributions: file -> its bytes.
        hub: (repo, revision, path) of the only raw file.
    """
    raw = []
    for name, parts in files.items():
        whole = b"".join(data for _, _, data in parts)
        raw.append(
            {
                "name": name,
                "size": len(whole),
                "sha256": sha256(whole),
                "parts": [
                    {"file": f, "member": m, "size": len(d), "sha256": sha256(d)}
                    for f, m, d in parts
                ],
            }
        )
        if hub:
            raw[-1]["hub"] = dict(zip(("repo", "revision", "path"), hub, strict=True))
    return {
        "purpose": "made up",
        "default": True,
        "licence": "MIT",
        "source": "this test",
        "note": "",
        "convert": convert,
        "ready_size": 100,
        "distributions": [
            {
                "package": Path(file).name.split("-")[0],
                "version": "1.0",
                "file": file,
                "size": len(data),
                "sha256": sha256(data),
            }
            for file, data in distributions.items()
        ],
        "files": raw,
    }


def one_wheel(data=b"x" * 3_000_000, member="toy/data.bin", name="data.bin", **more):
    """An entry whose only file is in one wheel, and the wheel."""
    file = "toy-1.0-py3-none-any.whl"
    packed = wheel({member: data, "toy/__init__.py": b"raise SystemExit('imported')"})
    return entry({name: [(file, member, data)]}, {file: packed}, **more), packed


def parsed(**entries):
    return manifest.parse(entries)
