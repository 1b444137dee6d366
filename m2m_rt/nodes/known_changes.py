"""Which sudden changes predictd takes into account, from what it says of them."""

from dataclasses import dataclass

import msgspec

from m2m_rt.messages import ChangeSeen, KnownChange
from m2m_rt.units import RigNs


@dataclass(frozen=True, slots=True)
class _Found:
    at_trial: int
    """Number of trials learnt when it was found."""

    said: ChangeSeen


class KnownChanges:
    """Changes that hold, counted in learnt trials as predictd counts them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: list[_Found] = []

    @property
    def held(self) -> tuple[KnownChange, ...]:
        """Those that hold, in the order in which they were found."""
        return tuple(
            KnownChange(
                since_trial=one.at_trial - one.said.trials_ago,
                muscle=one.said.muscle,
                log10_gain=one.said.log10_gain,
                shift_x_mm=one.said.shift_x_mm,
                shift_y_mm=one.said.shift_y_mm,
            )
            for one in self._found
        )

    def hear(self, said: ChangeSeen, n_learnt: int) -> None:
        """Take what was said after so many learnt trials."""
        if not said.acted_on:
            return
        if not said.withdrawn:
            self._found.append(_Found(n_learnt, said))
            return
        for one in reversed(self._found):
            if _what(one.said) == _what(said):
                self._found.remove(one)
                return

    def forget_after(self, n_learnt: int) -> None:
        """Forget changes that were found after more trials than there now are."""
        self._found = [one for one in self._found if one.at_trial <= n_learnt]


def _what(said: ChangeSeen) -> ChangeSeen:
    """Return what was seen, without when it was said and whether it was taken back."""
    return msgspec.structs.replace(said, t_ns=RigNs(0), seq=0, withdrawn=False)
