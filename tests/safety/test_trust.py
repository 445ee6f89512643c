"""Nothing is taken from a folder that others may have filled; no secret is sent because a repository says so."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import fields

from meshlab import config
from meshlab.cli import app
from meshlab.config import trust
from meshlab.core.ownership import StrangersFolder, why_not_ours
from meshlab.core.resources import places
from meshlab.errors import ConfigError
from meshlab.reports.run.notebooks import available
from meshlab.reports.schedules.entries import Receiver, Report, scheduled
from meshlab.telemetry.source import list_sources

NOBODY = 65534
STORE = '[profile.prod]\nurl = "https://prometheus.example.org"\n'
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    monkeypatch.delenv("MESHLAB_TRUST", raising=False)
    umask = os.umask(0o022)
    yield
    os.umask(umask)


def clone(tmp_path: Path, text: str, marker: str = ".git") -> Path:
    folder = tmp_path / "clone"
    (folder / marker).mkdir(parents=True)
    (folder / "meshlab.toml").write_text(text)
    return folder


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["meshlab", *words])
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    with pytest.raises(SystemExit) as ended:
        app.main()
    return int(ended.value.code or 0)


@needs_root
@pytest.mark.parametrize("whose", ["the folder", "the file", "a folder on the way"])
def test_a_meshlab_toml_that_somebody_else_may_have_written_is_left_out(tmp_path: Path, whose: str) -> None:
    below = tmp_path / "shared" / "me"
    below.mkdir(parents=True)
    path = tmp_path / "shared" / "meshlab.toml"
    path.write_text(STORE)
    assert "prod" in config.load(below).profiles
    os.chown({"the folder": path.parent, "the file": path, "a folder on the way": below}[whose], NOBODY, NOBODY)
    with pytest.warns(StrangersFolder, match=r"meshlab\.toml is left out: .* belongs to nobody"):
        assert not config.load(below).profiles


@pytest.mark.parametrize("kind", ["notebooks", "data"])
@pytest.mark.parametrize("mode", [0o777, 0o757, 0o702, 0o722])
def test_nothing_is_taken_from_folders_that_others_may_write(tmp_path: Path, kind: str, mode: int) -> None:
    folder = tmp_path / "shared" / kind
    folder.mkdir(parents=True)
    assert next(places(kind, tmp_path / "shared")) == folder
    for open_one in (folder, folder.parent):
        open_one.chmod(mode)
        with pytest.warns(StrangersFolder, match="may be written by everybody"):
            assert folder not in [*places(kind, tmp_path / "shared")]
        open_one.chmod(0o755)


@needs_root
def test_what_lies_in_a_sticky_folder_is_looked_at_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    folder.chmod(0o1777)
    for name in ("mine", "theirs"):
        (folder / f"{name}.ipynb").write_text("{}")
    recording = tmp_path / "data" / "theirs"
    recording.mkdir(parents=True)
    (recording / "manifest.json").write_text("{}")
    recording.parent.chmod(0o1777)
    os.chown(folder / "theirs.ipynb", NOBODY, NOBODY)
    os.chown(recording, NOBODY, NOBODY)
    with pytest.warns(StrangersFolder):
        names = [one.name for one in available(tmp_path)]
    assert "mine" in names
    assert "theirs" not in names
    with pytest.warns(StrangersFolder):
        assert "theirs" not in list_sources(tmp_path)


@needs_root
def test_a_group_that_others_belong_to_is_somebody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    assert not why_not_ours([tmp_path]), "root's own group"
    os.chown(tmp_path, 0, NOBODY)
    assert "may be written by its group" in why_not_ours([tmp_path])


GUARDED = {
    "a token's variable": 'token_env = "AWS_SECRET_ACCESS_KEY"',
    "a token's file": 'token_file = "../token"',
    "a password": 'user = "me"\npassword_env = "PASSWORD"',
    "a password's file": 'user = "me"\npassword_file = "/run/secrets/p"',
    "a header": 'header_env = { X-One = "GITHUB_TOKEN" }',
    "a certificate": 'ca_file = "ca.pem"',
    "a key": 'client_cert = "me.pem"\nclient_key = "me.key"',
    "a signature": 'auth = "sigv4"',
    "a template of links": 'ui_url = "https://collect.example.org/?q={query}"',
}


@pytest.mark.parametrize("marker", [".git", ".hg", ".svn", ".jj", "_darcs"])
@pytest.mark.parametrize("line", GUARDED.values(), ids=list(GUARDED))
def test_a_repository_s_profile_names_addresses_alone(tmp_path: Path, line: str, marker: str) -> None:
    folder = clone(
        tmp_path, f'{STORE}{line}\n[profile.plain]\nurl = "http://x"\nmesh = "istio"\nmatch = [\'a="b"\']\n', marker
    )
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    profiles = config.load(below).profiles
    assert profiles["plain"].url == "http://x"
    with pytest.raises(ConfigError, match=r"is not trusted to name \w+.*; read it, then run: meshlab trust") as refused:
        profiles["prod"]
    assert "SECRET" not in str(refused.value)
    assert "prod" in profiles.broken
    (folder / marker).rmdir()
    assert config.load(below).profiles["prod"], "the user's own file, outside of a repository"


REPORT = '[[report]]\nname = "n"\ncron = "0 * * * *"\n'


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (f'{REPORT}sweep = "canary"\nsource = "prod"\ndask = "tcp://127.0.0.1:8786"', "dask"),
        (f'{REPORT}notebook = "security-posture"\nparameters = {{ policies_file = "/etc/shadow" }}', "policies_file"),
        (f'{REPORT}notebook = "security-posture"\nparameters = {{ against = "x.json" }}', "against"),
        (f'{REPORT}notebook = "/tmp/x.ipynb"', "notebook"),
        (f'{REPORT}notebook = "../x.ipynb"', "notebook"),
        (f'{REPORT}notebook = "canary-verdict"\nsource = "~/data/x"', "source"),
        ('[notify.a]\nkind = "webhook"\nurl = "http://10.0.0.1/"', "kind, url"),
        ('[notify.a]\nkind = "slack"\nurl_env = "AWS_SECRET_ACCESS_KEY"', "kind, url_env"),
    ],
)
def test_a_repository_s_reports_call_nobody_and_read_no_files(tmp_path: Path, lines: str, key: str) -> None:
    folder = clone(tmp_path, lines)
    assert config.load(folder), "what does not use its reports goes on"
    with pytest.raises(ConfigError, match=f"not trusted to name {key} "):
        config.load(folder, schedules=True)
    (folder / ".git").rmdir()
    assert config.load(folder, schedules=True)


def test_a_repository_s_plain_reports_need_nothing(tmp_path: Path) -> None:
    text = f'{REPORT}notebook = "canary-verdict"\nsource = "prod"\nparameters = {{ service = "a" }}\nkeep = 3\n{STORE}'
    assert scheduled(config.load(clone(tmp_path, text), schedules=True))


def test_trust_is_for_a_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = clone(tmp_path, f'{STORE}token_env = "A_TOKEN"\n')
    monkeypatch.chdir(folder)
    assert typed(monkeypatch, "trust") == 0
    said = capsys.readouterr().out
    known = trust.checksum((folder / "meshlab.toml").read_bytes())
    assert "profile prod names token_env" in said
    assert known in said
    assert config.load(folder).profiles["prod"].token_env == "A_TOKEN"
    assert typed(monkeypatch, "trust", "--list") == 0
    assert "as it was" in capsys.readouterr().out
    record = trust.own_folder() / "trusted.json"
    assert record.stat().st_mode & 0o777 == 0o600
    (folder / "meshlab.toml").write_text(f'{STORE}token_env = "OTHER"\n')
    with pytest.raises(ConfigError, match="meshlab trust"):
        config.load(folder).profiles["prod"]
    assert typed(monkeypatch, "trust", "--list") == 0
    assert "changed since" in capsys.readouterr().out
    assert typed(monkeypatch, "trust", str(folder)) == 0
    assert config.load(folder).profiles["prod"]
    assert typed(monkeypatch, "trust", "--revoke") == 0
    with pytest.raises(ConfigError):
        config.load(folder).profiles["prod"]


def test_the_same_file_elsewhere_is_another_one(tmp_path: Path) -> None:
    text = f'{STORE}token_env = "A"\n'
    path = clone(tmp_path, text) / "meshlab.toml"
    trust.record(path, path.read_bytes())
    other = clone(tmp_path / "other", text)
    with pytest.raises(ConfigError):
        config.load(other).profiles["prod"]


def test_a_pipeline_names_the_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = clone(tmp_path, f'{STORE}token_env = "A"\n')
    known = trust.checksum((folder / "meshlab.toml").read_bytes())
    for right in (known, known.upper(), f"{'0' * 64} {known}", f"{'0' * 64},{known}"):
        monkeypatch.setenv("MESHLAB_TRUST", right)
        assert config.load(folder).profiles["prod"]
        folder.chmod(0o777)  # as some runners make it: the checksum says it all the same
        assert config.load(folder).profiles["prod"]
        folder.chmod(0o755)
    for wrong in ("1", "yes", known[:-1], f"{known}0", "*"):
        monkeypatch.setenv("MESHLAB_TRUST", wrong)
        with pytest.raises(ConfigError):
            config.load(folder).profiles["prod"]


def test_the_user_s_own_configuration_needs_no_trust(tmp_path: Path) -> None:
    own = trust.own_folder()
    own.mkdir(parents=True)
    (own.parent / ".git").mkdir()  # dotfiles are often kept in one
    (own / "meshlab.toml").write_text(f'{STORE}token_env = "A"\n')
    assert config.load(own).profiles["prod"]


def test_a_record_that_others_may_write_says_nothing(tmp_path: Path) -> None:
    path = clone(tmp_path, f'{STORE}token_env = "A"\n') / "meshlab.toml"
    trust.record(path, path.read_bytes())
    (trust.own_folder() / "trusted.json").chmod(0o666)
    with pytest.raises(ConfigError):
        config.load(path.parent).profiles["prod"]


def test_every_key_is_free_or_needs_trust() -> None:
    """A key that is added needs trust until somebody has thought about it."""
    free = {}
    for kind, struct in (("profile", config.Profile), ("report", Report), ("notify", Receiver)):
        names = {field.encode_name for field in fields(struct)}
        free[kind] = names - set(trust.guarded(kind, {name: {"x_file": "/x", "{": ""} for name in names}))
    assert not free["notify"]
    secret = {name for name in free["profile"] if name.endswith(("_env", "_file", "_key", "_cert")) or name == "auth"}
    assert not secret
    assert not {"dask", "notify"} & free["report"]
