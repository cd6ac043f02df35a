"""A PostgreSQL server of a test's own, on loopback, gone when the test is."""

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/bin")


def program(name):
    """Return a program of PostgreSQL, or None."""
    found = [path for place in PLACES for path in Path("/").glob(f"{place[1:]}/{name}")]
    return str(max(found)) if found else shutil.which(name)


@contextlib.contextmanager
def server():
    """Start a server; give the URL of its database. Skips where there is none."""
    pytest.importorskip("psycopg", reason="psycopg (the extra `postgres`) is missing")
    if program("initdb") is None or program("pg_ctl") is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed")
    who = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="crossroads-pg-") as name:
        folder = Path(name)
        password = secrets.token_hex(8)
        (folder / "password").write_text(password)
        if who is not None:
            for path in (folder, folder / "password"):
                os.chown(path, who, -1)
        port = _free_port()
        data = str(folder / "data")
        arguments = ["-D", data, "-U", "grader", "-A", "scram-sha-256", "-E", "UTF8"]
        arguments += ["--no-sync", "--no-locale", "--pwfile", str(folder / "password")]
        _run(who, folder, "initdb", *arguments)
        told = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -F"
        log = str(folder / "log")
        _run(who, folder, "pg_ctl", "-D", data, "-w", "-l", log, "-o", told, "start")
        try:
            yield f"postgresql://grader:{password}@127.0.0.1:{port}/postgres"
        finally:
            _run(who, folder, "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def execute(url, statement):
    """Run one statement outside of a transaction."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _run(who, folder, name, *arguments):
    done = subprocess.run(
        [program(name), *arguments],
        cwd=folder,
        user=who,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if name == "initdb" else subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def _unprivileged():
    """Return a user for the server, which refuses to run as root; None: this one."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    pytest.skip("PostgreSQL does not run as root, and there is no other user")


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
