"""A page in a real browser, and what it complained about or asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FLAGS", "Watched"]

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Watched:
    """A browser's page, and what it complained about or asked for."""

    page: Any
    heard: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        self.page.on("console", lambda message: self.heard.append(message.text))
        self.page.on("pageerror", lambda error: self.heard.append(str(error)))
        self.page.on("dialog", lambda dialog: self.heard.append(dialog.message))
        self.page.on("request", lambda request: self._request(request.url, path))
        self.page.goto(path.as_uri())

    def _request(self, url: str, path: Path) -> None:
        if not url.startswith("data:") and url.partition("#")[0] != path.as_uri():
            self.heard.append(url)

    def fits(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))

    def is_in_view(self, selector: str) -> bool:
        box = self.page.locator(selector).bounding_box()
        return bool(box and box["y"] >= 0 and box["y"] + box["height"] <= self.page.viewport_size["height"])
