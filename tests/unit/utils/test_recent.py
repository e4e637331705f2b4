"""What was used most recently stays, up to a number of values or a sum of sizes."""

from __future__ import annotations

from sparse_autoencoder.utils.recent import Recent


def test_recent_values_stay_and_the_others_go() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.keep("a", 1)
    recent.keep("b", 2)
    assert recent.get("a") == 1
    recent.keep("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]


def test_a_limit_can_be_on_sizes_and_the_last_value_always_stays() -> None:
    recent: Recent[str, bytes] = Recent(10, len)
    recent.keep("a", b"12345")
    recent.keep("b", b"12345")
    recent.keep("b", b"1234")
    recent.keep("c", b"1")
    assert [recent.get(key) for key in "abc"] == [b"12345", b"1234", b"1"]
    recent.keep("d", b"x" * 11)
    assert [recent.get(key) for key in "abcd"] == [None, None, None, b"x" * 11]
    recent.keep("e", b"12345")
    assert [recent.get(key) for key in "de"] == [None, b"12345"]
