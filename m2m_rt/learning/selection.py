"""A prior of fewer muscles: what a laboratory that measures some of them needs."""

from collections.abc import Sequence

from m2m_rt.learning.last_layer import LastLayerPrior


def select_muscles(prior: LastLayerPrior, rows: Sequence[int]) -> LastLayerPrior:
    """Return the prior of some muscles, in the order of `rows`.

    Muscles learn apart from each other, so leaving some out changes no other.
    """
    chosen = list(rows)
    return LastLayerPrior(
        mean=prior.mean[chosen],
        factor=prior.factor[chosen],
        log_noise=prior.log_noise[chosen],
        scale_dof=prior.scale_dof,
    )
