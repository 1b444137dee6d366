"""The table of daemons: who says what to whom. All wiring is derived from it."""

from dataclasses import dataclass

from m2m_rt.errors import ConfigError
from m2m_rt.messages import TOPICS, Delivery, topic_named


@dataclass(frozen=True, slots=True)
class Subscription:
    """One topic of one daemon that another listens to."""

    topic: str
    producer: str
    delivery: Delivery = Delivery.STREAM


@dataclass(frozen=True, slots=True)
class Daemon:
    """One row: a process."""

    name: str
    purpose: str
    hears: tuple[tuple[str, Delivery], ...]
    """Topics for its node; `session` goes to every node."""

    says: tuple[str, ...]
    """Topics that only it produces."""

    devices: tuple[str, ...] = ()
    """What it listens or speaks to outside the bus."""

    has_journal: bool = False
    """Whether it decides, and so can be replayed."""

    is_critical: bool = False
    """Whether a session without it is over."""


_ALL = Delivery.STREAM
_NEWEST = Delivery.LATEST

SUPERVISOR = Daemon(
    "supervisor",
    "starts, watches and stops the others; passes on the operator's words",
    hears=(
        ("trial", _ALL),
        ("prediction", _NEWEST),
        ("emg", _NEWEST),
        ("stream_gap", _ALL),
        ("model_promoted", _ALL),
        ("promotion_refused", _ALL),
        ("fit", _ALL),
        ("excitability", _NEWEST),
        ("change", _ALL),
    ),
    says=("session",),
    devices=("terminal",),
)

DAEMONS: tuple[Daemon, ...] = (
    Daemon(
        "acquired",
        "reads EMG, markers and stimulator; finds pulses, measures MEPs",
        hears=(),
        says=("emg", "pulse_fired", "mep", "stimulator_state"),
        devices=("LSL EMG", "LSL markers", "LSL stimulator state"),
        has_journal=True,
        is_critical=True,
    ),
    Daemon(
        "posed",
        "reads the navigator; gives coil poses that can be trusted",
        hears=(),
        says=("coil_pose",),
        devices=("LSL coil pose",),
        has_journal=True,
        is_critical=True,
    ),
    Daemon(
        "predictd",
        "predicts before each pulse and learns from each answer",
        hears=(
            ("coil_pose", _NEWEST),
            ("stimulator_state", _ALL),
            ("pulse_fired", _ALL),
            ("mep", _ALL),
            ("model_promoted", _ALL),
        ),
        says=(
            *("echo", "prediction", "response_map", "trial", "promotion_refused"),
            *("excitability", "change"),
        ),
        has_journal=True,
        is_critical=True,
    ),
    Daemon(
        "traind",
        "refits the network between pulses and promotes what is better",
        hears=(("trial", _ALL), ("change", _ALL), ("promotion_refused", _ALL)),
        says=("model_promoted", "fit"),
        has_journal=True,
    ),
    Daemon(
        "served",
        "gives predictions to other programs",
        hears=(("prediction", _ALL),),
        says=(),
        devices=("LSL m2m_pred",),
    ),
    Daemon(
        "recordd",
        "keeps everything in the session's folder",
        hears=tuple((topic.name, _ALL) for topic in TOPICS),
        says=(),
        devices=("session folder",),
        is_critical=True,
    ),
)
"""In the order in which they stop: nobody stops before those it listens to."""

EVERYONE = (*DAEMONS, SUPERVISOR)


def daemon_named(name: str) -> Daemon:
    """Return a row of the table.

    Raises
    ------
    ConfigError
        If there is no such daemon.
    """
    for daemon in EVERYONE:
        if daemon.name == name:
            return daemon
    names = " ".join(daemon.name for daemon in DAEMONS)
    raise ConfigError("daemon", repr(name), f"one of {names}")


def upstream_of(name: str) -> tuple[str, ...]:
    """Return the daemons that must have stopped before this one does."""
    names = [daemon.name for daemon in DAEMONS]
    before = names if name == SUPERVISOR.name else names[: names.index(name)]
    heard = {topic for topic, _ in daemon_named(name).hears}
    return tuple(one for one in before if heard & set(_topics_said(daemon_named(one))))


def subscriptions_of(name: str) -> tuple[Subscription, ...]:
    """Return all that a daemon listens to: its node's topics and the runtime's own.

    The runtime hears the supervisor's words and the health of those upstream.
    """
    daemon = daemon_named(name)
    found = [
        Subscription(topic, producer, delivery)
        for topic, delivery in daemon.hears
        for producer in _producers_of(topic)
        if producer != name
    ]
    if name != SUPERVISOR.name:
        found.append(Subscription("session", SUPERVISOR.name))
    watched = [one.name for one in DAEMONS] if name == SUPERVISOR.name else []
    found += [Subscription("health", one) for one in (*upstream_of(name), *watched)]
    return tuple(dict.fromkeys(found))


def subscribed_topics(name: str) -> list[str]:
    """Return a daemon's topics, each as often as somebody subscribes to it."""
    return [
        one.topic
        for listener in EVERYONE
        for one in subscriptions_of(listener.name)
        if one.producer == name
    ]


def _topics_said(daemon: Daemon) -> tuple[str, ...]:
    own = tuple(topic.name for topic in TOPICS if topic.each_daemon)
    return (*daemon.says, *own) if daemon is not SUPERVISOR else daemon.says


def _producers_of(topic: str) -> tuple[str, ...]:
    if topic_named(topic).each_daemon:
        return tuple(daemon.name for daemon in DAEMONS)
    return tuple(daemon.name for daemon in EVERYONE if topic in daemon.says)
