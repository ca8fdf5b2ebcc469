"""News wakes the thread that waits for signals, however much of it there is."""

from penstock.runner.signals import Wakeup


def test_news_wakes_without_a_signal() -> None:
    wakeup = Wakeup()
    wakeup.poke()
    heard = wakeup.wait(60)
    wakeup.close()

    assert heard == frozenset()


def test_more_news_than_the_descriptor_holds_is_no_crash() -> None:
    wakeup = Wakeup()
    for _ in range(5_000):
        wakeup.poke()
    heard = wakeup.wait(60)
    wakeup.close()

    assert heard == frozenset()
