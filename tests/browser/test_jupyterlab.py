"""JupyterLab itself: every notebook is run from its first cell to its last, and the verdict stands in the page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from committed import NOTEBOOKS, REPORTED, committed

from meshlab.core.results import MIME_TYPE

pytest.importorskip("jupyterlab")
pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
TOKEN = "only-for-this-test"
LONGEST_MS = 120_000


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on copies of the notebooks without outputs, with no settings but its own."""
    place = tmp_path_factory.mktemp("lab")
    (place / "data").symlink_to(ROOT / "data")
    for path in (*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("interactive/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        target = place / "notebooks" / path.relative_to(NOTEBOOKS)
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
    settings = place / "settings" / "@jupyterlab"
    for name, told in {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }.items():
        (settings / name).parent.mkdir(parents=True, exist_ok=True)
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(told))
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "HOME")
    for name in folders:
        (place / name.lower()).mkdir()
    own = {name: str(place / name.lower()) for name in folders}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(place / "settings"), "PYTHONPATH": str(ROOT), "JUPYTER_TOKEN": TOKEN}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    command += [f"--ServerApp.root_dir={place}", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=place, env={**os.environ, **own}, stdout=log, stderr=log)
    try:
        yield _address(server, place / "jupyter_runtime_dir")
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(place, ignore_errors=True)


def _address(server: subprocess.Popen[bytes], runtime: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            try:
                url = str(json.loads(path.read_text())["url"])
                urllib.request.urlopen(f"{url}api?token={TOKEN}", timeout=5).close()
                return url
            except (ValueError, urllib.error.URLError):
                pass
        time.sleep(0.2)
    pytest.fail("JupyterLab did not start")


class Opened:
    """One notebook in JupyterLab."""

    def __init__(self, browser: Any, lab: str, path: str, count: int) -> None:
        self.page = browser.new_page(viewport={"width": 1400, "height": 1000})
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        self.page.goto(f"{lab}lab/tree/notebooks/{path}?reset&token={TOKEN}")
        self.count = count
        self.cells = self.page.locator(".jp-Notebook .jp-CodeCell")
        self.cells.nth(count - 1).locator(".cm-content").wait_for(state="attached", timeout=LONGEST_MS)
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=LONGEST_MS)

    def run_all(self) -> None:
        """Restart the kernel and run all cells, by the menu."""
        self.page.locator(".lm-MenuBar-item", has_text="Kernel").click()
        self.page.locator(".lm-Menu-item[data-command='runmenu:restart-and-run-all']").click()
        self.page.locator(".jp-Dialog", has_text="Restart Kernel?").locator(".jp-mod-accept").click()
        last = self.cells.nth(self.count - 1).locator(".jp-InputPrompt")
        last.filter(has_text=f"[{self.count}]").wait_for(timeout=LONGEST_MS)

    def prompts(self) -> list[str]:
        """The numbers before the code cells."""
        texts = self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_inner_texts()
        return [re.sub(r"[^\d*]", "", text) for text in texts]

    def outputs(self) -> str:
        """All text that the cells show."""
        return " ".join(" ".join(self.page.locator(".jp-Notebook .jp-OutputArea-output").all_inner_texts()).split())

    def is_in_order(self) -> bool:
        """Whether all ran once, in order, without an error or a word on stderr."""
        bad = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
        ran = [str(n) for n in range(1, self.count + 1)]
        return self.prompts() == ran and self.page.locator(bad).count() == 0 and self.errors == []


def _code_cells(path: str) -> int:
    return sum(cell.cell_type == "code" for cell in nbformat.read(NOTEBOOKS / path, as_version=4).cells)


def told(name: str) -> dict[str, Any]:
    shown = [o for c in committed(name).cells for o in c.get("outputs", ()) if MIME_TYPE in o.get("data", {})]
    return dict(shown[0].data[MIME_TYPE])


@pytest.mark.parametrize("name", REPORTED)
def test_a_notebook_runs_from_first_to_last(browser: Any, lab: str, name: str) -> None:
    opened = Opened(browser, lab, f"{name}.ipynb", _code_cells(f"{name}.ipynb"))
    result = told(name)
    assert result["headline"] not in opened.outputs(), "it begins without outputs"
    opened.run_all()
    assert opened.is_in_order()
    shown = opened.outputs()
    assert f"{result['verdict']} {' '.join(result['headline'].split())}" in shown
    pictures = opened.page.locator(".jp-Notebook .jp-RenderedImage img")
    assert pictures.count() >= 3
    assert all(pictures.evaluate_all("all => all.map(i => i.naturalWidth >= 800)"))
    opened.page.close()


def test_the_page_with_controls_changes_its_verdict_with_the_service(browser: Any, lab: str) -> None:
    opened = Opened(browser, lab, "interactive/explore.ipynb", _code_cells("interactive/explore.ipynb"))
    opened.run_all()
    verdict = opened.page.locator(".jp-Notebook .widget-html [role=status]")
    verdict.wait_for(timeout=LONGEST_MS)
    assert opened.is_in_order()
    assert "FAIL" in verdict.inner_text()
    assert "Roll back v2" in verdict.inner_text()
    assert opened.page.locator(".jp-Notebook .widget-html img[alt]").count() == 4
    service = opened.page.locator(".jp-Notebook").get_by_label("service", exact=True)
    service.select_option("Kubernetes/shop/storefront")
    opened.page.locator(".jp-Notebook .widget-html", has_text="no version v2").wait_for(timeout=LONGEST_MS)
    assert "NOT MEASURED" in verdict.inner_text()
    assert opened.page.locator(".jp-Notebook .widget-html img").count() == 0
    service.select_option("Kubernetes/shop/catalog")
    opened.page.locator(".jp-Notebook .widget-html", has_text="Roll back v2").wait_for(timeout=LONGEST_MS)
    assert "FAIL" in verdict.inner_text()
    assert opened.errors == []
    opened.page.close()
