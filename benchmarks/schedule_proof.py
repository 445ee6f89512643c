"""Three reports on a timer against the running lab and a real Alertmanager: the alerts are what the verdicts ask for.

    python benchmarks/schedule_proof.py [--minutes 6]

The lab has a retry storm that is ended by switching retries off, and a caller in plain text that is mended. Each minute
the three reports run as their timer would run them; then Alertmanager is asked what fires. Prints a line a report and
minute, and ends with 1 where an alert is missing or too much, or where nothing was ever resolved.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from meshlab.lab.lab import Lab
from meshlab.lab.scenario import Scenario

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from real_alertmanager import serving_alertmanager

SETTINGS = [
    "workloads.ledger.latency_factor=1.0",
    'traffic.inventory.plaintext_from=["cart"]',
    "event=["
    '{at_s=40,for_s=20,what="ledger is twenty times slower",set={"workloads.ledger.latency_factor"=20.0}},'
    '{at_s=160,what="retries are switched off",set={"traffic.checkout.retries.attempts"=0,'
    '"traffic.payments.retries.attempts"=0,"traffic.ledger.retries.attempts"=0}},'
    '{at_s=130,what="cart speaks TLS to inventory",set={"traffic.inventory.plaintext_from"=[]}}]',
]
NOTEBOOKS = {"storms": "retry-storm", "security": "security-posture", "canary": "canary-verdict"}
PARAMETERS = {
    "storms": '{ start = "-60s" }',
    "security": '{ start = "-60s" }',
    "canary": '{ start = "-60s", service = "catalog", canary = "v2", baseline = "v1" }',
}


def written(folder: Path, prometheus: str, alertmanager: str) -> None:
    """The project's file, as a user would write it."""
    text = f'[profile.lab]\nurl = "{prometheus}"\n\n[notify.oncall]\nkind = "alertmanager"\nurl = "{alertmanager}"\n'
    for name, notebook in NOTEBOOKS.items():
        text += f'\n[[report]]\nname = "{name}"\nnotebook = "{notebook}"\nsource = "lab"\ncron = "* * * * *"\n'
        text += f'keep = 10\nnotify = ["oncall"]\nparameters = {PARAMETERS[name]}\n'
    (folder / "meshlab.toml").write_text(text)


def firing(url: str) -> dict[str, list[str]]:
    """The verdicts of the alerts that fire, by report."""
    alerts: list[dict[str, Any]] = requests.get(f"{url}/api/v2/alerts", params={"active": "true"}, timeout=10).json()
    found: dict[str, list[str]] = {name: [] for name in NOTEBOOKS}
    for alert in alerts:
        found[alert["labels"]["report"]].append(alert["labels"].get("verdict", "ERROR"))
    return found


def ran(name: str, folder: Path, lab: Lab) -> str:
    """Run a report as its timer does, while the lab goes on; the verdict of the run, or ERROR."""
    command = [sys.executable, "-m", "meshlab", "schedule", "run", name]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            lab.check()
            time.sleep(0.1)
    if process.returncode not in (0, 10, 11):
        print((folder / "log.txt").read_text().strip())
        return "ERROR"
    newest = max((folder / "out" / name).glob("*Z"))
    return str(json.loads((newest / "result.json").read_text())["verdict"])


def main() -> int:
    """Run it; 0 where all alerts were right and one was resolved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=6)
    told = parser.parse_args()
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if binary is None:
        print("there is no Alertmanager here: apt-get install prometheus-alertmanager")
        return 2
    wrong = resolved = 0
    before = dict.fromkeys(NOTEBOOKS, "PASS")
    with tempfile.TemporaryDirectory() as place, Lab(Scenario.named("retry-storm", SETTINGS)) as lab:
        folder = Path(place)
        lab.start_load()
        begun = lab.begin()
        with serving_alertmanager(folder / "alertmanager", binary=binary) as url:
            written(folder, lab.prometheus_url, url)
            for minute in range(1, told.minutes + 1):
                while time.time() < begun + 60 * minute:
                    lab.check()
                    time.sleep(0.2)
                words = {name: ran(name, folder, lab) for name in NOTEBOOKS}
                alerts = firing(url)
                for name, word in words.items():
                    right = alerts[name] == ([] if word == "PASS" else [word])
                    wrong += not right
                    resolved += right and word == "PASS" and before[name] != "PASS"
                    fires = ", ".join(alerts[name]) or "nothing"
                    print(f"minute {minute}  {name:9} {word:13} fires {fires}{'' if right else '  WRONG'}", flush=True)
                before = words
    print(f"{wrong} wrong, {resolved} resolved")
    return 1 if wrong or not resolved else 0


if __name__ == "__main__":
    raise SystemExit(main())
