"""Whether all checkers meet the same valuations of the shared cells,
and how many states each tells apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from tests.bench.peer import Met, Size, digest

SPIN_MAY_TELL_APART = 1.5


@attrs.frozen
class Agreement:
    """What every checker met at one size, by name, ours first."""

    size: Size
    met: Mapping[str, Met]

    @property
    def holds(self) -> bool:
        return len({met.valuations for met in self.met.values()}) <= 1

    def lines(self) -> Iterator[str]:
        """The comparison, in plain lines."""
        sets = ", ".join(
            f"{name} {len(met.valuations)} {digest(met.valuations)}"
            for name, met in self.met.items()
        )
        yield (
            f"{self.size} valuations of the shared cells: {sets}: "
            f"{'the same' if self.holds else 'NOT THE SAME'}"
        )
        yield from self._differences()
        yield (
            f"{self.size} states: "
            f"{', '.join(f'{name} {met.states:,}' for name, met in self.met.items())}"
        )
        yield from self._bounds()

    def _differences(self) -> Iterator[str]:
        ours, *others = self.met
        for other in others:
            for one, two in ((ours, other), (other, ours)):
                for valuation in sorted(self.met[one].valuations - self.met[two].valuations)[:1]:
                    yield f"{self.size} {one} meets and {two} does not: {valuation}"

    def _bounds(self) -> Iterator[str]:
        ours, *_ = self.met
        tlc, spin = self.met.get("TLC"), self.met.get("Spin")
        if tlc is not None:
            yield f"{self.size} ours <= TLC's: {_yes(self.met[ours].states <= tlc.states)}"
        if tlc is not None and spin is not None:
            within = spin.states <= SPIN_MAY_TELL_APART * tlc.states
            yield f"{self.size} Spin's <= {SPIN_MAY_TELL_APART} x TLC's: {_yes(within)}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"
