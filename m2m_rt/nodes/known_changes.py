"""Which sudden changes predictd takes into account, from what it says of them."""

from dataclasses import dataclass, replace

import msgspec

from m2m_rt.messages import ChangeSeen, KnownChange
from m2m_rt.units import RigNs


@dataclass(frozen=True, slots=True)
class _Found:
    at_trial: int
    """Number of trials learnt when it was found."""

    said: ChangeSeen
    withdrawn_at: int | None = None
    """Number of trials learnt when it was taken back; None while it holds."""

    def after(self, n_learnt: int) -> "_Found":
        """Return it as so many trials tell, if they are fewer than there were."""
        withdrawn_at = self.withdrawn_at
        if withdrawn_at is not None and withdrawn_at > n_learnt:
            return replace(self, withdrawn_at=None)
        return self


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
            if one.withdrawn_at is None
        )

    def hear(self, said: ChangeSeen, n_learnt: int) -> None:
        """Take what was said after so many learnt trials."""
        if not said.acted_on:
            return
        if said.withdrawn:
            self._withdraw(said, n_learnt)
        else:
            self._found.append(_Found(n_learnt, said))

    def forget_after(self, n_learnt: int) -> None:
        """Forget what was found, or withdrawn, after more trials than there now are."""
        found = [one for one in self._found if one.at_trial <= n_learnt]
        self._found = [one.after(n_learnt) for one in found]

    def _withdraw(self, said: ChangeSeen, n_learnt: int) -> None:
        for row in reversed(range(len(self._found))):
            one = self._found[row]
            if one.withdrawn_at is None and _what(one.said) == _what(said):
                self._found[row] = replace(one, withdrawn_at=n_learnt)
                return


def _what(said: ChangeSeen) -> ChangeSeen:
    """Return what was seen, without when it was said and whether it was taken back."""
    return msgspec.structs.replace(said, t_ns=RigNs(0), seq=0, withdrawn=False)
