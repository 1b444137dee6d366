"""Between stimulator output in % MSO and the coil current's rate, A/µs."""


def didt_a_per_us(
    *, intensity_pct_mso: float, didt_at_100_pct_mso_a_per_us: float
) -> float:
    """Return dI/dt of a stimulus; the field scales linearly with it.

    >>> didt_a_per_us(intensity_pct_mso=40.0, didt_at_100_pct_mso_a_per_us=150.0)
    60.0
    """
    return intensity_pct_mso / 100.0 * didt_at_100_pct_mso_a_per_us


def intensity_pct_mso(
    *, didt_a_per_us: float, didt_at_100_pct_mso_a_per_us: float
) -> float:
    """Return the stimulator output that gives a dI/dt.

    >>> intensity_pct_mso(didt_a_per_us=60.0, didt_at_100_pct_mso_a_per_us=150.0)
    40.0
    """
    return 100.0 * didt_a_per_us / didt_at_100_pct_mso_a_per_us


def rated_output_fault(
    *, didt_at_100_pct_mso_a_per_us: float, coil_didt_max_a_per_us: float | None
) -> str | None:
    """Return what is wrong with a rated output for a coil; None if nothing is known.

    A coil file states the most that its stimulator drives through it. A rig that
    claims more has another stimulator or a wrong unit, and all its fields would be too
    large by that factor.
    """
    limit = coil_didt_max_a_per_us
    if limit is None or didt_at_100_pct_mso_a_per_us <= limit:
        return None
    return (
        f"{didt_at_100_pct_mso_a_per_us:g} A/µs at 100 % MSO is more than the coil's "
        f"{limit:g} A/µs"
    )
