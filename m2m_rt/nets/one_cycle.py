"""The learning rate's rise and fall over a fit, for any number of steps."""

from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR


def one_cycle(
    optimizer: Optimizer,
    rates: Sequence[float],
    *,
    n_steps: int,
    warm_up_share: float,
) -> OneCycleLR:
    """Return a schedule, to be stepped after each of the optimizer's `n_steps`.

    Parameters
    ----------
    optimizer
        Whose rates it sets.
    rates
        The largest of each group of parameters.
    n_steps, warm_up_share
        Of the fit, and the part of it in which rates rise: two steps of three at least,
        for torch divides by one less.
    """
    total_steps = max(n_steps, 3)
    return OneCycleLR(
        optimizer,
        list(rates),
        total_steps=total_steps,
        pct_start=max(warm_up_share, 2.0 / total_steps),
    )
