"""The attention kernels by name; importing this loads no torch."""

__all__ = ["ATTENTION_NAMES", "KERNEL_NAMES", "SEGMENTS"]

SEGMENTS = "sdpa"
"""The one that runs everywhere: torch's SDPA, for texts of one length at a time."""

KERNEL_NAMES = ("triton", "flash-attention-3", "flash-attention-2", "torch-varlen")
"""Those for CUDA; where two are equally quick, the first is taken."""

ATTENTION_NAMES = ("auto", SEGMENTS, *KERNEL_NAMES)
"""What can be asked for."""
