"""Pictures in pages: a file each, with its description for those who cannot see it."""

from collections.abc import Sequence
from html import escape

from reports.grid import visible
from reports.plots import Picture

__all__ = ["figures", "picture_files"]


def figures(pictures: Sequence[Picture], slug: str, root: str) -> str:
    """The pictures as HTML.

    Args:
        pictures: The pictures.
        slug: What tells their files from those of other pages.
        root: The way from the page to the site's folder.
    """
    shown = []
    for picture in pictures:
        stem = f"{root}pictures/{slug}-{picture.name}"
        title = escape(visible(picture.title))
        shown.append(
            f'<figure><div class="scroll picture" tabindex="0" role="region" '
            f'aria-label="{title}"><img src="{escape(stem)}.svg" loading="lazy" '
            f'alt="{escape(visible(picture.description))}"></div>'
            f'<figcaption><a href="{escape(stem)}.svg">{title}</a></figcaption></figure>'
        )
    return "\n".join(shown)


def picture_files(pictures: Sequence[Picture], slug: str) -> dict[str, str]:
    """The files that `figures` shows, by their path in the site."""
    return {f"pictures/{slug}-{picture.name}.svg": picture.svg for picture in pictures}
