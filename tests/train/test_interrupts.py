"""An interrupt is held until a block ends."""

import signal

import pytest

from jaxrecon.train.interrupts import held_interrupts


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_waits_for_the_end_of_a_block_but_a_second_does_not():
    done = []

    def nested():
        with held_interrupts():
            with held_interrupts():
                interrupt()
                done.append("inner")
            done.append("outer")

    def impatient():
        with held_interrupts():
            interrupt()
            interrupt()
            done.append("not reached")

    for block in (nested, impatient):
        with pytest.raises(KeyboardInterrupt):
            block()
    assert done == ["inner", "outer"]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_interrupts():
            interrupt()
    finally:
        signal.signal(signal.SIGINT, before)
