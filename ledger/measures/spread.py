"""How evenly something is spread: shares, medians and Gini coefficients, exact, in whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise


def per_mille(part: int, whole: int) -> int | None:
    """A share in thousandths, half rounded up; None of nothing."""
    return (2000 * part + whole) // (2 * whole) if whole > 0 else None


def median(values: Iterable[int]) -> int | None:
    """The lower median: at least half of the values are not above it."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def gini(values: Iterable[int]) -> int | None:
    """The Gini coefficient in thousandths: 0 if all have the same, 1000 if one has everything.

    Half of the mean difference between two of the values, over the most it could be with the same sum of absolute
    values. Of values that are below zero, too, as balances are, this is the coefficient of Raffinetti, Siletti and
    Vernizzi (2015); of others it is the usual one with the correction for small numbers, n / (n - 1).
    """
    ordered = sorted(values)
    number, most = len(ordered), sum(map(abs, ordered))
    if number < 2 or not most:
        return None
    differences = sum((2 * place - number - 1) * value for place, value in enumerate(ordered, 1))
    return per_mille(differences, (number - 1) * most)


def share_of_top_tenth(values: Iterable[int]) -> int | None:
    """What the tenth (rounded up) with the most has of all, in thousandths."""
    ordered = sorted(values, reverse=True)
    return per_mille(sum(ordered[: -(-len(ordered) // 10)]), sum(ordered))


def bracketed(values: Iterable[int], bounds: Sequence[int]) -> tuple[int, ...]:
    """How many values lie below the first bound, from each bound up to the next, and from the last on."""
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[sum(value >= bound for bound in bounds)] += 1
    return tuple(counts)


def spans(bounds: Sequence[int]) -> tuple[tuple[int, int | None], ...]:
    """The brackets of `bracketed`, each from its least value up to its first too great, or None for the last."""
    return tuple(pairwise((0, *bounds, None)))  # type: ignore[arg-type]
