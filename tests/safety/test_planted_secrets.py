"""Secrets go to the store and to the receivers, and nowhere else: not into a file, a log, a message or a traceback.

Every store here repeats what it was sent, in its data's warnings and in its refusals, as a proxy in a debugging mode
does.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fault_server as fault
import nbformat
import papermill
import pyarrow as pa
import pytest
from fault_server import Exchange, FaultServer
from planted import leaks
from pyarrow import parquet
from store_of import refusing, store_of
from tiny_notebooks import SHOW, notebook

from meshlab.cli import app

ROOT = Path(__file__).parents[2]
SECRETS = {
    "the token": "tok-Zq81<xW>0aVb",
    "the token of a file": "filed-9Yt4&Lm2kPe7",
    "the password": 'pass-"u3Hd8Rn5\\cJ',
    "the header": "head-6Gs1Bw7oXf3T",
    "the tenant": "tenant-2Kv9Ne5rQ",
    "the address": "user-4Fc8Ip1yMz6D",
    "the receiver": "hook-5Ub3Oa9jSl2W",
}
CONNECT = "import meshlab\nmesh = meshlab.connect(source)"
UNLUCKY = f"{CONNECT}\nraise RuntimeError(repr(mesh), repr(vars(mesh.engine)), mesh.engine.description)"
SLOW = f"{CONNECT}\nimport time\ntime.sleep(30)"
ARMS = ("-p", "service=catalog", "-p", "baseline=v1", "-p", "canary=v2")
PROFILES = ("token", "filed", "basic")

Run = Callable[..., int]


def profiles(name: str, url: str) -> str:
    """Three ways to hold secrets, for one store."""
    tables = {
        "token": 'kind = "mimir"\ntenant = "{the tenant}"\ntoken_env = "TOKEN"\nheader_env = {{ X-Colour = "HEADER" }}',
        "filed": 'token_file = "token.txt"\nheader_env = {{ X-Colour = "HEADER", X-Api-Key = "HEADER" }}',
        "basic": 'user = "me"\npassword_env = "PASSWORD"\ncompression = true',
    }
    usual = f'url = "{url}"\ntimeout_s = {30 if name == "good" else 1}\ncache = true'
    return "\n".join(f"[profile.{name}-{kind}]\n{usual}\n{lines.format(**SECRETS)}" for kind, lines in tables.items())


class Stores:
    """A store of each sort, and what was posted to the receivers."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        def hear(exchange: Exchange) -> None:
            fault.answer(b"{}")(exchange)

        scripts = {
            "good": store_of(ROOT / "data" / "canary-regression"),
            "refused": refusing(401),
            "forbidden": refusing(403),
            "wrong": refusing(400),
            "busy": refusing(500),
            "hung": fault.hang,
            "broken": fault.reset_after(b'{"status":"success","data":{"resultType":"vec'),
        }
        self.served = {name: stack.enter_context(FaultServer(script, build=None)) for name, script in scripts.items()}
        self.ear = stack.enter_context(FaultServer(hear, build=None))
        self.deaf = stack.enter_context(FaultServer(refusing(500), build=None))
        self.urls = {name: server.url for name, server in self.served.items()} | {"gone": "http://127.0.0.1:1"}

    def heard(self) -> str:
        """All that receivers were told."""
        return "\n".join(e.body.decode() for server in (self.ear, self.deaf) for e in server.asked)

    def were_shown(self, store: str) -> str:
        """All headers that a store got."""
        return "\n".join(str(dict(e.headers)) for e in self.served[store].asked)


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    with contextlib.ExitStack() as stack:
        yield Stores(stack)


