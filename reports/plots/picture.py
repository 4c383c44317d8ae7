"""What a plot is when it is done."""

from dataclasses import dataclass

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """A plot in two formats.

    Attributes:
        name: A file's stem.
        title: A heading.
        png: For documents.
        svg: For pages and print; white behind, whatever the page's own colour.
        description: What is seen, in words, for readers who cannot see it.
    """

    name: str
    title: str
    png: bytes
    svg: str
    description: str
