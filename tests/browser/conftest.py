"""One Chromium for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from chromium import FLAGS


@pytest.fixture(scope="module")
def browser(chromium_binary: str) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium_binary, args=list(FLAGS))
        yield launched
        launched.close()
