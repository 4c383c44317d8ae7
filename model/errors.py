"""Errors about models that a user can act on."""

__all__ = ["BrokenModelError", "ModelError", "ModelOutputError", "UnknownModelError", "ViewError"]


class ModelError(ValueError):
    """A model cannot be used as asked; the message says why and what is possible."""


class BrokenModelError(ModelError):
    """The files of a model cannot be fetched, read or used; other models are not concerned."""


class UnknownModelError(ModelError):
    """No model of this name was found."""


class ViewError(ModelError):
    """A view that cannot be read, or that the model is too narrow for."""


class ModelOutputError(ModelError):
    """The model returned something that is no embedding; the message names the text."""
