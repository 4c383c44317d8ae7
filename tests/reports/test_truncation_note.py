"""What tables say of truncated vectors."""

from reports.leaderboard import make_leaderboards
from reports.tables import truncation_note
from tests.results.factories import make_record


def note(**changes):
    (board,) = make_leaderboards([make_record(**changes)])
    return truncation_note(board)


def test_unit_length_is_not_claimed_of_models_that_are_compared_by_their_length():
    assert note() == "Truncated vectors have unit length."
    assert note(similarity="dot").endswith("model (dot).")
