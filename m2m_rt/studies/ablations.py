"""The real-time family with one thing changed at a time."""

from dataclasses import replace

from msgspec import structs

from m2m_rt.nets.sessions import HeadField
from m2m_rt.nets.shape_features import ShapeSettings
from m2m_rt.studies.committee import Committee
from m2m_rt.studies.realtime_system import FilterSystem, RecruitmentSystem
from m2m_rt.studies.systems import System


def ablations(head: HeadField, systems: tuple[System, ...]) -> tuple[System, ...]:
    """Return what was changed: networks fitted from scratch, and committees of fewer.

    Parameters
    ----------
    head
        Whose fields are given.
    systems
        The family as it is; its committees are asked without each of their members.
    """
    filters = FilterSystem("filters", head)
    recruitment = RecruitmentSystem("recruitment", head)
    committees = [system for system in systems if isinstance(system, Committee)]
    return (
        *_filter_ablations(filters),
        *_recruitment_ablations(recruitment),
        *(changed for one in committees for changed in _committee_ablations(one)),
    )


def _filter_ablations(system: FilterSystem) -> tuple[System, ...]:
    settings = system.settings
    changed = {
        "one_member": structs.replace(settings, n_members=1),
        "fixed_nrp": structs.replace(settings, learns_response=False),
        "squared_error": structs.replace(settings, likelihood=False),
        "own_noise_only": structs.replace(settings, shared=False),
    }
    return (
        replace(system, name="filters-magnitude", has_direction=False),
        replace(system, name="filters-12_filters", n_filters=12),
        replace(system, name="filters-48_filters", n_filters=48),
        *(
            replace(system, name=f"filters-{name}", settings=one)
            for name, one in changed.items()
        ),
    )


def _committee_ablations(system: Committee) -> tuple[System, ...]:
    kept = [
        [place for place in range(len(system.members)) if place != left_out]
        for left_out in range(len(system.members))
    ]
    names = [member.name.removeprefix("realtime.") for member in system.members]
    return tuple(
        Committee(
            f"committee-without_{name}",
            members=tuple(system.members[place] for place in places),
            weights=tuple(system.weights[place] for place in places),
        )
        for name, places in zip(names, kept, strict=True)
    )


def _recruitment_ablations(system: RecruitmentSystem) -> tuple[System, ...]:
    settings = system.settings
    changed = {
        "fixed_nrp": structs.replace(settings, learns_profile=False),
        "squared_error": structs.replace(settings, likelihood=False),
        "shared_excitability": structs.replace(settings, shared=True),
        "20_features": structs.replace(settings, shape=ShapeSettings(n_features=20)),
        "80_features": structs.replace(settings, shape=ShapeSettings(n_features=80)),
    }
    return (
        replace(system, name="recruitment-magnitude", has_direction=False),
        *(
            replace(system, name=f"recruitment-{name}", settings=one)
            for name, one in changed.items()
        ),
    )
