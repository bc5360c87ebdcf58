"""What changed in a session, noted on any thread and told on the main thread."""

from __future__ import annotations

import threading


class Topics:
    """Topics that wait to be told."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._lock = threading.Lock()

    def add(self, topic: str) -> None:
        """Note a topic."""
        with self._lock:
            self._waiting.add(topic)

    def taken(self) -> list[str]:
        """All that wait, in alphabetical order; they wait no more."""
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        return sorted(waiting)
