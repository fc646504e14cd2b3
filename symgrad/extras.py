"""Optional packages, imported when something needs them."""

from __future__ import annotations

from importlib import import_module

from symgrad.errors import MissingPackage

# How pip spells the packages whose import name differs.
_PIP_NAMES = {"sklearn": "scikit-learn"}


def need(module, extra="train"):
    """The imported `module`, or a `MissingPackage` that says which extra of symgrad brings it.

    >>> need("json").dumps([1])
    '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there; something inside it is broken
        package = _PIP_NAMES.get(package, package)
        raise MissingPackage(
            f"{package} is not installed; get it with: pip install 'symgrad[{extra}]'"
        ) from error
