"""The site in a browser, opened from disk."""

import shutil

import pytest

from tests.reports.sites import HOSTILE_NAMES, boards_of, make_records, make_site

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MODELS = "#suite-models"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    make_site(folder, boards_of(make_records(names=HOSTILE_NAMES)))
    return folder


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Visit:
    """A page, with all that went wrong on it."""

    def __init__(self, browser, folder, **options):
        self.folder, self.wrong, self.requests = folder, [], []
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.page.on("console", lambda said: self.wrong.append(said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, name, fragment=""):
        self.page.goto(f"file://{self.folder}/{name}" + (f"#{fragment}" if fragment else ""))
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self.page

    def names(self):
        return [
            name.removesuffix(" published")
            for name in self.page.locator(f"{MODELS} tbody tr th").all_inner_texts()
        ]

    def hash(self):
        return self.page.evaluate("decodeURIComponent(location.hash)")


@pytest.fixture
def visit(chromium, folder):
    found = Visit(chromium, folder, viewport={"width": 1280, "height": 900})
    yield found
    found.context.close()
    assert found.wrong == []
    assert found.requests
    assert all(url.startswith(f"file://{folder}/") for url in found.requests)


def head(page, key, table=MODELS):
    return page.locator(f'{table} th[data-key="{key}"]')


def test_a_leaderboard_sorts_by_click(visit):
    page = visit.open("index.html")
    first = visit.names()
    assert first[:2] == ["beta-large", "delta (paper)"]
    assert head(page, "mean-task").get_attribute("aria-sort") == "descending"
    head(page, "mean-task").get_by_role("button").click()
    assert head(page, "mean-task").get_attribute("aria-sort") == "ascending"
    # gamma lacks a task: it has no mean and comes last, whichever way.
    assert visit.names()[0] == "lexical"
    assert visit.names()[-1] == first[-1] == "gamma"
    head(page, "model").get_by_role("button").click()
    shown = [name for name in visit.names() if name.isalpha()]
    assert shown == ["alpha", "gamma", "lexical"]
    assert page.locator(f"{MODELS} th[aria-sort]").count() == 1


def test_a_leaderboard_sorts_by_keyboard(visit):
    page = visit.open("index.html")
    button = head(page, "bytes").get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    assert head(page, "bytes").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert head(page, "bytes").get_attribute("aria-sort") == "ascending"
    assert button.evaluate("one => one === document.activeElement")
    outline = button.evaluate("one => getComputedStyle(one).outlineStyle")
    assert outline != "none"


def test_the_first_tab_skips_to_the_content(visit):
    page = visit.open("index.html", "sort=model:asc")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert visit.hash() == "#sort=model:asc"


def test_filters_narrow_and_say_how_far(visit):
    page = visit.open("index.html")
    count = page.get_by_role("status").first
    total = len(HOSTILE_NAMES) + 5
    assert count.inner_text() == f"{total} of {total} models"
    page.get_by_label("Model", exact=True).fill("ALPHA")
    assert visit.names() == ["alpha"]
    assert count.inner_text() == f"1 of {total} models"
    page.get_by_label("Model", exact=True).fill("")
    page.get_by_label("Scores").select_option("published")
    assert visit.names() == ["delta (paper)"]
    page.get_by_label("Scores").select_option("measured")
    page.get_by_label("Tasks measured").select_option("100")
    assert "gamma" not in visit.names() and "alpha" in visit.names()
    page.get_by_text("More filters and columns").click()
    page.get_by_label("Dimensions, at least").fill("32")
    page.get_by_label("Dimensions, at least").press("Enter")
    page.get_by_label("Dimensions, at least").blur()
    assert "lexical" not in visit.names() and "alpha" in visit.names()
    page.get_by_role("button", name="Reset").click()
    assert len(visit.names()) == total
    assert visit.hash() in ("", "#")


def test_a_link_restores_what_was_seen_and_back_goes_back(visit, chromium, folder):
    page = visit.open("index.html")
    head(page, "model").get_by_role("button").click()
    page.get_by_label("Tasks measured").select_option("100")
    page.get_by_label("Columns of single tasks").select_option("STS")
    page.wait_for_selector("th.g-task")
    head(page, "task-Similar").get_by_role("button").click()
    seen, address = visit.names(), page.evaluate("location.hash.slice(1)")
    assert head(page, "task-Similar").get_attribute("aria-sort") == "descending"

    other = Visit(chromium, folder)
    elsewhere = other.open("index.html", address)
    elsewhere.wait_for_selector("th.g-task")
    assert other.names() == seen
    assert elsewhere.get_by_label("Tasks measured").input_value() == "100"
    assert head(elsewhere, "task-Similar").get_attribute("aria-sort") == "descending"
    other.context.close()
    assert other.wrong == []

    page.go_back()
    assert head(page, "model").get_attribute("aria-sort") == "ascending"
    page.go_back()
    assert page.locator("th.g-task").count() == 0
    page.go_back()
    assert page.get_by_label("Tasks measured").input_value() == ""
    page.go_back()
    assert head(page, "mean-task").get_attribute("aria-sort") == "descending"
    page.go_forward()
    assert head(page, "model").get_attribute("aria-sort") == "ascending"


def test_columns_of_tasks_hold_the_tasks_scores(visit):
    page = visit.open("index.html", "tasks=all&types=0")
    page.wait_for_selector("th.g-task")
    assert page.locator("th.g-task").count() == 4
    row = page.locator(f"{MODELS} tbody tr", has=page.get_by_role("link", name="gamma"))
    assert row.locator("td.g-task").all_inner_texts()[0] == "79.84"
    assert row.locator("td.g-task").all_inner_texts()[-1] == "–"
    assert not head(page, "type-STS").is_visible()


def test_the_theme_follows_the_reader_and_is_remembered(visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    visit.page.emulate_media(color_scheme="dark")
    page = visit.open("index.html")
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light theme").click()
    light = page.evaluate(ground)
    assert light != dark
    assert page.get_by_role("button", name="Dark theme").is_visible()
    page = visit.open("models/alpha.html")
    assert page.evaluate(ground) == light


def test_single_examples_are_loaded_when_asked_for_and_stay_text(visit):
    page = visit.open("tasks/SearchA.html")
    assert not any("queries/" in url for url in visit.requests)
    page.get_by_role("button", name="Show single examples").click()
    table = page.locator("table.examples")
    table.wait_for()
    assert page.get_by_text("50 of 75 examples; 12 more are in the records").is_visible()
    page.get_by_role("button", name="Show 50 more").click()
    shown = table.inner_text()
    for planted in (
        "<script>alert(1)</script> in a text",
        '"><img src=x onerror=alert(1)>',
        "turned \\u202egnp.exe around",
        "half a pair \\ud83d and a nul \\u0000 and a bell \\u0007",
        "javascript:alert(1)",
        "{{constructor.constructor('alert(1)')()}} &lt;b&gt; \\u003c",
    ):
        assert planted in shown, planted
    assert page.locator("main script, main img[src=x]").count() == 0
    # The most different come first, what has no score last.
    gaps = table.locator("tbody tr:not(.detail) td:last-child").all_inner_texts()
    sizes = [abs(float(gap.replace("−", "-"))) for gap in gaps if gap != "–"]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1]
    assert gaps[-1] == "–" and gaps.count("–") == 1


def test_an_example_shows_both_models_hits_side_by_side(visit):
    page = visit.open("tasks/SearchA.html", "examples=1")
    page.get_by_label("Text contains").fill("bell")
    page.get_by_label("Model B").select_option(label="alpha")
    page.get_by_label("First come").select_option("b-better")
    first = page.locator("table.examples button.open").first
    first.focus()
    page.keyboard.press("Enter")
    assert first.get_attribute("aria-expanded") == "true"
    detail = page.locator(f"#{first.get_attribute('aria-controls')}")
    assert detail.locator(".sides h3").all_inner_texts() == ["beta-large", "alpha"]
    assert detail.locator(".sides ol").count() == 2
    assert detail.locator(".sides ol").first.locator("li").count() == 8
    assert detail.locator("li.relevant .mark").all_inner_texts() == ["✓ relevant"] * 2
    assert "d99" in detail.inner_text()

    # The link to one example opens it, with the same two models.
    link = detail.get_by_role("link", name="Link to this example").get_attribute("href")
    page = visit.open("index.html")
    page = visit.open("tasks/SearchA.html", link.removeprefix("#"))
    again = page.locator('button.open[aria-expanded="true"]')
    again.wait_for()
    assert again.count() == 1
    assert again.evaluate("one => one === document.activeElement")
    assert page.locator(".sides h3").all_inner_texts() == ["beta-large", "alpha"]
    assert page.get_by_label("First come").input_value() == "b-better"


def test_examples_of_other_tasks_show_predictions_in_words(visit):
    page = visit.open("tasks/Sort.html", "examples=1")
    heads = page.locator("table.examples thead th").all_inner_texts()
    assert heads == ["Example", "beta-large", "alpha"]
    page.locator("table.examples button.open").first.click()
    text = page.locator("tr.detail:not([hidden])").inner_text()
    assert "gold <script>alert(1)</script>" in text
    assert text.count("said <script>alert(1)</script>") == 2


def pages_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.html"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_small_screen_without_an_error(chromium, folder, scheme):
    visit = Visit(chromium, folder, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for name in pages_of(folder):
        page = visit.open(name, "examples=1" if name.startswith("tasks/") else "")
        if name.startswith("tasks/"):
            page.locator("table.examples button.open").first.click()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, name
        pale = page.evaluate(CONTRAST)
        assert pale == [], (name, scheme)
    visit.context.close()
    assert visit.wrong == []
    assert all(url.startswith(f"file://{folder}/") for url in visit.requests)


def test_every_control_has_a_name_and_every_table_too(visit):
    for name in pages_of(visit.folder):
        page = visit.open(name, "examples=1" if name.startswith("tasks/") else "")
        session = visit.context.new_cdp_session(page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        roles = set()
        for node in nodes:
            role = node.get("role", {}).get("value")
            if node.get("ignored"):
                continue
            roles.add(role)
            if role in CONTROLS:
                said = node.get("name", {}).get("value", "").strip()
                assert said, (name, role, node.get("properties"))
        assert {"main", "banner", "contentinfo", "navigation", "table"} <= roles, name
        assert page.evaluate("document.querySelectorAll('button, a, input, select').length") > 5


CONTROLS = (
    "button",
    "link",
    "textbox",
    "searchbox",
    "combobox",
    "checkbox",
    "spinbutton",
    "table",
    "image",
    "region",
    "search",
    "form",
    "navigation",
)

# Texts whose contrast with the ground behind them is below WCAG AA.
CONTRAST = """
() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((one) => {
      one /= 255;
      return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const found = channels(getComputedStyle(one).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!own || !element.checkVisibility() || element.disabled) continue;
    const [a, b] = [light(channels(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.push([element.outerHTML.slice(0, 80), ratio]);
  }
  return pale.slice(0, 3);
}
"""
