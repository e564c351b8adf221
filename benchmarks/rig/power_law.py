"""Fit ``cost = fixed + factor * size ** exponent`` to measured points.

Why these three and no straight line through logarithms: every request has a part that does not grow (reading
headers, connecting, opening an answer). Where it dominates, the slope of the logarithms is far below the true
exponent, so a quadratic cost could pass for a linear one as long as it is small. Taking a fixed part off that
was measured by itself does not help: what is left of the small sizes is then mostly noise. So the fixed part
is fitted along, never below zero, and for each exponent of a fine scan the other two follow from linear least
squares. Deviations count in proportion to the cost, as measuring noise does; otherwise the largest sizes
alone would decide.

An exponent says nothing where nothing grows: ``PowerLaw.grown`` tells which share of the largest cost depends
on the size at all.
"""

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["PowerLaw", "fit_power_law"]

_LEAST_POINTS = 6
_EXPONENT_STEP = 0.001
_LARGEST_EXPONENT = 4.0


class PowerLaw(Struct, frozen=True):
    """A cost as a function of a size."""

    fixed: float
    factor: float
    exponent: float
    grown: float
    """The share of the cost at the largest size that is not fixed."""

    def at(self, size: float) -> float:
        """Return the cost of a size."""
        return self.fixed + self.factor * float(size**self.exponent)


def fit_power_law(sizes: Sequence[float], costs: Sequence[float]) -> PowerLaw:
    """Return the law that lies closest to some points, by the squares of the relative deviations."""
    if len(sizes) < _LEAST_POINTS:
        raise ValueError(f"{len(sizes)} points say too little, {_LEAST_POINTS} are needed")
    largest = max(sizes)
    scaled = [size / largest for size in sizes]
    steps = range(1, round(_LARGEST_EXPONENT / _EXPONENT_STEP) + 1)
    _, exponent, fixed, factor = min(_at_exponent(scaled, costs, step * _EXPONENT_STEP) for step in steps)
    return PowerLaw(fixed, factor / largest**exponent, exponent, factor / (fixed + factor))


def _at_exponent(
    scaled: Sequence[float], costs: Sequence[float], exponent: float
) -> tuple[float, float, float, float]:
    """Return the error, the exponent, and the fixed part and factor that fit best with it."""
    # Both sides are divided by the cost: fixed * p + factor * q should be 1 at every point.
    p = [1 / cost for cost in costs]
    q = [size**exponent / cost for size, cost in zip(scaled, costs, strict=True)]
    pp, pq, qq = _dot(p, p), _dot(p, q), _dot(q, q)
    sum_p, sum_q = sum(p), sum(q)
    determinant = pp * qq - pq * pq
    fixed = (sum_p * qq - sum_q * pq) / determinant
    factor = (sum_q * pp - sum_p * pq) / determinant
    if fixed < 0:
        fixed, factor = 0.0, sum_q / qq
    elif factor < 0:
        fixed, factor = sum_p / pp, 0.0
    error = sum((fixed * a + factor * b - 1) ** 2 for a, b in zip(p, q, strict=True))
    return error, exponent, fixed, factor


def _dot(one: Sequence[float], two: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, two, strict=True))
