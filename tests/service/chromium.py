"""A real browser without a screen, and a real `archsearch serve` for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",  # of the browser: as root it does not start otherwise
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,1000",
)


@contextmanager
def browsing(folder: Path) -> Iterator[webdriver.Chrome]:
    """A browser whose profile and downloads are in this folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        yield browser
    finally:
        browser.quit()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address that `archsearch serve` prints."""
    told = folder / "told.txt"
    command = [sys.executable, "-m", "archsearch", "serve", "--runs-dir", str(folder / "runs"), "--port", "0"]
    with told.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "ARCHSEARCH_PERSON": "Ada"}
        )
        try:
            yield _address(told, process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)


def _address(told: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        found = [word for word in told.read_text().split() if word.startswith("http://")]
        if found:
            return found[0]
        assert process.poll() is None, told.read_text()
        time.sleep(0.1)
    raise AssertionError(told.read_text())
