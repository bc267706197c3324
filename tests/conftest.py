"""What every test is to find as it would be on a machine where nothing was derived yet."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _nothing_is_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What `tdpsim table` keeps belongs to the tests, and not to whoever runs them."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
