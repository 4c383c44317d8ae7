import re

from hypothesis import given
from hypothesis import strategies as st

from reports.grid import Cell, Column, Grid, visible
from reports.latex import escape_latex, render_latex

HOSTILE = r"\input{/etc/passwd} 50% & $x_1^2$ #{} ~ [2pt] -- ''quoted`` <|>*"

# What the signs mean to LaTeX, longest first.
PRINTED = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textasciigrave{}": "`",
    r"\textquotedbl{}": '"',
    r"\textgreater{}": ">",
    r"\textendash{}": "–",
    r"\textless{}": "<",
    r"\textbar{}": "|",
    r"$\rightarrow$": "→",
    r"$\times$": "×",
    r"\dots{}": "…",
    r"$\pm$": "±",
    r"$-$": "−",
    **{f"{{{sign}}}": sign for sign in "[]*"},
    **{f"\\{sign}": sign for sign in "&%$#_{}"},
}
PLAIN = r"[^\\~^<>|\"`&%$#_{}\[\]*'–…×−±→,-]"
# A sign that joins with its like stands alone, or has something between them.
ALONE = r"[-',](?:\{\})?"
TOKEN = re.compile("|".join([*map(re.escape, PRINTED), PLAIN, ALONE]), re.S)


def printed(text):
    """What LaTeX would print; fails at a sign that means something to it."""
    read, place = [], 0
    while place < len(text):
        token = TOKEN.match(text, place)
        assert token, f"{text[place:]!r} is not plain text"
        joins = len(token[0]) == 1 and token[0] in "-',"
        assert not (joins and text[place + 1 : place + 2] == token[0])
        read.append(PRINTED.get(token[0], token[0].removesuffix("{}")))
        place = token.end()
    return "".join(read)


@given(st.one_of(st.text(), st.text(alphabet="\\{}$&#%_^~[]*-',\"`<>|–× \n\x00a")))
def test_any_text_is_printed_as_it_is(text):
    escaped = escape_latex(text)
    assert "\n" not in escaped
    assert printed(escaped) == visible(" ".join(text.split()))


def rendered(*rows):
    columns = (Column("Model", numeric=False), Column("Mean (task)", "by task"))
    return render_latex("Suite & more", [Grid("T", columns, rows, ("A note, 95 %.",))])


def test_a_row_has_as_many_cells_as_columns_whatever_the_names():
    text = rendered((Cell(HOSTILE), Cell("51.08", 0.51)), (Cell("plain"), Cell("–")))
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 2
    for line in body:
        assert line.endswith(r" \\")
        assert len(re.findall(r"(?<!\\)&", line)) == 1
    assert body[1] == r"plain & \textendash{} \\"
    assert printed(body[0].split(" & 51")[0]) == HOSTILE


def test_the_best_is_bold_and_the_table_is_booktabs():
    text = rendered((Cell("model"), Cell("51.08", 0.51, best=True)))
    assert r"model & \textbf{51.08} \\" in text
    assert r"\begin{tabular}{@{}lr@{}}" in text
    assert r"\caption{Suite \& more: T}" in text
    assert "95 \\%." in text
    for opened in ("table", "tabular"):
        assert text.count(rf"\begin{{{opened}}}") == text.count(rf"\end{{{opened}}}") == 1
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    commands = set(re.findall(r"\\([a-z]{3,})", text.split("\n", 2)[2]))
    # Nothing but LaTeX's own and booktabs'.
    assert commands <= {
        "begin", "end", "centering", "small", "caption", "toprule", "midrule", "bottomrule",
        "textbf", "par", "smallskip", "footnotesize", "textendash",
    }  # fmt: skip
