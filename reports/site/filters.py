"""The form above a leaderboard that filters its models and chooses its columns."""

from collections.abc import Iterable
from html import escape

from reports.grid import spaced, visible
from reports.site.rows import BoardRows

__all__ = ["filter_form"]

_SOURCES = (("", "All"), ("measured", "Measured here"), ("published", "Published"))
_COVERAGE = (("", "Any"), ("50", "Half or more"), ("90", "90 % or more"), ("100", "All"))


def filter_form(rows: BoardRows) -> str:
    """The form, which a script reads: what each field tests, of which of a row's facts."""
    board = rows.board
    kinds = [(kind, f"{spaced(kind)} ({len(board.tasks_of(kind))})") for kind in board.types]
    columns = [("", "None"), *kinds, ("all", f"All ({len(board.tasks)})")]
    source = _select("Scores", 'name="source" data-test="is" data-of="source"', _SOURCES)
    coverage = _select(
        "Tasks measured", 'name="coverage" data-test="min" data-of="coverage"', _COVERAGE
    )
    scores = f'name="tasks" data-columns data-src="scores/{rows.slug}.js"'
    suite = escape(visible(board.suite))
    return f"""<form class="filters" data-for="{rows.slug}-models" role="search"
aria-label="Filter the models of {suite}">
<label class="wide">Model <input type="search" name="q" data-test="words" data-of="name"
placeholder="Part of a name" autocomplete="off"></label>
{source if board.published else ""}
{coverage}
{_select("Columns of single tasks", scores, columns)}
<details><summary>More filters and columns</summary><div>
{_range("parameters", "Parameters", "millions", "1e6")}
{_range("dim", "Dimensions", "", "1")}
<fieldset><legend>Columns</legend>
<label><input type="checkbox" name="types" data-toggles="types" checked> Task types</label>
<label><input type="checkbox" name="facts" data-toggles="facts" checked> Model facts</label>
</fieldset>
</div></details>
<button type="reset">Reset</button>
</form>"""


def _select(title: str, attributes: str, options: Iterable[tuple[str, str]]) -> str:
    shown = "".join(
        f'<option value="{escape(visible(value))}">{escape(visible(said))}</option>'
        for value, said in options
    )
    return f"<label>{title} <select {attributes}>{shown}</select></label>"


def _range(fact: str, title: str, unit: str, times: str) -> str:
    said = f"{title} in {unit}" if unit else title
    ends = "".join(
        f'<label><span class="unseen">{title}, </span>{word} <input type="number" min="0" '
        f'step="any" inputmode="decimal" name="{end}-{fact}" data-test="{end}" data-of="{fact}" '
        f'data-times="{times}"></label>'
        for end, word in (("min", "at least"), ("max", "at most"))
    )
    return f"<fieldset><legend>{said}</legend>{ends}</fieldset>"
