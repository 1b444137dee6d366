"""Notices the end of the process that started this one, however it ended."""

import os
import threading

STDIN = 0


class ParentWatch:
    """Watches a pipe whose other end the parent holds open for as long as it lives.

    The operating system closes it for a parent that was killed, too, so nobody is left
    running that nobody supervises. The thread only blocks in read(2).
    """

    def __init__(self, descriptor: int = STDIN) -> None:
        """Watch from now on."""
        self._descriptor = descriptor
        self._ended = threading.Event()
        threading.Thread(target=self._wait, name="parent", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether the parent has let go."""
        return self._ended.is_set()

    def _wait(self) -> None:
        # Not sys.stdin: a thread that holds its lock makes the interpreter's end fail.
        try:
            while os.read(self._descriptor, 1024):
                continue
        except OSError:
            return
        finally:
            self._ended.set()
