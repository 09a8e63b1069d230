"""Chromium, where it is installed (Debian: chromium, chromium-driver): opens a page offline and says what it sees.

    with browser() as look:
        seen = look.at(page, "phone")

What it saw is kept as a picture in `.screenshots/` of the checkout, which git ignores: look at it.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"
#: widths in CSS pixels, and the medium; A4 between margins of 15 mm is 680 wide
SIZES = {"phone": (360, "screen"), "desk": (1280, "screen"), "paper": (680, "print")}
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--force-color-profile=srgb", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"),
)
#: pairs of texts of different elements whose boxes lie over each other, by more than a hair
_OVERLAPS = """
const boxes = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const node = walk.currentNode;
  if (!node.data.trim()) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects())
    if (box.width > 1 && box.height > 1) boxes.push([box, node]);
}
const found = [];
for (let i = 0; i < boxes.length; i++) {
  const [one, text] = boxes[i];
  for (let j = i + 1; j < boxes.length; j++) {
    const [other, also] = boxes[j];
    if (text === also) continue;
    const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    if (wide > 1.5 && high > Math.min(one.height, other.height) * 0.35)
      found.push([text.data.trim().slice(0, 40), also.data.trim().slice(0, 40)]);
  }
}
return found;
"""
_WIDE = """
const width = document.documentElement.clientWidth;
return [...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && (box.right > width + 1 || box.left < -1);
}).map(one => one.tagName + " " + (one.textContent || "").trim().slice(0, 40));
"""


class Seen(NamedTuple):
    """What is wrong with a page at one size: nothing, one hopes."""

    scrolls: int
    outside: list[str]
    overlaps: list[list[str]]
    axe: list[str]
    loaded: list[str]


def why_not() -> str:
    """Why no page can be looked at here, or nothing."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return "chromium and chromium-driver are not installed"
    return ""


class Browser:
    """One Chromium, without a network."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")

    def at(self, page: Path, size: str) -> Seen:
        """Open a page at one of `SIZES`, keep a picture of it, and say what is wrong."""
        width, medium = SIZES[size]
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": size == "phone"}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium})
        self._driver.get(page.as_uri())
        self._keep(f"{page.stem}-{size}.png")
        run = self._driver.execute_script
        return Seen(
            run("return document.documentElement.scrollWidth - document.documentElement.clientWidth"),
            run(_WIDE),
            run(_OVERLAPS),
            self._breaches(),
            run("return performance.getEntriesByType('resource').map(one => one.name)"),
        )

    def runs_scripts(self, page: Path) -> bool:
        """Whether anything that a text brought along was run: it would have set this name."""
        self._driver.get(page.as_uri())
        return bool(self._driver.execute_script("return 'pwned' in window || document.scripts.length"))

    def pages(self, page: Path) -> bytes:
        """The page as it would be printed, as PDF."""
        self._driver.get(page.as_uri())
        printed = self._driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
        (SCREENSHOTS / f"{page.stem}.pdf").write_bytes(found := base64.b64decode(printed["data"]))
        return found

    def _keep(self, name: str) -> None:
        taken = self._driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        SCREENSHOTS.mkdir(exist_ok=True)
        (SCREENSHOTS / name).write_bytes(base64.b64decode(taken["data"]))

    def _breaches(self) -> list[str]:
        """What axe-core finds: the rule, and where."""
        self._driver.execute_script(self._axe)
        found = self._driver.execute_async_script("axe.run().then(arguments[0], arguments[0])")
        return [f"{one['id']}: {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile, which goes when the block ends."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            yield Browser(driver)
        finally:
            driver.quit()
