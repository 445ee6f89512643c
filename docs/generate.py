"""Write what is generated: the tables of codes and settings in these pages, and the notebooks' parameters cells.

``python docs/generate.py`` after settings or codes changed; a test holds that nothing is left to write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from meshlab.config import Limits, Profile
from meshlab.core.declarations import settings_table
from meshlab.core.settings import Settings
from meshlab.lab.scenario import Scenario
from meshlab.lab.specs.events import Event
from meshlab.lab.specs.load import Load, Shape
from meshlab.lab.specs.scaling import Autoscaler
from meshlab.lab.specs.security import Security
from meshlab.lab.specs.traffic import Breaker, Fault, Outlier, Retries, Traffic
from meshlab.lab.specs.workloads import WorkloadSpec
from meshlab.questions.base import Question, installed, parameters_source, question
from meshlab.reports.run.notebooks import available
from meshlab.reports.schedules.entries import Receiver, Report
from meshlab.telemetry.dialects.declared import Side

DOCS = Path(__file__).parent
MARK = "<!-- generated: {} -->"
FILES: Mapping[str, Mapping[str, type[Settings]]] = {
    "sources.md": {"profile": Profile, "limits": Limits},
    "dialects.md": {"side": Side},
    "schedules.md": {"report": Report, "notify": Receiver},
    "lab.md": {
        "scenario": Scenario,
        "load": Load,
        "shape": Shape,
        "workload": WorkloadSpec,
        "traffic": Traffic,
        "retries": Retries,
        "breaker": Breaker,
        "outlier": Outlier,
        "fault": Fault,
        "security": Security,
        "autoscaler": Autoscaler,
        "event": Event,
    },
}
"""Pages about files, with the tables of settings in each."""


def codes_table(asked: Question) -> str:
    """The codes of a question's findings as a Markdown table."""
    lines = ["| code | finding | cause | remedy |", "|---|---|---|---|"]
    for number, code in asked.codes.items():
        lines.append(f"| {asked.prefix}-{number} | {code.finding} | {code.cause} | {code.remedy} |".replace("  ", " "))
    return "\n".join(lines)


def page(path: Path, tables: Mapping[str, str]) -> str:
    """A page with its tables anew, between marks that name them."""
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        before, begin, rest = text.partition(MARK.format(name))
        if not begin:
            raise SystemExit(f"{path.name} has no mark {MARK.format(name)}")
        end = MARK.format("end")
        text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def notebook(text: str, asked: Question) -> str:
    """A notebook with its parameters cell anew."""
    document = json.loads(text)
    for cell in document["cells"]:
        if "parameters" in cell["metadata"].get("tags", ()):
            cell["source"] = parameters_source(asked).splitlines(keepends=True)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def generated() -> dict[Path, str]:
    """Every file that holds something generated, and what it should hold."""
    made = {}
    paths = {listed.question: listed.path for listed in available(DOCS.parent)}
    for name in installed():
        asked, path = question(name), paths[name]
        text = DOCS / f"{path.stem}.md"
        made[text] = page(text, {"codes": codes_table(asked), "settings": settings_table(asked.Settings)})
        made[path] = notebook(path.read_text(encoding="utf-8"), asked)
    for name, classes in FILES.items():
        tables = {mark: settings_table(cls, of_file=True) for mark, cls in classes.items()}
        made[DOCS / name] = page(DOCS / name, tables)
    return made


if __name__ == "__main__":
    for file, content in generated().items():
        if file.read_text(encoding="utf-8") != content:
            file.write_text(content, encoding="utf-8")
            print(f"wrote {file.relative_to(DOCS.parent)}")
