"""Numbers of any size, as a person reads them."""

from __future__ import annotations

from fractions import Fraction

_LONGEST = 10**15


def number(n: int) -> str:
    """All digits where that can be read, else a power of ten."""
    return f"{n:,}" if n < _LONGEST else power(n)


def power(n: int) -> str:
    """Three digits and a power of ten, cut off and not rounded: 9.99e17 is less than 1e18."""
    digits = str(n)
    return f"{digits[0]}.{digits[1:3]}e{len(digits) - 1}"


def probability(odds: Fraction) -> str:
    """A fraction where that can be read, and what it is about: never 0 or 1 unless it is."""
    if odds.denominator <= _LONGEST // 10**9:
        return str(odds)
    return f"{float(odds):.3g}" if 1e-300 < odds < 1 - Fraction(1, 10**4) else _extreme(odds)


def _extreme(odds: Fraction) -> str:
    if odds > Fraction(1, 2):
        return f"1 - {probability(1 - odds)}"
    return f"1 in {power(odds.denominator // odds.numerator)}"
