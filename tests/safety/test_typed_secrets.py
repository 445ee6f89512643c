"""What was typed where a secret does not belong is refused, and not repeated, in any spelling."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from meshlab.cli import app
from meshlab.config import load
from meshlab.core.sanitize import address
from meshlab.errors import ConfigError, MeshlabError, ParameterError, without_credentials
from meshlab.questions.base import question
from meshlab.reports.schedules.entries import Receiver, scheduled
from meshlab.telemetry.source import open_source

SECRET = "Pl4nted"
ADDRESSES = (
    f"http://user:{SECRET}@127.0.0.1:9",
    f"HTTP://user:{SECRET}@127.0.0.1:9",
    f"Https://user:{SECRET}@127.0.0.1:9/prometheus",
    f"  http://user:{SECRET}@127.0.0.1:9",
    f"http://user:{SECRET}@127.0.0.1:9\n",
    f"user:{SECRET}@prom.invalid:9090",
    f"user:{SECRET}@prom.invalid:9090/prometheus",
    f"prometheus://user:{SECRET}@prom.invalid",
    f"ftp://{SECRET}@prom.invalid",
    f"http://{SECRET}@prom.invalid",
    f"http:/user:{SECRET}@prom.invalid",
    f"http:user:{SECRET}@prom.invalid",
    f"//user:{SECRET}@prom.invalid",
    f"{SECRET}@prom.invalid",
    f"http://user:a/{SECRET}@prom.invalid",
    f"http://user:a b {SECRET}@prom.invalid",
    f"http://user:it's{SECRET}@prom.invalid",
    f"http://user:a@{SECRET}@prom.invalid",
    f"http://user:{SECRET}@[::1]:9090",
    f"http://127.0.0.1:9/?token={SECRET}",
    f"http://127.0.0.1:9/#{SECRET}",
    f"user: {SECRET}@prom.invalid",
)


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Exit code, and all that was said and written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", "")

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["meshlab", *words])
        with pytest.raises(SystemExit) as ended:
            app.main()
        told = capsys.readouterr()
        files = [p.name + p.read_bytes().decode(errors="replace") for p in tmp_path.rglob("*") if p.is_file()]
        names = [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")]
        return int(ended.value.code or 0), "\n".join([told.out, told.err, *files, *names])

    return run


@pytest.mark.parametrize("source", ADDRESSES)
def test_an_address_with_a_secret_is_refused_without_it(tmp_path: Path, source: str) -> None:
    with pytest.raises((ConfigError, ParameterError)) as refused:
        open_source(source, cwd=tmp_path)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("source", ADDRESSES)
def test_the_same_by_every_command(typed, source: str) -> None:  # type: ignore[no-untyped-def]
    for words in (
        ("doctor", source),
        ("query", "up", "--source", source),
        ("record", "--source", source, "-o", "recorded"),
        ("sweep", "canary", "--source", source),
        ("report", "canary-verdict", "--source", "x", source),  # one word too many
        ("doctor", source, "--debug"),
    ):
        code, said = typed(*words)
        assert code == 2, words
        assert SECRET not in said, words


@pytest.mark.parametrize("source", ADDRESSES[1:6:2])
def test_the_same_by_a_notebook(typed, source: str) -> None:  # type: ignore[no-untyped-def]
    code, said = typed("report", "canary-verdict", "-p", f"source={source}", "-p", "service=a")
    assert code == 2
    assert SECRET not in said


TOKENS = (
    f"{SECRET} literal token",
    f"eyJhbGciOi.{SECRET}.literal",
    f"glpat-{SECRET}x-20",
    f"ghp_{SECRET}16C7e42F292c6912E7710c838347Ae178B4a",
    f"{SECRET.upper()}1B2C3D4E5F6G7H8",
    f"Bearer {SECRET}",
    f"$({SECRET})",
    f"${{{SECRET}}}",
    f"https://hooks.example.org/{SECRET}",
    f"{SECRET}=",
)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "line",
    [
        'token_env = "{}"',
        'token_file = "{}"',
        'user = "me"\npassword_env = "{}"',
        'user = "me"\npassword_file = "{}"',
        'header_env = {{ X-Key = "{}" }}',
    ],
    ids=lambda line: line.split(" ")[0],
)
def test_a_secret_in_place_of_its_variable_or_file_is_not_repeated(
    tmp_path: Path, line: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meshlab.toml").write_text(f'[profile.prod]\nurl = "http://127.0.0.1:9"\n{line.format(token)}\n')
    with pytest.raises(ConfigError, match="profile prod") as refused:
        open_source("prod")
    assert SECRET.lower() not in str(refused.value).lower()


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("key", ["url_env", "url"])
def test_a_receiver_s_address_is_not_repeated(tmp_path: Path, key: str, token: str) -> None:
    text = f'[notify.chat]\nkind = "slack"\n{key} = "{token.replace("https", "HTTPS")}"\n'
    (tmp_path / "meshlab.toml").write_text(text)
    said = ""
    try:
        config = load(tmp_path)
        scheduled(config)
        Receiver(name="chat", **{"kind": "slack", key: config.receivers["chat"][key]}).address()
    except MeshlabError as refused:
        said = str(refused)
    assert f"/{SECRET}" not in said
    assert key == "url" or SECRET.lower() not in said.lower()


@pytest.mark.parametrize(
    "text",
    [
        f'token = "{SECRET}',
        f"{SECRET} = [\n",
        f'a = "{SECRET}"\na = "{SECRET}"',
        f"[{SECRET}]\n[{SECRET}]",
        f"{SECRET}.a = 1\n{SECRET} = 2\n",
        f'x = "\\q{SECRET}"',
    ],
)
def test_a_file_that_is_no_toml_is_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "meshlab.toml").write_text(text)
    with pytest.raises(ConfigError, match="not valid TOML") as refused:
        load(tmp_path)
    assert SECRET not in str(refused.value)
    with pytest.raises(ParameterError, match="is no TOML") as refused:
        question("canary").settings_from({"policy_file": str(tmp_path / "meshlab.toml")})
    assert SECRET not in str(refused.value)


def test_texts_without_a_password_stay_as_they_are() -> None:
    for text in (
        "source 'prod' is neither a profile nor a recording",
        "http://127.0.0.1:9090 answered 503; try again",
        "write to me@example.org",
        "sum(rate(a:b:c[5m] @ end())) at 12:30",
        "/srv/a:b/c is not there",
    ):
        assert without_credentials(text) == text
    assert without_credentials("at http://me:pw@host:9/x") == "at ***@host:9/x"
    assert address(" HTTPS://me:pw@host:9/path?token=x") == "HTTPS://host:9"
