"""What a campaign asks, in a form that a worker process on another machine can make a runner of."""

from __future__ import annotations

from typing import Any

import attrs

from sim.base.errors import UsageError
from sim.campaign.seeds import Span
from sim.catalog.digest import identity
from sim.engine.model.scenario import Scenario
from sim.scenarios.library import recipe_named
from sim.scenarios.patch import Patch
from sim.search.fuzzing.batch import MOST, Runner, StrategyError


@attrs.frozen
class CampaignSpec:
    """A scenario by name and settings, the strategy that draws its runs,
    and after how many steps these are cut.
    """

    name: str
    params: tuple[tuple[str, str], ...]
    without: tuple[str, ...]
    strategy: str
    most: int = MOST
    patch: Patch | None = None

    @classmethod
    def from_scenario(
        cls, scenario: Scenario, strategy: str, most: int = MOST, patch: Patch | None = None
    ) -> CampaignSpec:
        """About a scenario that was built here, with the patch that it was built with."""
        return cls(scenario.name, scenario.params, scenario.without, strategy, most, patch)

    def scenario(self) -> Scenario:
        """Build it, with the kernel that it is about. Raises UsageError."""
        return recipe_named(self.name).scenario(dict(self.params), self.without, self.patch)

    def runner(self) -> Runner:
        """Raises UsageError for a strategy that does not exist."""
        try:
            return Runner(self.scenario(), self.strategy, self.most)
        except StrategyError as error:
            raise UsageError(str(error)) from None

    def identity(self, wanted: Span) -> dict[str, Any]:
        """What has to be the same for two results to be of one campaign,
        of these seeds if its strategy adapts.
        """
        adapts = {} if self.runner().epoch is None else {"first seed": wanted.first}
        return {**self.model(), "strategy": self.strategy, "longest run": self.most, **adapts}

    def model(self) -> dict[str, Any]:
        """The part of it that a worker on another machine must have too."""
        return identity(self.scenario())

    @classmethod
    def from_identity(cls, identity: dict[str, Any], patch: Patch | None = None) -> CampaignSpec:
        """The one that an identity is of, as far as the program here has it. Raises UsageError."""
        name, params, without = (identity[key] for key in ("scenario", "parameters", "guards out"))
        return cls(
            name,
            tuple(params.items()),
            tuple(without),
            identity["strategy"],
            identity["longest run"],
            patch,
        )
