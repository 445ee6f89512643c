"""Profiles: every key, every mistake in one sentence, no secret anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshlab.config import Kind, Limits, cache_folder, load
from meshlab.core.selector import equal, matches
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import ConfigError
from meshlab.telemetry.source import open_engine

WHOLE = """
[profile.prod]
url = "https://mimir.example.org/prometheus"
kind = "mimir"
tenant = "team-a"
token_env = "PROD_TOKEN"
header_env = { X-Api-Key = "PROD_KEY" }
ca_file = "certs/ca.pem"
client_cert = "/etc/me.pem"
client_key = "me.key"
match = ['cluster="east"', 'env=~"live|prod"']
compression = true
timeout_s = 12
ui_url = "https://grafana.example.org/explore?q={query}"
mesh = "istio"
replica_label = "prometheus_replica"
cache = false

[profile.prod.limits]
parallel = 2
points = 5000
bytes = 1000000
series = 1000

[profile.prod.metrics]
requests = "workload:istio_requests_total"

[profile.prod.labels]
destination_version = "version"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "meshlab.toml").write_text(text)
    return folder


def test_every_key_of_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = load(write(tmp_path, WHOLE)).profiles["prod"]
    assert (profile.kind, profile.tenant, profile.mesh) == (Kind.MIMIR, "team-a", "istio")
    assert profile.limits == Limits(timeout_s=12.0, parallel=2, points=5000, bytes=1000000, series=1000)
    assert profile.matchers == (equal("cluster", "east"), matches("env", "live|prod"))
    assert profile.ca_file == tmp_path / "certs/ca.pem", "beside the file that names it"
    assert profile.client_cert == Path("/etc/me.pem")
    assert dict(profile.metrics) == {"requests": "workload:istio_requests_total"}
    assert dict(profile.labels) == {"destination_version": "version"}
    assert profile.cache is False
    monkeypatch.setenv("PROD_TOKEN", " very-secret\n")
    monkeypatch.setenv("PROD_KEY", "also-secret")
    assert profile.headers("prod") == {"Authorization": "Bearer very-secret", "X-Api-Key": "also-secret"}
    assert "secret" not in repr(profile)


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    (tmp_path / "password").write_text("p:w\n")
    text = '[profile.a]\nurl = "http://x"\ntoken_file = "token"\n[profile.b]\nurl = "http://x"\nuser = "me"\n'
    profiles = load(write(tmp_path, f'{text}password_file = "password"\n')).profiles
    assert profiles["a"].headers("a") == {"Authorization": "Bearer from-a-file"}
    assert profiles["a"].basic_auth("a") is None
    assert profiles["b"].basic_auth("b") == ("me", "p:w")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('kind = "prometeus"', "kind of .* is 'prometeus'; did you mean prometheus?"),
        ('mesh = "konsul"', "mesh is 'konsul'; did you mean consul"),
        ("tenant = 7", "tenant of .* is 7, not text"),
        ('ui_url = "https://me:secret@host/graph"', "ui_url of .* not an address .* names no user"),
        ('ui_url = "javascript:alert(1)"', "ui_url of .* not an address"),
        ("cache = 1", "cache of .* is 1, not true or false"),
        ("timeout_s = true", "timeout_s of .* is true, not a number"),
        ("timeout_s = 0", "timeout_s of .* is 0; give a number above 0"),
        ('token = "secret"', "unknown key 'token'; did you mean token_"),
        ('match = "a"', "match of .* is 'a', not a list of texts"),
        ("match = ['a=b']", "profile.prod of .*: 'a=b' is no matcher"),
        ("match = [7]", r"match\[0\] of .* is 7, not text"),
        ('user = "me"', "a user is given without a password"),
        ('password_env = "P"', "a password is given without a user"),
        ('token_env = "A"\ntoken_file = "b"', "both token_env and token_file"),
        ('user = "me"\npassword_env = "P"\ntoken_env = "T"', "both a user and a token"),
        ('client_key = "k"', "client_key is given without client_cert"),
        ("limits = { paralel = 2 }", "unknown key 'paralel'; did you mean parallel"),
        ("limits = { parallel = 1.5 }", "limits.parallel .* is 1.5, not a whole number"),
        ("limits = { series = 0 }", "limits.series .* is 0; give a whole number above 0"),
        ("metrics = { requests = 7 }", "metrics.requests of .* is 7, not text"),
        ("labels = { code = 7 }", "labels.code of .* is 7, not text"),
        ("labels = 'a'", "labels of .* is 'a', not a table"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, line: str, says: str) -> None:
    write(tmp_path, f'[profile.prod]\nurl = "http://x"\n{line}\n')
    with pytest.raises(ConfigError, match=says) as raised:
        load(tmp_path).profiles["prod"]
    assert "\n" not in str(raised.value)


def test_a_wrong_profile_is_in_nobodys_way(tmp_path: Path) -> None:
    write(tmp_path, '[profile.wrong]\nurl = 5\n[profile.prod]\nurl = "http://x"\nlabels = { code = "" }\n')
    profiles = load(tmp_path).profiles
    assert dict(profiles["prod"].labels) == {"code": ""}
    assert list(profiles) == ["wrong", "prod"]
    assert list(profiles.broken) == ["wrong"]
    open_engine("prod", cwd=tmp_path)
    open_engine("http://x", cwd=tmp_path)
    with pytest.raises(ConfigError, match=r"profile\.wrong"):
        open_engine("wrong", cwd=tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('token_env = "NOT_THERE"', r"variable NOT_THERE \(token of profile prod\) is not set"),
        ('token_file = "nowhere"', "token of profile prod cannot be read: No such file"),
        ('user = "me"\npassword_env = "NOT_THERE"', r"\(password of profile prod\) is not set"),
        ('header_env = { X-Key = "NOT_THERE" }', r"\(X-Key of profile prod\) is not set"),
        ('tenant = "a"', "a store without tenants"),
    ],
)
def test_a_secret_that_is_missing_is_said_when_it_is_wanted(tmp_path: Path, line: str, says: str) -> None:
    write(tmp_path, f'[profile.prod]\nurl = "http://x"\n{line}\n[profile.other]\nurl = "http://y"\n')
    open_engine("other", cwd=tmp_path)
    with pytest.raises(ConfigError, match=says):
        open_engine("prod", cwd=tmp_path)


def kept(source: str, folder: Path) -> bool:
    engine = open_engine(source, cwd=folder)
    assert isinstance(engine, PrometheusEngine)
    return engine._cache is not None


def test_what_is_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHLAB_CACHE", str(tmp_path / "cache"))
    text = '[profile.far]\nurl = "https://x.example.org"\n[profile.near]\nurl = "http://127.0.0.1:9"\n'
    text += '[profile.on]\nurl = "http://localhost:9"\ncache = true\n[profile.off]\nurl = "http://x.org"\ncache = false'
    write(tmp_path, text)
    assert kept("far", tmp_path)
    assert not kept("near", tmp_path), "a port-forward may lead elsewhere tomorrow"
    assert kept("on", tmp_path)
    assert not kept("off", tmp_path)
    assert not kept("https://x.example.org", tmp_path), "an address that is only typed"
    monkeypatch.setenv("MESHLAB_CACHE", "off")
    assert cache_folder() is None
    assert not kept("far", tmp_path)


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESHLAB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/meshlab")
