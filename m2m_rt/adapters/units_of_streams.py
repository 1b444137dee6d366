"""Unit strings of EMG channels, as lab software writes them, to microvolts."""

_MICROVOLTS_PER_UNIT = {
    1.0: ("microvolts", "microvolt", "uV", "µV", "μV", "microV", "-6"),
    1e3: ("millivolts", "millivolt", "mV", "-3"),
    1e6: ("volts", "volt", "V", "0"),
}
"""Seen in the wild; '0', '-3' and '-6' are the FIFF multipliers of MNE-LSL's player.
Micro is U+00B5 or U+03BC. Upper and lower case matter: MV is not mV."""

_MICROVOLTS = {
    name: factor for factor, names in _MICROVOLTS_PER_UNIT.items() for name in names
}

KNOWN_UNITS = tuple(_MICROVOLTS)
"""Every unit string that is understood."""


def microvolts_per(unit: str) -> float | None:
    """Return the microvolts in one of a channel's units; None if it is not known.

    >>> microvolts_per("mV")
    1000.0
    >>> microvolts_per("") is None
    True
    """
    return _MICROVOLTS.get(unit.strip())
