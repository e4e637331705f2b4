"""How fast a run is and how long it takes, from what was seen of it: literal times and numbers."""

from __future__ import annotations

import pytest

from services.api.runs.run_speed import Seen, Speed, Speeds, seconds_left, total_records


def speed_after(*steps: tuple[float, int, int], now: float | None = None, begun_at: float | None = 0.0) -> Speed | None:
    """The speed after a run was seen at these (time, rows, tokens)."""
    speeds, speed = Speeds(), None
    for at, records, tokens in steps:
        speed = speeds.see("r", Seen(at, records, tokens), begun_at, at if now is None else now)
    return speed


def test_nothing_is_known_before_anything_is_done() -> None:
    assert speed_after((100.0, 0, 0)) is None


def test_at_first_it_is_the_average_since_the_beginning() -> None:
    assert speed_after((50.0, 100, 2000), begun_at=30.0) == Speed(5.0, 100.0)


def test_of_a_run_that_went_on_from_somewhere_nothing_is_known_until_it_went_on_twice() -> None:
    assert speed_after((50.0, 100, 2000), begun_at=None) is None
    assert speed_after((50.0, 100, 2000), (60.0, 200, 5000), begun_at=None) == Speed(10.0, 300.0)


def test_then_it_is_the_speed_between_what_was_seen() -> None:
    assert speed_after((50.0, 100, 2000), (60.0, 200, 5000)) == Speed(10.0, 300.0)


def test_it_is_that_of_the_last_minute() -> None:
    slow = [(float(at), at, at) for at in range(0, 100, 10)]
    fast = [(100.0 + 10 * step, 100 + 100 * step, 100 + 1000 * step) for step in range(8)]
    assert speed_after(*slow, *fast) == Speed(10.0, 100.0)


def test_steps_that_take_longer_than_a_minute_count_all_the_same() -> None:
    assert speed_after((0.0, 0, 0), (200.0, 100, 1000), (400.0, 300, 5000)) == Speed(1.0, 20.0)


def test_seeing_the_same_again_changes_nothing_until_the_next_step_is_late() -> None:
    steps = [(0.0, 0, 0), (10.0, 100, 1000), (20.0, 200, 2000)]
    assert speed_after(*steps, (20.0, 200, 2000), now=29.0) == Speed(10.0, 100.0)
    assert speed_after(*steps, (20.0, 200, 2000), now=50.0) == Speed(5.0, 50.0)


def test_a_run_that_lost_what_was_not_saved_begins_anew() -> None:
    assert speed_after((10.0, 100, 1000), (20.0, 200, 2000), (30.0, 150, 1500), (40.0, 160, 1700)) == Speed(1.0, 20.0)


def test_runs_do_not_mix_and_are_forgotten() -> None:
    speeds = Speeds()
    speeds.see("a", Seen(10.0, 100, 1000), 0.0, 10.0)
    assert speeds.see("b", Seen(20.0, 200, 200), 0.0, 20.0) == Speed(10.0, 10.0)
    speeds.forget("a")
    assert speeds.see("a", Seen(20.0, 400, 1000), 0.0, 20.0) == Speed(20.0, 50.0)


@pytest.mark.parametrize(
    ("known", "total"),
    [
        ({"done": 0, "exact": None, "max_rows": None}, None),
        ({"done": 5, "exact": 7, "max_rows": 100, "num_read": 7, "fraction_read": 0.1}, 7),
        ({"done": 5, "exact": None, "max_rows": 100}, 100),
        ({"done": 5, "exact": None, "max_rows": None, "num_read": 30, "fraction_read": 0.25}, 120),
        ({"done": 5, "exact": None, "max_rows": 100, "num_read": 30, "fraction_read": 0.25}, 100),
        ({"done": 5, "exact": None, "max_rows": 500, "num_read": 30, "fraction_read": 0.25}, 120),
        ({"done": 130, "exact": None, "max_rows": None, "num_read": 130, "fraction_read": 1.0}, 130),
        ({"done": 5, "exact": None, "max_rows": None, "num_read": 0, "fraction_read": 0.5}, None),
        ({"done": 5, "exact": None, "max_rows": None, "num_read": 10, "fraction_read": 0.0}, None),
    ],
)
def test_the_total_is_counted_or_asked_for_or_estimated(known: dict[str, float], total: int | None) -> None:
    assert total_records(**known) == total  # type: ignore[arg-type]


def test_the_time_left_is_that_of_the_missing_rows() -> None:
    assert seconds_left(100, 400, Speed(20.0, 1.0)) == 15.0
    assert seconds_left(400, 400, Speed(20.0, 1.0)) == 0.0


@pytest.mark.parametrize(("total", "speed"), [(None, Speed(1.0, 1.0)), (10, None), (10, Speed(0.0, 0.0))])
def test_without_total_or_speed_the_time_left_is_unknown(total: int | None, speed: Speed | None) -> None:
    assert seconds_left(5, total, speed) is None
