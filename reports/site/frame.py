"""What all pages share: head, header, footer, and the promise that nothing is fetched."""

from collections.abc import Sequence
from html import escape

from reports.grid import visible

__all__ = ["render_page"]

# Scripts, styles and pictures of this folder, and nothing else. Browsers differ in whether
# 'self' holds for a page that was opened from disk, so that its scheme is named beside it.
_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)


def render_page(
    title: str,
    body: str,
    *,
    root: str,
    trail: Sequence[tuple[str, str]] = (),
    scripts: Sequence[str] = (),
) -> str:
    """A whole page.

    Args:
        title: Its title; the heading is in the body.
        body: HTML of its main part.
        root: The way from the page to the site's folder: "" or "../".
        trail: Address and name of the pages above it, the first one first.
        scripts: Names of further scripts among the site's assets.
    """
    sources = ("datatables.js", "tables.js", *scripts)
    tags = "".join(f'<script defer src="{root}assets/{name}"></script>\n' for name in sources)
    above = "".join(f'<a href="{escape(href)}">{escape(name)}</a> ' for href, name in trail)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(visible(title))}</title>
<link rel="stylesheet" href="{root}assets/site.css">
<script src="{root}assets/theme.js"></script>
{tags}</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header>
<nav aria-label="Site"><a class="brand" href="{root}index.html">jina-eval</a> {above}</nav>
<button type="button" id="theme" hidden></button>
</header>
<main id="main" tabindex="-1">
{body}
</main>
<footer><p>Made by jina-eval from records alone. This page fetches nothing.</p></footer>
</body>
</html>
"""
