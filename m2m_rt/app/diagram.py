"""The diagram of the daemons, drawn from their table, in Mermaid."""

from m2m_rt.app.daemons import DAEMONS, EVERYONE, SUPERVISOR

RECORDER = "recordd"


def daemon_diagram() -> str:
    """Return a flowchart: what each daemon says to whom.

    The recorder hears everything and the supervisor everyone's health, so their arrows
    are left out where they would say nothing.
    """
    lines = ["flowchart LR"]
    lines += [f'    {one.name}["{one.name}<br/>{one.purpose}"]' for one in EVERYONE]
    for daemon in EVERYONE:
        for number, device in enumerate(daemon.devices):
            lines.append(f'    {daemon.name}_{number}(["{device}"]) --- {daemon.name}')
    for listener in (*DAEMONS, SUPERVISOR):
        if listener.name != RECORDER:
            lines += _arrows_to(listener.name)
    lines += [f"    bus((every topic)) --> {RECORDER}"]
    return "\n".join(lines)


def _arrows_to(name: str) -> list[str]:
    """Return one arrow for each producer, named for its topics."""
    heard = next(one.hears for one in EVERYONE if one.name == name)
    arrows = []
    for producer in EVERYONE:
        topics = [topic for topic, _ in heard if topic in producer.says]
        if topics and producer.name != name:
            arrows.append(f'    {producer.name} -- "{", ".join(topics)}" --> {name}')
    return arrows
