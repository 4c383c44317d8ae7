"""Pictures of a site's pages, for the docs."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["take_screenshots"]

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")

_LOOKS: dict[str, dict[str, Any]] = {
    "": {"viewport": {"width": 1280, "height": 900}},
    "-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 360, "height": 780}},
}


def take_screenshots(site: Path, folder: Path, *, model: str, task: str) -> str | None:
    """One page of each kind, in light, in dark and on a phone.

    Args:
        site: The site.
        folder: Where the pictures go: index.png, model-dark.png and so on.
        model: File stem of the model's page to show.
        task: File stem of the task's page to show, which must have examples.

    Returns:
        Why there are none, if there are none.
    """
    browser = shutil.which("chromium")
    if browser is None or importlib.util.find_spec("playwright") is None:
        return "no screenshots: they need Debian's chromium and the package playwright"
    from playwright.sync_api import sync_playwright

    pages = {
        "index": "index.html",
        "model": f"models/{model}.html",
        "task": f"tasks/{task}.html",
        "examples": f"tasks/{task}.html#examples=1",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=list(_ARGUMENTS))
        for look, options in _LOOKS.items():
            page = chromium.new_context(**options).new_page()
            for name, address in pages.items():
                # Another page in between: a mere change after # would not load anew.
                page.goto("about:blank")
                page.goto(f"{site.resolve().as_uri()}/{address}")
                page.wait_for_selector("html[data-ready]", state="attached")
                if name == "examples":
                    _open_example(page)
                page.screenshot(path=folder / f"{name}{look}.png")
        chromium.close()
    return None


def _open_example(page: Page) -> None:
    """The first example, at the top of the window."""
    first = page.locator("table.examples button.open").first
    first.click()
    first.evaluate("button => button.scrollIntoView({block: 'start'})")
