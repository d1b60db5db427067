"""Reference implementations, exercises and live figures of the course."""

__version__ = "0.1.0"
