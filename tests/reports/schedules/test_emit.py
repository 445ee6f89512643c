"""What is printed to be deployed, checked by the tools that will read it."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from meshlab.config import load
from meshlab.errors import ConfigError
from meshlab.reports.schedules.emit import Deployment, alerts, cronjobs, crontab, systemd, units, workflow
from meshlab.reports.schedules.entries import Scheduled, scheduled

TEXT = """
[[report]]
name = "catalog"
notebook = "canary-verdict"
parameters = { service = "it's; rm -rf / # %" }
cron = "*/15 6-18 * * 1-5"
tz = "ZONE"
notify = ["chat"]

[[report]]
name = "nightly"
notebook = "scaling-behaviour"
cron = "0 3 1 * *"
tz = "ZONE"

[notify.chat]
kind = "webhook"
url_env = "CHAT_URL"
"""
FOLDER = Path("/srv/mesh reports/100%")


def reports(folder: Path, zone: str = "Europe/Berlin") -> tuple[Scheduled, ...]:
    (folder / "meshlab.toml").write_text(TEXT.replace("ZONE", zone))
    return scheduled(load(folder))


def deployed(reports: tuple[Scheduled, ...], **other: Any) -> Deployment:
    usual = {"folder": FOLDER, "command": "meshlab", "image": "mesh:1"}
    return Deployment(reports=reports, **{**usual, **other})


def test_a_sweep_is_deployed_as_a_report_is(tmp_path: Path) -> None:
    text = '[[report]]\nname = "canaries"\nsweep = "canary"\nsource = "prod"\ncron = "0 * * * *"\n'
    (tmp_path / "meshlab.toml").write_text(text)
    found = deployed(scheduled(load(tmp_path)))
    assert crontab(found).endswith("meshlab schedule run canaries\n")
    assert "schedule run canaries\n" in systemd(found)
    (job,) = yaml.safe_load_all(cronjobs(found))
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["meshlab", "schedule", "run", "canaries"]
    assert {"run": "meshlab schedule run canaries"} in yaml.safe_load(workflow(found))["jobs"]["canaries"]["steps"]
    assert 'report="canaries"' in alerts(found)


def test_a_crontab(tmp_path: Path) -> None:
    text = crontab(deployed(reports(tmp_path), command="/opt/meshlab/bin/meshlab"))
    assert text.splitlines()[2:] == [
        "CRON_TZ=Europe/Berlin",
        r"*/15 6-18 * * 1-5 cd '/srv/mesh reports/100\%' && /opt/meshlab/bin/meshlab schedule run catalog",
        r"0 3 1 * * cd '/srv/mesh reports/100\%' && /opt/meshlab/bin/meshlab schedule run nightly",
    ]


@pytest.mark.live
def test_systemd_takes_its_units(tmp_path: Path, systemd_analyze_binary: str) -> None:
    tool = systemd_analyze_binary
    program = tmp_path / "with space" / "meshlab"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    deployment = deployed(reports(tmp_path), command=str(program))
    found = units(deployment)
    assert list(found) == [f"meshlab-{name}.{kind}" for name in ("catalog", "nightly") for kind in ("service", "timer")]
    for name, text in found.items():
        (tmp_path / name).write_text(text)
        assert f"# /etc/systemd/system/{name}\n{text}" in systemd(deployment)
    asked = [tool, "verify", "--man=no", *(str(tmp_path / name) for name in found)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "meshlab-" in line], done.stderr
    broken = tmp_path / "meshlab-nightly.timer"
    broken.write_text(broken.read_text().replace("03:00:00", "03:99:00"))
    done = subprocess.run([tool, "verify", "--man=no", str(broken)], capture_output=True, text=True, timeout=60)
    assert "calendar" in done.stderr  # the tool does look


def test_kubernetes_takes_its_cronjobs(tmp_path: Path) -> None:
    documents = list(yaml.safe_load_all(cronjobs(deployed(reports(tmp_path)))))
    assert [d["metadata"]["name"] for d in documents] == ["meshlab-catalog", "meshlab-nightly"]
    for document in documents:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            kubernetes_validate.validate(document, "1.33", strict=True)
            with pytest.raises(kubernetes_validate.ValidationError):
                kubernetes_validate.validate({**document, "spec": {"schedule": 1}}, "1.33", strict=True)
    assert documents[0]["spec"]["timeZone"] == "Europe/Berlin"
    assert documents[0]["spec"]["schedule"] == "*/15 6-18 * * 1-5"


def test_github_takes_its_workflow(tmp_path: Path) -> None:
    text = workflow(deployed(reports(tmp_path, "UTC")))
    path = tmp_path / "meshlab.yml"
    path.write_text(text)
    schema = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*schema, str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    told = yaml.safe_load(text)
    assert "secrets.CHAT_URL" in json.dumps(told["jobs"]["catalog"]["steps"])
    path.write_text(text.replace("runs-on", "runs_on"))
    assert subprocess.run([*schema, str(path)], capture_output=True, timeout=120).returncode == 1


def test_github_has_no_time_zones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="go by UTC"):
        workflow(deployed(reports(tmp_path)))


@pytest.mark.live
def test_prometheus_takes_its_alerts(tmp_path: Path, promtool_binary: str) -> None:
    (tmp_path / "rules.yml").write_text(alerts(deployed(reports(tmp_path))))
    # Catalog ran on Friday at 18:45 and said that it is due on Monday at 6:00; nightly was never seen.
    late = 3 * 24 * 3600 - (18 * 3600 + 45 * 60) + 6 * 3600
    on_friday = 'meshlab_report_next_run_timestamp_seconds{report="catalog"}'
    told = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": on_friday, "values": f"{late}x5000"}],
                "alert_rule_test": [
                    {
                        "eval_time": f"{late // 60 - 1}m",
                        "alertname": "MeshlabReportMissing",
                        "exp_alerts": [expected("nightly", "0 3 1 * *")],
                    },
                    {
                        "eval_time": f"{late // 60 + 17}m",
                        "alertname": "MeshlabReportMissing",
                        "exp_alerts": [expected("catalog", "*/15 6-18 * * 1-5"), expected("nightly", "0 3 1 * *")],
                    },
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(told))
    done = subprocess.run(
        [promtool_binary, "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def expected(name: str, cron: str) -> dict[str, object]:
    return {
        "exp_labels": {"severity": "warning", "report": name},
        "exp_annotations": {
            "summary": f"The meshlab report {name} did not run.",
            "description": f"It runs at {cron} (Europe/Berlin); look at the job's log.",
        },
    }


CONTROLS = ("nl\n* * * * * touch PWN\nX=", "a\rb", "a\0b", "a\x1bb", "a\u2028b", "a\x0bb")


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("what", ["folder", "command", "image"])
def test_no_name_makes_lines_of_its_own(tmp_path: Path, name: str, what: str) -> None:
    value = Path("/srv") / name if what == "folder" else name
    with pytest.raises(ConfigError, match="control character"):
        deployed(reports(tmp_path), **{what: value})


def test_a_checksum_is_deployed_with_each(tmp_path: Path) -> None:
    known = "0123" * 16
    found = deployed(reports(tmp_path, "UTC"), checksum=known)
    assert crontab(found).count(f" && MESHLAB_TRUST={known} meshlab schedule run ") == 2
    assert systemd(found).count(f"\nEnvironment=MESHLAB_TRUST={known}\n") == 2
    for job in yaml.safe_load_all(cronjobs(found)):
        (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        assert {"name": "MESHLAB_TRUST", "value": known} in container["env"]
    for job in yaml.safe_load(workflow(found))["jobs"].values():
        assert any(step.get("env", {}).get("MESHLAB_TRUST") == known for step in job["steps"])


def test_a_job_gets_the_secrets_of_the_stores_that_it_asks(tmp_path: Path) -> None:
    report = '[[report]]\nname = "{0}"\nnotebook = "canary-verdict"\nsource = "{0}"\ncron = "0 * * * *"\n'
    tables = {
        "token": 'token_env = "A_TOKEN"',
        "basic": 'user = "me"\npassword_env = "A_PASSWORD"',
        "headers": 'header_env = { X-One = "ONE", X-Two = "TWO" }',
        "amazon": 'auth = "sigv4"',
    }
    text = "".join(
        f'[profile.{name}]\nurl = "http://x"\n{lines}\n{report.format(name)}' for name, lines in tables.items()
    )
    text += f'[profile.both]\nsources = ["token", "headers"]\n{report.format("both")}'
    text += '[[report]]\nname = "swept"\nsweep = "canary"\nsource = "token"\ncron = "0 * * * *"\n'
    (tmp_path / "meshlab.toml").write_text(text)
    config = load(tmp_path)
    jobs = yaml.safe_load(workflow(deployed(scheduled(config), profiles=config.profiles)))["jobs"]
    got = {name: {k for step in job["steps"] for k in step.get("env", {})} for name, job in jobs.items()}
    assert got == {
        "token": {"A_TOKEN"},
        "basic": {"A_PASSWORD"},
        "headers": {"ONE", "TWO"},
        "amazon": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        "both": {"A_TOKEN", "ONE", "TWO"},
        "swept": {"A_TOKEN"},
    }
    values = {v for job in jobs.values() for step in job["steps"] for v in step.get("env", {}).values()}
    assert "${{ secrets.A_TOKEN }}" in values


def test_a_cronjob_has_no_rights_that_it_does_not_need(tmp_path: Path) -> None:
    for job in yaml.safe_load_all(cronjobs(deployed(reports(tmp_path)))):
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["fsGroup"]
        assert pod["automountServiceAccountToken"] is False
        own = container["securityContext"]
        assert (own["allowPrivilegeEscalation"], own["capabilities"]) == (False, {"drop": ["ALL"]})
        assert container["resources"]["limits"]["memory"]
        written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert written == {"/srv/meshlab/out", "/tmp"}, "a read-only root, and where files are written"
