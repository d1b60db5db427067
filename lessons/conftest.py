"""nbval compares text: the outputs stored in a lesson are its text outputs only."""


class _AllButText:
    """The output fields that nbval is to skip: every MIME type but plain text, and its own list."""

    def __init__(self, skipped):
        self._skipped = skipped

    def __contains__(self, field):
        return field in self._skipped or ("/" in field and field != "text/plain")


def pytest_collectstart(collector):
    """Let nbval look at text outputs only."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = _AllButText(collector.skip_compare)
