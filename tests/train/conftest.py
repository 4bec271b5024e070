"""Interrupts raise as in a terminal, however the tests were started."""

import signal

import pytest


@pytest.fixture(autouse=True)
def interrupts_raise():
    """A shell starts what it puts into the background with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
