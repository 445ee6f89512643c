"""What a `source` may be, and what is said when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from istio_series import canary, engine

from meshlab.core.window import Window
from meshlab.errors import ConfigError, ParameterError, RecordingError, Unreachable
from meshlab.recordings.recorder import record
from meshlab.telemetry.source import connect, open_engine


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with data/shop, a recording."""
    memory = engine(canary())
    span = memory.span()
    assert span
    record(
        memory,
        ['{__name__=~"istio_.*"}'],
        Window.aligned(span[0], span[1], 5_000),
        tmp_path / "data" / "shop",
        what="a test",
    )
    return tmp_path


def test_a_bare_name_is_found_from_below(place: Path) -> None:
    below = place / "notebooks" / "deep"
    below.mkdir(parents=True)
    assert connect("shop", cwd=below).dialect.name == "Istio"
    assert connect("./data/shop", cwd=place).dialect.name == "Istio"


def test_an_unknown_name_gets_the_nearest(place: Path) -> None:
    with pytest.raises(ParameterError, match="neither a profile nor a recording; did you mean shop"):
        connect("shap", cwd=place)


def test_a_name_that_is_both_is_refused(place: Path) -> None:
    (place / "meshlab.toml").write_text('[profile.shop]\nurl = "http://127.0.0.1:9"\n')
    with pytest.raises(ConfigError, match="both a profile"):
        connect("shop", cwd=place)


def test_a_profile_is_opened(tmp_path: Path) -> None:
    (tmp_path / "meshlab.toml").write_text('[profile.prod]\nurl = "http://127.0.0.1:9"\ntimeout_s = 2\n')
    with pytest.raises(Unreachable):
        connect("prod", cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[profile.prod]\nurl = 5\n", "url of .* is 5, not an address"),
        ("[profile.prod]\nurll = 'http://x'\n", "unknown key 'urll'; did you mean url"),
        ("[profile.prod]\ntimeout_s = 3\n", "neither url nor sources"),
        ("[profile", "not valid TOML"),
        ("profile = 3\n", "profile of .* is 3, not a table"),
        ("profil = 3\n", "did you mean profile"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "meshlab.toml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        open_engine("prod", cwd=tmp_path)


def test_a_folder_that_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match=r"manifest\.json"):
        connect("./empty", cwd=tmp_path)
    with pytest.raises(RecordingError):
        connect("./nowhere", cwd=tmp_path)