@pytest.fixture
def desk(tmp_path: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with all profiles; whatever is written anywhere is written below its parent."""
    desk = tmp_path / "desk"
    desk.mkdir()
    hooks = f"{stores.ear.url}/{SECRETS['the receiver']}", f"{stores.deaf.url}/{SECRETS['the receiver']}"
    reports = [
        f'[[report]]\nname = "{name}-{kind}"\nnotebook = "canary-verdict"\nsource = "{name}-{kind}"\n'
        'cron = "0 * * * *"\nnotify = ["chat", "deaf", "away"]\n'
        '[report.parameters]\nservice = "catalog"\nbaseline = "v1"\ncanary = "v2"'
        for name in stores.urls
        for kind in PROFILES
    ]
    address = (
        f'[[report]]\nname = "address"\nnotebook = "canary-verdict"\ncron = "0 * * * *"\nsource = "{_address(stores)}"'
    )
    receivers = [
        f'[notify.{name}]\nkind = "{kind}"\nurl_env = "{variable}"\non = "always"'
        for name, kind, variable in (
            ("chat", "webhook", "HOOK"),
            ("deaf", "slack", "DEAF"),
            ("away", "alertmanager", "AWAY"),
        )
    ]
    written = f'[profile.written]\nurl = "{_address(stores)}"'
    told = [profiles(name, url) for name, url in stores.urls.items()]
    (desk / "meshlab.toml").write_text("\n".join([*told, written, *receivers, *reports, address]))
    (tmp_path.parent / f"{tmp_path.name}-token.txt").write_text(SECRETS["the token of a file"])
    (desk / "token.txt").symlink_to(tmp_path.parent / f"{tmp_path.name}-token.txt")
    for name, cells in {"unlucky": [UNLUCKY], "slow": [SLOW], "fine": [CONNECT, SHOW]}.items():
        nbformat.write(notebook(*cells), desk / f"{name}.ipynb")
    for name, what in {"TOKEN": "the token", "PASSWORD": "the password", "HEADER": "the header"}.items():
        monkeypatch.setenv(name, SECRETS[what])
    for name, url in {
        "HOOK": hooks[0],
        "DEAF": hooks[1],
        "AWAY": f"http://127.0.0.1:1/{SECRETS['the receiver']}",
    }.items():
        monkeypatch.setenv(name, url)
    for name in ("scratch", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MESHLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(desk)
    return desk


@pytest.fixture
def run(
    desk: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Types a command, with ``--debug``; afterwards nothing anywhere may hold a secret."""
    log = logging.FileHandler(desk.parent / "all.log")
    logging.root.addHandler(log)
    monkeypatch.setattr(logging.root, "level", logging.DEBUG)
    config = (desk / "meshlab.toml").read_text()

    def typed(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["meshlab", "--debug", *words])
        with pytest.raises(SystemExit) as ended:
            app.main()
        return int(ended.value.code or 0)

    try:
        yield typed
    finally:
        logging.root.removeHandler(log)
        log.close()
    assert (desk / "meshlab.toml").read_text() == config
    (desk / "meshlab.toml").unlink()  # names the tenant and the address itself
    (desk / "token.txt").unlink()
    out, err = capfd.readouterr()
    assert leaks(SECRETS, desk.parent, stdout=out, stderr=err, receivers=stores.heard()) == []


def _address(stores: Stores) -> str:
    return stores.urls["good"].replace("://", f"://me:{SECRETS['the address']}@")


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    secret = SECRETS["the password"]
    (tmp_path / "plain.txt").write_text(f"x{secret}y")
    (tmp_path / "page.json").write_text(json.dumps({"a": secret}))
    for n in range(3):
        (tmp_path / f"coded{n}").write_bytes(base64.b64encode(b"-" * n + secret.encode() + b"and more"))
    table = pa.table({"label": ["a", secret], "value": [1.0, 2.0]})
    parquet.write_table(table, tmp_path / "cells.parquet", compression="zstd")
    about = pa.table({"value": [1.0]}).replace_schema_metadata({"said": f"<{secret}>"})
    parquet.write_table(about, tmp_path / "about.parquet", compression="zstd")
    (tmp_path / secret.replace("\\", "%5C").replace('"', "%22")).mkdir()
    (tmp_path / "clean").write_text("nothing")
    found = leaks({"it": secret}, tmp_path, out=secret[::-1], err="nothing")
    places = ["about.parquet", "cells.parquet", "coded0", "coded1", "coded2", "out", "page.json", "plain.txt"]
    named = "the name pass-%22u3Hd8Rn5%5CcJ"
    assert found == sorted(f"it in {place}" for place in [*places, named])


@pytest.mark.parametrize("kind", PROFILES)
def test_of_a_report_that_went_well(run: Run, desk: Path, stores: Stores, kind: str) -> None:
    assert run("report", "canary-verdict", "--source", f"good-{kind}", *ARMS) == 10
    assert len(list((desk / "out").rglob("*.*"))) > 10
    sent = {
        "token": (f"Bearer {SECRETS['the token']}", SECRETS["the tenant"], SECRETS["the header"]),
        "filed": (f"Bearer {SECRETS['the token of a file']}", SECRETS["the header"]),
        "basic": (base64.b64encode(f"me:{SECRETS['the password']}".encode()).decode(),),
    }
    assert all(value in stores.were_shown("good").replace("\\\\", "\\") for value in sent[kind])


@pytest.mark.parametrize(("store", "kind"), [("refused", "token"), ("wrong", "filed"), ("forbidden", "basic")])
def test_of_a_store_that_says_no_and_repeats_what_it_was_sent(run: Run, store: str, kind: str) -> None:
    assert run("sweep", "canary", "--source", f"{store}-{kind}", "--executor", "threads") == 3
    assert run("doctor", f"{store}-{kind}") == 3
    assert run("query", "up", "--source", f"{store}-{kind}") == 3
    assert run("record", "--source", f"{store}-{kind}", "--start", "-10m", "-o", "recorded") == 3
    assert run("schedule", "run", f"{store}-{kind}") == 3


@pytest.mark.parametrize("store", ["gone", "hung", "broken", "busy"])
def test_of_a_store_that_does_not_answer(run: Run, store: str) -> None:
    assert run("query", "up", "--source", f"{store}-basic") == 3
    assert run("record", "--source", f"{store}-filed", "--start", "-10m", "-o", "recorded") == 3
    assert run("report", "./fine.ipynb", "--source", f"{store}-token") == 3


@pytest.mark.parametrize("kind", ["token", "basic"])
def test_of_a_notebook_that_stops_in_the_middle(run: Run, desk: Path, kind: str) -> None:
    assert run("report", "./unlucky.ipynb", "--source", f"good-{kind}") == 3
    assert run("report", "./slow.ipynb", "--source", f"good-{kind}", "--timeout", "3") == 3
    assert not (desk / "out").exists()


def test_of_plain_papermill_which_keeps_the_traceback(run: Run, desk: Path) -> None:
    with pytest.raises(papermill.PapermillExecutionError):
        papermill.execute_notebook(
            "unlucky.ipynb", "kept.ipynb", parameters={"source": "refused-token"}, progress_bar=False, log_output=True
        )
    assert "Refused" in (desk / "kept.ipynb").read_text()


@pytest.mark.parametrize("kind", ["token", "basic"])
def test_of_a_sweep_a_recording_and_a_look(run: Run, desk: Path, kind: str) -> None:
    source = f"good-{kind}"
    sweep = ("sweep", "canary", "--source", source, "-p", "baseline=v1", "-p", "canary=v2", "--pages", "all")
    assert run(*sweep, "--executor", "threads") == 10
    assert list(desk.rglob("results.parquet"))
    assert run("index", "out") == 0
    assert run("doctor", source) == 0
    assert run("doctor", source, "--json") == 0
    assert run("query", "up", "--source", source, "--format", "json") == 0
    assert run("query", "up", "--source", source, "--start", "-5m", "--format", "parquet", "-o", "up.parquet") == 0
    assert run("record", "--source", source, "--start", "-5m", "-o", "recorded") == 3, "the store warned"
    assert list(desk.rglob("samples.parquet"))


def test_of_a_report_on_a_timer(run: Run, desk: Path, stores: Stores) -> None:
    before = len(stores.ear.asked)
    assert run("schedule", "run", "good-token") == 3, "two receivers could not be told"
    assert SECRETS["the receiver"] in stores.ear.asked[before].path
    assert list(desk.rglob("report.html"))
    assert run("schedule", "list") == 0
    for target in ("crontab", "systemd", "cronjob", "alerts"):
        assert run("schedule", "emit", target) == 0


def test_of_an_address_with_a_password_in_it(run: Run, desk: Path, stores: Stores) -> None:
    address = _address(stores)
    before = len(stores.served["good"].asked)
    assert run("report", "canary-verdict", "-p", f"source={address}", *ARMS) == 2
    assert run("schedule", "run", "address") == 2
    for source in (address, "written"):
        assert run("sweep", "canary", "--source", source) == 2
        assert run("doctor", source) == 2
        assert run("query", "up", "--source", source) == 2
        assert run("record", "--source", source, "--start", "-10m", "-o", "recorded") == 2
    assert run("schedule", "list") == 0
    assert len(stores.served["good"].asked) == before, "nothing was sent"
