from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import CHROMIUM, DRIVER, browsing, serving
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait
from served import RUN, served_run

from archsearch.study.record import Decision, Hint
from archsearch.study.steering import Steering

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)",
    ),
]
PATIENCE = 240.0
SAME_HOST = "return performance.getEntriesByType('resource').map(e => e.name)"
WIDTHS = "return [document.documentElement.scrollWidth, window.innerWidth]"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A browser with a new profile."""
    (tmp_path / "downloads").mkdir()
    with browsing(tmp_path / "downloads") as found:
        yield found


def one(browser: webdriver.Chrome, css: str, seconds: float = PATIENCE) -> WebElement:
    """The first element that a selector finds, as soon as there is one that is shown."""
    wait = WebDriverWait(browser, seconds, ignored_exceptions=(Exception,))
    return wait.until(lambda it: next((e for e in it.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()), None))


def until_text(browser: webdriver.Chrome, text: str) -> None:
    """Waits for a text to show up on the page as it is, without loading it anew."""
    wait = WebDriverWait(browser, PATIENCE, ignored_exceptions=(Exception,))
    wait.until(lambda it: text in it.find_element(By.TAG_NAME, "main").text, f"{text!r} on {browser.current_url}")


def tab_to(browser: webdriver.Chrome, text: str) -> None:
    """Moves the focus forward by the keyboard alone until it is on what says this."""
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element.text.strip() == text:
            return
    raise AssertionError(f"the tabulator key does not lead to {text!r}")


def complaints(browser: webdriver.Chrome) -> list[str]:
    """What the browser complained about: scripts and styles that the page forbids among them."""
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in log if entry["level"] == "SEVERE" and "422" not in entry["message"]]


def test_a_search_from_its_start_to_the_exported_model(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        browser.get(address)
        assert "token" not in browser.current_url
        one(browser, 'a[href="/start"].primary').click()
        Select(one(browser, "#space")).select_by_visible_text("hare_lynx")
        trials = one(browser, "#trials")
        trials.clear()
        trials.send_keys("4", Keys.ENTER)
        until_text(browser, "Hare and lynx")
        run = browser.current_url
        until_text(browser, "waits for you")  # said by the page itself: nothing loads it anew
        reject_the_first(browser)
        edit_the_second(browser)
        browser.get(run)
        until_text(browser, "4 of 4 evaluated")
        until_text(browser, "finished")
        assert "lynx starve" in one(browser, "#said ~ ul").text
        assert browser.find_elements(By.CSS_SELECTOR, "svg .front")
        export_and_run(browser, tmp_path)
        hosts = {urlsplit(name).netloc for name in browser.execute_script(SAME_HOST)}  # type: ignore[no-untyped-call]
        assert hosts == {urlsplit(address).netloc}
        assert complaints(browser) == []


def reject_the_first(browser: webdriver.Chrome) -> None:
    """By the keyboard alone, with a reason."""
    one(browser, 'a[href$="/queue"].primary').send_keys(Keys.ENTER)
    assert one(browser, ".equation .katex").is_displayed()
    one(browser, ".equation .added .katex")
    one(browser, "#reason").send_keys("lynx starve otherwise")
    tab_to(browser, "Reject")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    until_text(browser, "is rejected")


def edit_the_second(browser: webdriver.Chrome) -> None:
    """First with two faults, which are both told; then well."""
    until_text(browser, "Check and train my version")
    good = one(browser, "#source").get_attribute("value")
    assert good
    better = good.replace("mortality = Param(0.8", "mortality = Param(0.7")
    assert better != good
    send_source(browser, better.replace("Param(0.7", "Parm(0.7").replace("class ", "import os\n\nclass ", 1))
    findings = one(browser, ".problem ul").text
    assert "os" in findings
    assert "Parm" in findings
    send_source(browser, better)
    until_text(browser, "Your version is number")


def send_source(browser: webdriver.Chrome, source: str) -> None:
    """Puts a text into the field, and sends the form by the keyboard."""
    field = one(browser, "#source")
    browser.execute_script("arguments[0].value = arguments[1]", field, source)  # type: ignore[no-untyped-call]
    one(browser, "#edit-reason").send_keys("starts lower", Keys.ENTER)


def export_and_run(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """The file that the browser saved runs where archsearch cannot be imported."""
    one(browser, 'a[href$="/python"]').click()
    downloads = tmp_path / "downloads"
    WebDriverWait(browser, 60).until(lambda _: list(downloads.glob("hare_lynx_*.py")))
    (saved,) = downloads.glob("hare_lynx_*.py")
    (downloads / "archsearch").mkdir()
    (downloads / "archsearch" / "__init__.py").write_text("raise ImportError('the export imports archsearch')")
    done = subprocess.run([sys.executable, saved.name], cwd=downloads, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nrmse" in done.stdout


@pytest.mark.parametrize(("width", "dark"), [(400, False), (1200, True)])
def test_pages_fit_their_width_and_follow_the_theme(
    browser: webdriver.Chrome, tmp_path: Path, width: int, dark: bool
) -> None:
    served_run(tmp_path / "runs" / RUN)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
    with serving(tmp_path) as address:
        browser.get(address)
        base = address.split("/?")[0]
        for path in ("/", "/start", f"/runs/{RUN}", f"/runs/{RUN}/queue", f"/runs/{RUN}/candidates/3"):
            browser.get(base + path)
            inner, outer = browser.execute_script(WIDTHS)  # type: ignore[no-untyped-call]
            assert inner <= outer == width, path
            back = one(browser, "body").value_of_css_property("background-color")
            assert back == ("rgba(17, 22, 29, 1)" if dark else "rgba(255, 255, 255, 1)")
            browser.switch_to.active_element.send_keys(Keys.TAB)
            assert browser.switch_to.active_element.text == "Skip to the content"
        picture = one(browser, "picture img")
        browser.execute_script("arguments[0].scrollIntoView()", picture)  # type: ignore[no-untyped-call]
        WebDriverWait(browser, 30).until(lambda _: int(picture.get_property("naturalWidth") or 0) > 100)  # type: ignore[call-overload]
        assert complaints(browser) == []


def test_what_somebody_else_decides_shows_up_and_what_is_typed_stays(browser: webdriver.Chrome, tmp_path: Path) -> None:
    study = served_run(tmp_path / "runs" / RUN)
    with serving(tmp_path) as address:
        browser.get(address)
        browser.get(f"{address.split('/?')[0]}/runs/{RUN}/queue/7")
        reason = one(browser, "#reason")
        reason.send_keys("hares do not")
        Steering(study).wish(Hint(text="anything"), "Grace")
        time.sleep(2)  # long enough for the page to hear of it
        reason.send_keys(" hunt")
        assert reason.get_attribute("value") == "hares do not hunt"
        Steering(study).decide(7, Decision(approved=False, by="Grace", reason="seen before"))
        until_text(browser, "Rejected by Grace: seen before")
        assert not browser.find_elements(By.ID, "decide")
        assert complaints(browser) == []
