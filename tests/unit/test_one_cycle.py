"""Learning rates rise and fall over fits of any length."""

import pytest
import torch

from m2m_rt.nets.one_cycle import one_cycle


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 20, 150])
@pytest.mark.parametrize("warm_up_share", [0.1, 0.5])
def test_rates_rise_to_the_largest_and_fall(n_steps: int, warm_up_share: float) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight])
    schedule = one_cycle(
        optimizer, (0.05,), n_steps=n_steps, warm_up_share=warm_up_share
    )
    rates = []
    for _ in range(n_steps):
        weight.sum().backward()  # type: ignore[no-untyped-call]  # torch has none
        optimizer.step()
        rates.append(schedule.get_last_lr()[0])
        schedule.step()
    if n_steps > 1:
        assert max(rates) == pytest.approx(0.05)
    if n_steps > 2:
        assert rates[-1] < rates[0] < 0.05
