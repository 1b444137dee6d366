"""What networks are trained by is what the last layer does."""

import numpy as np
import torch

from m2m_rt.learning import first_posterior, learn, predict
from m2m_rt.nets.evidence import session_log_evidence
from tests.support.models import draw_features, small_net


def test_evidence_is_the_sum_of_progressive_log_densities() -> None:
    _, prior = small_net()
    rng = np.random.default_rng(1)
    features = draw_features(rng, 25)
    log10_uv = 1.8 + 0.3 * rng.standard_normal((25, 15))
    valid = rng.random((25, 15)) < 0.7
    evidence = session_log_evidence(
        prior,
        torch.tensor(features)[None],
        torch.tensor(log10_uv, dtype=torch.float32)[None],
        torch.tensor(valid, dtype=torch.float32)[None],
    )
    posterior = first_posterior(prior.as_arrays(scale_dof=1e12))
    total = 0.0
    for row in range(25):
        density = predict(posterior, features[row : row + 1]).log_density(log10_uv[row])
        total += density[0, valid[row]].sum()
        posterior = learn(
            posterior, features[row], log10_uv=log10_uv[row], valid=valid[row]
        )
    # float32 against float64, and a jitter of 1e-6 of the precision
    assert abs(evidence.item() - total / valid.sum()) < 1e-3
