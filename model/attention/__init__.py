"""Attention over packed input: texts one after another in a row, none padded.

`interface` is what transformers calls; `kernels` are the ways to compute it;
`choice` picks among them by measurement.
"""
