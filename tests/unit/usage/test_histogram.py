"""How values are spread."""

from hypothesis import given
from hypothesis import strategies as st

from packyproxy.usage.histogram import Histogram

_BOUNDS = (0.1, 1.0, 10.0)


def _of(*values: float) -> Histogram:
    histogram = Histogram(_BOUNDS)
    for value in values:
        histogram.observe([value])
    return histogram


def test_a_value_counts_in_the_first_bucket_that_holds_it() -> None:
    """A value counts in the bucket whose bound is the first that it does not exceed."""
    assert [2, 1, 2, 1] == _of(0.0, 0.1, 1.0, 1.1, 10.0, 10.1).counts


def test_each_bound_has_the_count_of_all_up_to_it() -> None:
    """Each bound has the count of all values up to it, infinity that of all."""
    assert [(0.1, 1), (1.0, 1), (10.0, 3), (float("inf"), 4)] == _of(0.1, 5.0, 6.0, 99.0).cumulative()


def test_sum_and_number_are_kept() -> None:
    """The sum and the number of all values are kept as well."""
    histogram = _of(0.5, 1.5, 98.0)
    assert (100.0, 3) == (histogram.sum, histogram.count)


def test_a_copy_stays_as_it_was() -> None:
    """What is added after copying is not in the copy."""
    histogram = _of(0.5)
    copied = histogram.copy()
    histogram.observe([0.5])
    assert ([0, 1, 0, 0], 0.5, [0, 2, 0, 0]) == (copied.counts, copied.sum, histogram.counts)


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 100)))
def test_merging_is_observing(first: list[float], second: list[float]) -> None:
    """Merging a histogram in is the same as observing its values."""
    merged, other, both = _of(*first), _of(*second), _of(*first, *second)
    merged.merge(other.counts, other.sum)
    assert both.counts == merged.counts
    assert abs(both.sum - merged.sum) < 1e-6
