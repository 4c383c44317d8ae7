"""No network: what is not here is refused by name instead of being asked for."""

from __future__ import annotations

import os
import sys

__all__ = ["go_offline"]

_SETTINGS = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def go_offline() -> None:
    """Keep the hub's client and its users from opening a connection, for the rest of the process.

    They read their setting when they are imported, so it is set both in the environment and in
    those that are imported already.
    """
    for name in _SETTINGS:
        os.environ[name] = "1"
    for module in ("huggingface_hub.constants", "datasets.config"):
        if module in sys.modules:
            sys.modules[module].HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
