"""[[report]] and [notify.NAME]: every key, every mistake in one sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meshlab.config import load
from meshlab.errors import ConfigError
from meshlab.reports.schedules.cron import parse
from meshlab.reports.schedules.entries import Kind, On, Sweep, named, scheduled

WHOLE = """
[[report]]
name = "catalog"
notebook = "canary-verdict"
source = "prod"
parameters = { service = "catalog", canary = "1.10", alpha = 0.02, loud = true }
cron = "*/15 6-18 * * 1-5"
tz = "Europe/Berlin"
keep = 3
notify = ["chat", "oncall"]
fail_on = "warn"

[[report]]
name = "nightly"
notebook = "scaling-behaviour"
cron = "0 3 * * *"

[notify.chat]
kind = "slack"
url_env = "CHAT_URL"
on = "always"

[notify.oncall]
kind = "alertmanager"
url = "http://alertmanager.example.org:9093/"
link = "https://reports.example.org/"
"""


def told(folder: Path, text: str) -> Path:
    (folder / "meshlab.toml").write_text(text)
    return folder


def test_all_that_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = scheduled(load(told(tmp_path, WHOLE)))
    assert (first.name, first.notebook, first.keep, first.fail_on) == ("catalog", "canary-verdict", 3, "warn")
    assert first.parameters == {
        "service": "catalog",
        "canary": "1.10",
        "alpha": "0.02",
        "loud": "true",
        "source": "prod",
    }
    assert (first.cron.text, first.cron.zone) == ("*/15 6-18 * * 1-5", "Europe/Berlin")
    chat, oncall = first.notify
    assert (chat.kind, chat.on, oncall.kind, oncall.on) == (Kind.SLACK, On.ALWAYS, Kind.ALERTMANAGER, On.CHANGE)
    assert oncall.address() == "http://alertmanager.example.org:9093"
    monkeypatch.setenv("CHAT_URL", "https://chat.example.org/planted-secret")
    assert chat.address() == "https://chat.example.org/planted-secret"
    assert "planted" not in repr(chat)
    assert (second.cron.zone, second.keep, second.notify, second.parameters) == ("UTC", 30, (), {})


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "nightly"', 'name = "catalog"', "two reports are called catalog"),
        ('name = "nightly"', 'name = "../up"', "name of report 2 (../up) is"),
        ('name = "nightly"', 'nam = "nightly"', "did you mean name"),
        ('cron = "0 3 * * *"', "", "has no cron"),
        ('cron = "0 3 * * *"', 'cron = "61 3 * * *"', "cron of report 2"),
        ('cron = "0 3 * * *"', 'cron = "0 3 30 2 *"', "cron of report 2"),
        ('cron = "0 3 * * *"', 'cron = "0 0 3 * * *"', "does not have five fields"),
        ('tz = "Europe/Berlin"', 'tz = "Europe/Berlni"', "does not know"),
        ('tz = "Europe/Berlin"', 'tz = "../../etc/passwd"', "does not know"),
        ("keep = 3", "keep = 0", "keep of report 1"),
        ('notify = ["chat", "oncall"]', 'notify = ["chta"]', "which does not exist; did you mean chat?"),
        ('fail_on = "warn"', 'fail_on = "all"', "give one of warn, fail, never"),
        ("loud = true }", "loud = [1] }", "parameters.loud of report 1 (catalog) is [1], not text"),
        ('kind = "slack"', 'kind = "slak"', "kind of notify.chat"),
        ('url_env = "CHAT_URL"', "", "one of url and url_env is needed"),
        ('url_env = "CHAT_URL"', 'url_env = "CHAT-URL"', "not the name of a variable"),
        ("http://alertmanager", "http://user:word@alertmanager", "names no user"),
        ('link = "https://reports.example.org/"', 'link = "javascript:alert(1)"', "link of notify.oncall"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert WHOLE.count(old) == 1
    with pytest.raises(ConfigError) as error:
        scheduled(load(told(tmp_path, WHOLE.replace(old, new))))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


SWEEP = """
[[report]]
name = "canaries"
sweep = "canary"
source = "prod"
parameters = { start = "-1h", namespace = "shop" }
over = "services"
pages = "all"
executor = "threads"
jobs = 2
dask = "tcp://scheduler:8786"
cron = "0 * * * *"
"""


def test_a_sweep_stands_in_place_of_a_notebook(tmp_path: Path) -> None:
    (one,) = scheduled(load(told(tmp_path, SWEEP)))
    assert one.sweep == Sweep(
        question="canary", source="prod", pages="all", executor="threads", jobs=2, dask="tcp://scheduler:8786"
    )
    assert (one.notebook, one.what) == ("", "sweep canary over services")
    # The source is the sweep's own: a notebook's parameter of that name is refused by it.
    assert one.parameters == {"start": "-1h", "namespace": "shop"}
    least = 'name = "c"\nsweep = "scaling"\nsource = "prod"\ncron = "0 * * * *"\n'
    (bare,) = scheduled(load(told(tmp_path, f"[[report]]\n{least}")))
    assert bare.sweep == Sweep(question="scaling", source="prod")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('sweep = "canary"', "", "one of notebook and sweep is needed"),
        ('sweep = "canary"', 'sweep = "canary"\nnotebook = "canary-verdict"', "one of notebook and sweep is needed"),
        ('sweep = "canary"', 'notebook = "canary-verdict"', "has over, which belongs to a sweep"),
        ('source = "prod"', "", "a sweep needs a source"),
        ('over = "services"', 'over = "pods"', "give one of services"),
        ('pages = "all"', 'pages = "some"', "give one of failing, all, none"),
        ('executor = "threads"', 'executor = "fibres"', "give one of processes, threads"),
        ("jobs = 2", "jobs = -1", "jobs of report 1"),
        ("jobs = 2", "jobs = true", "jobs of report 1"),
        ('dask = "tcp://scheduler:8786"', "dask = 1", "dask of report 1"),
        ('sweep = "canary"', "sweep = 1", "sweep of report 1"),
        ("jobs = 2", "job = 2", "did you mean jobs"),
    ],
)
def test_mistakes_of_a_sweep(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert SWEEP.count(old) == 1
    with pytest.raises(ConfigError) as error:
        scheduled(load(told(tmp_path, SWEEP.replace(old, new))))
    assert sentence in str(error.value)


def test_a_report_by_its_name(tmp_path: Path) -> None:
    configuration = load(told(tmp_path, WHOLE))
    assert named(configuration, "nightly").notebook == "scaling-behaviour"
    with pytest.raises(ConfigError, match="did you mean nightly"):
        named(configuration, "nigthly")


def test_an_address_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAT_URL", raising=False)
    chat = scheduled(load(told(tmp_path, WHOLE)))[0].notify[0]
    with pytest.raises(ConfigError, match=r"variable CHAT_URL .* is not set"):
        chat.address()
    monkeypatch.setenv("CHAT_URL", "planted-secret")
    with pytest.raises(ConfigError) as error:
        chat.address()
    assert "planted" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "calendar"),
    [
        ("*/15 6 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 06:00,15,30,45:00 UTC"),
        ("0 3 * * 7", "Sun *-*-* 03:00:00 UTC"),
        ("5 * 1,15 * *", "*-*-01,15 *:05:00 UTC"),
        ("* * * 2 *", "*-02-* *:*:00 UTC"),
    ],
)
def test_calendars_of_systemd(text: str, calendar: str) -> None:
    assert parse(text, "UTC", "x").calendar() == calendar


@pytest.mark.parametrize("text", ["0 0 7 * 1", "0 0 L * *", "0 0 * * 1#2"])
def test_what_systemd_cannot_say(text: str) -> None:
    with pytest.raises(ConfigError, match="systemd cannot say"):
        parse(text, "UTC", "x").calendar()


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        (datetime(2026, 11, 27, 5, 30, tzinfo=UTC), datetime(2026, 11, 30, 5, tzinfo=UTC)),  # over a weekend
        (datetime(2026, 11, 25, 5, 30, tzinfo=UTC), datetime(2026, 11, 26, 5, tzinfo=UTC)),
        (datetime(2027, 3, 26, 5, 30, tzinfo=UTC), datetime(2027, 3, 29, 4, tzinfo=UTC)),  # summer time began
    ],
)
def test_the_next_run_follows_the_calendar(moment: datetime, due: datetime) -> None:
    assert parse("0 6 * * 1-5", "Europe/Berlin", "x").next_run(moment) == due


def test_the_longest_gap_is_the_weekend() -> None:
    cron = parse("0 6 * * 1-5", "Europe/Berlin", "x")
    assert cron.longest_gap(datetime(2026, 11, 23, 12, tzinfo=UTC)) == timedelta(days=3)
