"""What every model looks like to the rest: texts and a route in, float32 vectors out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from model.routing import Route

__all__ = ["Backend", "Encoded", "Progress"]

Progress = Callable[[int], None]
"""Called with the number of texts that were encoded since the last call."""


@dataclass(frozen=True)
class Encoded:
    """Vectors of some texts, with what was read of each.

    Attributes:
        vectors: Shape (n, width), float32.
        tokens: Shape (n,), int64: tokens before truncation, prompt and special
            tokens included; None where the model has no tokenizer.
        truncated: Shape (n,), int64: tokens cut off; None likewise.
    """

    vectors: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64] | None = None
    truncated: npt.NDArray[np.int64] | None = None


class Backend(Protocol):
    """A loaded model."""

    @property
    def width(self) -> int | None:
        """Full width of the vectors; None where it is not fixed."""
        ...

    @property
    def max_length(self) -> int | None:
        """Longest input in tokens; None for no limit."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, such as "cpu" or "cuda:0"."""
        ...

    @property
    def precision(self) -> str:
        """Number format of its arithmetic, such as "float32"."""
        ...

    @property
    def attention(self) -> str | None:
        """Name of the attention kernel in use; None where there is none."""
        ...

    @property
    def compiled(self) -> bool:
        """Whether its layers are compiled."""
        ...

    @property
    def fused_gelu(self) -> bool:
        """Whether linear layers and the GELU after them are one kernel."""
        ...

    def prepare(self, texts: Sequence[str]) -> None:
        """Learn what must be known of a task's texts, without labels, before encoding them.

        Most models need nothing.
        """
        ...

    def encode(self, texts: Sequence[str], route: Route, progress: Progress) -> Encoded:
        """Turn texts into vectors, in the order of the texts.

        Args:
            texts: Texts without their prompt.
            route: The adapter and prompt to encode them with.
            progress: Told how far it is.
        """
        ...
