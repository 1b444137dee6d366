"""The published training's settings."""

from typing import Annotated

import msgspec
from msgspec import Meta


class EncoderSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Of the autoencoder: stochastic gradient descent."""

    epochs: Annotated[int, Meta(gt=0)] = 100
    batch: Annotated[int, Meta(gt=0)] = 4
    learning_rate: Annotated[float, Meta(gt=0)] = 0.1
    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.9
    penalty: Annotated[float, Meta(ge=0)] = 1e-4
    """L1, of the 32- and 64-channel kernels."""


class MapperSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Of the mapper: Adadelta at rate 1, falling in steps."""

    epochs: Annotated[int, Meta(gt=0)] = 150
    batch: Annotated[int, Meta(gt=1)] = 16
    rate_step_epochs: Annotated[int, Meta(gt=0)] = 20
    rate_step: Annotated[float, Meta(gt=0, le=1)] = 0.7
    penalty: Annotated[float, Meta(ge=0)] = 1e-4
    """L1, of kernels."""
