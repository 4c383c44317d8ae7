import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.quantization import PRECISIONS
from model.views import View
from results.errors import RecordError
from results.vector_bytes import vector_bytes

widths = st.integers(1, 4096)


@given(widths, widths, st.sampled_from(PRECISIONS), st.booleans())
def test_bytes_are_those_of_the_view_itself(width, dim, precision, rescored):
    rescore = 4 if rescored and precision in ("binary", "ubinary") else None
    view = View(min(dim, width), precision=precision, rescore=rescore)
    assert vector_bytes(str(view), view.dim) == view.bytes_per_vector(width)


@pytest.mark.parametrize(
    ("view", "dim", "expected"),
    [
        ("dim=full", 1024, 4096),
        ("dim=256,float16", 256, 512),
        ("dim=route,int8", 96, 96),
        ("dim=9,binary,rescore=4", 9, 2),
        ("dim=full", None, None),
    ],
)
def test_planted_views(view, dim, expected):
    assert vector_bytes(view, dim) == expected


def test_an_unknown_precision_has_no_size():
    with pytest.raises(RecordError, match=r"'int4'; allowed: float32, .*ubinary"):
        vector_bytes("dim=256,int4", 256)
