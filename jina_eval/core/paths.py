"""Paths of users in what is passed on to others."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

__all__ = ["shareable_path"]


def shareable_path(text: str) -> str:
    """A path without what it says of the user's folders.

    Args:
        text: A path as a user gives it, or any other value of a setting.

    Returns:
        "…/" and the last name of a path that is absolute, begins with the home folder ("~") or
        leads upwards ("..") and so names folders around the current one; anything else as it is.
    """
    windows = PureWindowsPath(text)
    if windows.drive or "\\" in text:
        path: PurePosixPath | PureWindowsPath = windows
        absolute = True
    else:
        path = PurePosixPath(text)
        absolute = path.is_absolute() or text.startswith("~")
    if not absolute and ".." not in path.parts:
        return text
    return f"…/{path.name}"
