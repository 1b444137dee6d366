"""Which stream of the network a rig means; part of the rig file."""

import msgspec

from m2m_rt.adapters.stream_header import StreamHeader


class StreamChoice(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """The stream that has all of these; an empty field fits any.

    A type alone is rarely enough: programs use each other's (mne-lsl issue 68), and LSL
    has no authentication, so name and source_id are the allow-list.
    """

    type: str = ""
    """LSL content type, such as `EMG`."""

    name: str = ""
    """The stream's name."""

    source_id: str = ""
    """The sender's own mark, such as a serial number."""

    hostname: str = ""
    """The computer that sends it."""

    def __post_init__(self) -> None:
        """Refuse a choice that fits everything, or that cannot be asked for."""
        asked = list(self.wanted().values())
        if not asked:
            msg = "one of type, name, source_id, hostname must be given"
            raise ValueError(msg)
        if any("'" in value and '"' in value for value in asked):
            msg = "a stream's field cannot have both ' and \" in it"
            raise ValueError(msg)

    def wanted(self) -> dict[str, str]:
        """Return the fields that are not empty."""
        return {
            field: value
            for field, value in msgspec.structs.asdict(self).items()
            if value
        }

    def fits(self, header: StreamHeader) -> bool:
        """Whether a stream has all of these."""
        return all(
            getattr(header, field) == value for field, value in self.wanted().items()
        )

    def predicate(self) -> str:
        """Return the XPath 1.0 predicate that LSL resolves.

        >>> StreamChoice(type="EMG", name="lab").predicate()
        "type='EMG' and name='lab'"
        """
        return " and ".join(
            f"{field}={_quoted(value)}" for field, value in self.wanted().items()
        )

    def __str__(self) -> str:
        """Return the choice as a person writes it."""
        return ", ".join(f"{field} {value!r}" for field, value in self.wanted().items())


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"
