"""Keeps every message of the bus, and the trials as a table."""

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from m2m_rt.adapters.mcap_log import McapLog
from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.adapters.trials_csv import TrialsCsv, only_writer
from m2m_rt.errors import DiskFault
from m2m_rt.messages import decode, topic_named
from m2m_rt.units import RigNs


class Recorder:
    """Writes `messages.mcap` and `trials.csv` of one session."""

    def __init__(self, folder: SessionFolder, muscles: Sequence[str]) -> None:
        """Create both files.

        Raises
        ------
        ConfigError
            If another process writes the trials.
        DiskFault
            If one exists already or cannot be created.
        """
        self._log = McapLog(folder.messages_path)
        self._alone = ExitStack()
        self._alone.enter_context(only_writer(folder.trials_path))
        self._trials = TrialsCsv(folder.trials_path, muscles)
        self._channels: dict[str, int] = {}
        self.n_messages = 0

    @property
    def fault(self) -> DiskFault | None:
        """Why something is no longer written, or None while all is."""
        return self._log.fault or self._trials.fault

    def take(self, topic: str, frame: bytes, now_ns: RigNs) -> None:
        """Keep one message of the bus.

        Parameters
        ----------
        topic
            As on the bus: `topic/daemon`.
        frame
            The message's bytes.
        now_ns
            When it was received.

        Raises
        ------
        DataError
            If the topic is not in the table, or the frame is no message: then nothing
            was kept. Or if it is a trial of other muscles than the rig's.
        """
        message = decode(frame)
        self._log.write(
            self._channel(topic),
            frame,
            log_time_ns=now_ns,
            publish_time_ns=message.t_ns,
        )
        self.n_messages += 1
        self._trials.take(topic.partition("/")[2], message)

    def close(self, *, is_clean: bool = True) -> None:
        """Close both files."""
        with self._alone:
            self._log.close(is_clean=is_clean)
            self._trials.close()

    def __enter__(self) -> Self:
        """Return the recorder itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; after an exception as after a kill."""
        self.close(is_clean=kind is None)

    def _channel(self, topic: str) -> int:
        if topic not in self._channels:
            message_type = topic_named(topic.partition("/")[0]).message
            self._channels[topic] = self._log.add_channel(topic, message_type)
        return self._channels[topic]
