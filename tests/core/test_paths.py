import pytest

from jina_eval.core.paths import shareable_path


@pytest.mark.parametrize(
    "text",
    ["minilm", "org/model", "models/mine", "./models/mine", "paper", "adapter=a.b"],
)
def test_what_names_no_folder_of_the_user_stays(text):
    assert shareable_path(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "/home/anna/models/mine",
        "/home/anna/models/mine/",
        "~/models/mine",
        "../../anna/mine",
        "models/../../anna/mine",
        r"C:\\Users\\anna\\mine",
        r"\\\\server\\anna\\mine",
    ],
)
def test_the_users_folders_are_left_out(text):
    assert shareable_path(text) == "…/mine"


def test_the_root_has_no_name():
    assert shareable_path("/") == "…/"
