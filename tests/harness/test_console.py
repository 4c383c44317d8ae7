import io

from rich.console import Console

from harness.console import ProgressDisplay, make_console, show_error
from harness.output import Output
from harness.plan import make_plan, resolve_run
from harness.run import execute
from harness.spec import RunSpec


def watch(tiny_model, tmp_path, *, terminal, quiet=False):
    """What is drawn while two tasks are measured in two views."""
    spec = RunSpec(
        model=str(tiny_model),
        tasks=("LeeDocumentSTS", "PerlFaqRetrieval"),
        views=("dim=16", "dim=4"),
    )
    output = Output(tmp_path / f"out-{terminal}-{quiet}")
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=terminal, width=120)
    with ProgressDisplay(console, quiet=quiet) as display:
        execute(make_plan(resolve_run(spec), output.store), output, display)
    return drawn.getvalue()


def test_elsewhere_each_finished_task_is_one_plain_line(tiny_model, tmp_path):
    drawn = watch(tiny_model, tmp_path, terminal=False)
    lines = drawn.splitlines()
    assert len(lines) == 3
    assert "4 records to measure, 0 stored already" in lines[0]
    assert lines[1].split()[0] == "PerlFaqRetrieval"
    assert lines[2].split()[:1] == ["LeeDocumentSTS"]
    assert "cosine_spearman (dim=16)" in lines[2]
    assert "\x1b" not in drawn and "\r" not in drawn


def test_a_terminal_sees_bars_with_texts_per_second(tiny_model, tmp_path):
    drawn = watch(tiny_model, tmp_path, terminal=True)
    assert "encoding" in drawn
    assert "texts/s" in drawn
    assert "PerlFaqRetrieval" in drawn


def test_quiet_is_quiet(tiny_model, tmp_path):
    assert watch(tiny_model, tmp_path, terminal=True, quiet=True) == ""


def test_tables_have_room_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert make_console().width >= 100


def test_control_characters_of_names_are_shown_and_not_sent(capfd):
    make_console().print("model \x1b[31mred\x1b]0;title\x07 \udc80")
    show_error("no model \x1b[2J")
    done = capfd.readouterr()
    assert "\x1b" not in done.out + done.err
    assert "model \\u001b[31mred" in done.out
    assert "no model \\u001b[2J" in done.err
