"""The site's scripts and styles, and data as scripts.

A page that was opened from disk may not fetch a file, but it may load a script.
"""

import json
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from reports.errors import ReportError

__all__ = ["asset_files", "script_call"]

_ASSETS = Path(__file__).with_name("assets")
_EXPORT = re.compile(r"export\{[^{}]*?([\w$]+) as default[^{}]*\};")


def script_call(function: str, *values: Any) -> str:
    """A script that calls a function with some JSON data.

    No text in it can end a script element or a line of the script.

    Args:
        function: The function's name.
        values: Its arguments.

    Raises:
        ValueError: If a number is not finite.
    """
    # ASCII alone: U+2028 ends lines, and halves of surrogate pairs have no bytes.
    written = ", ".join(
        json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        for value in values
    )
    written = written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f"{function}({written});\n"


def asset_files() -> dict[str, str]:
    """The files that every page needs, by name."""
    files = {path.name: path.read_text("utf-8") for path in sorted(_ASSETS.iterdir())}
    return files | _datatables()


def _datatables() -> dict[str, str]:
    """DataTables as itables bundles it, with its licence.

    The bundle is a module, which a page that was opened from disk may not load;
    as a plain script it leaves `DataTable` behind.
    """
    package = distribution("itables")
    bundle = Path(str(package.locate_file("itables/html/dt_bundle.js"))).read_text("utf-8")
    script, found = _EXPORT.subn(r"window.DataTable = \1;", bundle)
    if found != 1:
        raise ReportError(
            f"itables {package.version}: its bundle of DataTables exports {found} defaults, not 1; "
            "allowed: itables 2.9"
        )
    licence = package.read_text("licenses/LICENSE") or package.metadata["License"]
    return {
        "datatables.js": f'(function () {{ "use strict";\n{script}\n}}());\n',
        "datatables-licence.txt": licence,
    }
