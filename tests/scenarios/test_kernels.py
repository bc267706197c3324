"""Which kernel a scenario is about: the registry, the mail's words,
and what was said before there was `kernel`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.base.errors import UsageError
from sim.catalog.glossary import GLOSSARY
from sim.catalog.schedules import shipped
from sim.engine.run.schedule import parse
from sim.kvm.versions import KERNELS
from sim.scenarios.kernels import first_sentence
from sim.scenarios.library import LIBRARY, recipe_named
from sim.scenarios.patch import load_patch

ROW, SPLIT, GOES, ZAPPED = (
    "np-to-leaf-shared",
    "leaf-to-nonleaf-exclusive",
    "nonleaf-to-np-exclusive",
    "leaf-to-np-shared",
)


def kernel(name: str, **given: str) -> str:
    """The kernel in the model's name: not what the settings say, but what was built."""
    return recipe_named(name).scenario(given).model.partition("+")[0]


def refused(name: str, **given: str) -> str:
    with pytest.raises(UsageError) as raised:
        recipe_named(name).scenario(given)
    return str(raised.value)


@pytest.mark.parametrize("name", list(KERNELS))
@pytest.mark.parametrize("scenario", [ROW, "fault", "storm"])
def test_a_model_is_named_by_the_name_that_its_kernel_is_asked_for(
    scenario: str, name: str
) -> None:
    assert kernel(scenario, kernel=name) == name


@pytest.mark.parametrize("name", list(KERNELS))
def test_a_kernel_of_the_registry_is_a_value_of_every_scenario_and_explained(name: str) -> None:
    assert all(name in recipe.param("kernel").values for recipe in LIBRARY.values())
    assert first_sentence(KERNELS[name])[:-1] in GLOSSARY["kernels"][name]


def test_a_first_sentence_ends_where_the_sentence_does() -> None:
    """Not at the point of a version."""
    assert first_sentence(KERNELS["6.18"]).startswith(
        "v6.14 to v6.18, as read in v6.16.1: removal "
    )
    assert first_sentence(KERNELS["6.18"]).endswith(" bugs the VM.")


@pytest.mark.parametrize(
    ("scenario", "before", "after"),
    [
        (ROW, "6.19", "7.2"),
        (SPLIT, "6.19", "hugepages"),
        ("fault", "6.19", "hugepages"),
        ("storm", "6.19", "hugepages"),
    ],
)
def test_the_mails_words_are_kernels_and_so_is_order(
    scenario: str, before: str, after: str
) -> None:
    for said in ("kernel", "order"):
        assert kernel(scenario, **{said: "before"}) == before
        assert kernel(scenario, **{said: "after"}) == after
        assert kernel(scenario, **{said: "6.18"}) == "6.18"
    assert kernel(scenario) == ("hugepages" if scenario == SPLIT else "7.2")
    assert dict(recipe_named(scenario).scenario({"order": "after"}).params)["kernel"] == after


@pytest.mark.parametrize(
    ("scenario", "given", "named"),
    [
        (SPLIT, {"order": "after", "split": "hook"}, "hugepages"),
        (SPLIT, {"order": "after", "split": "dispatcher"}, "7.2"),
        (SPLIT, {"split": "dispatcher"}, "7.2"),
        (SPLIT, {"order": "before", "split": "hook"}, "6.19"),
        (SPLIT, {"order": "patch07", "split": "hook"}, "patch07"),
        (GOES, {"order": "after", "form": "if-else"}, "7.2"),
        (GOES, {"order": "after", "form": "in-turn"}, "in-turn"),
        (GOES, {"form": "in-turn"}, "in-turn"),
        (GOES, {"order": "before", "form": "in-turn"}, "6.19"),
        (
            "nonleaf-to-np-shared",
            {"order": "after", "form": "in-turn", "zap": "fallible"},
            "in-turn",
        ),
        (
            "nonleaf-to-np-shared",
            {"order": "after", "form": "in-turn", "zap": "retried"},
            "retries",
        ),
        (ZAPPED, {"order": "after", "zap": "serialised"}, "serialised"),
        (ZAPPED, {"order": "before", "zap": "serialised"}, "6.19"),
    ],
)
def test_what_chose_a_kernel_beside_order_still_does(
    scenario: str, given: dict[str, str], named: str
) -> None:
    assert kernel(scenario, **given) == named
    assert (
        not {"order", "form", "split"} & dict(recipe_named(scenario).scenario(given).params).keys()
    )


def test_the_parameters_of_an_old_store_are_said_in_todays_words() -> None:
    """A campaign that went on with a patch still asks for --patch."""
    said = recipe_named(GOES).translate({"order": "patch", "module": "1.5.28", "form": "in-turn"})
    assert said == {"kernel": "patch", "module": "1.5.28"}
    assert recipe_named(GOES).translate(said) == said
    assert recipe_named("fault").translate({"kernel": "before"}) == {"kernel": "6.19"}


def test_kernels_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    said = "zap=retried changes kernel=7.2, and cannot be had with kernel=in-turn"
    assert refused(ZAPPED, kernel="in-turn", zap="retried") == said
    file = tmp_path / "patch.py"
    file.write_text("from sim.kvm.versions import Series\nclass P(Series): VERSION = 'p'\n")
    with pytest.raises(UsageError, match=r"--patch is a kernel, and kernel=6\.19 another one"):
        recipe_named("fault").scenario({"kernel": "6.19"}, (), load_patch(file))


def test_two_names_for_the_kernel_are_refused() -> None:
    assert (
        refused(ROW, kernel="7.2", order="after")
        == f"{ROW}: kernel was called order; give one of them"
    )
    assert (
        refused(GOES, kernel="7.2", form="in-turn")
        == f"{GOES}: kernel was called form; give one of them"
    )


def test_what_never_named_a_kernel_is_refused() -> None:
    assert "has no parameter 'form'" in refused(ROW, order="after", form="in-turn")
    assert "has no parameter 'order'" not in refused("fault", order="later")
    assert "order cannot be 'later'; it could be before, after, 6.18" in refused(
        "fault", order="later"
    )
    assert "form cannot be 'both'; it could be if-else, in-turn, and is kernel now" in refused(
        GOES, form="both"
    )


def test_every_shipped_schedule_is_about_the_kernel_that_its_model_names() -> None:
    """Whichever words it was written in; `series` is what 7.2 was called."""
    for name, file in shipped().items():
        schedule = parse(file.read_bytes())
        scenario = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
        recorded = schedule.model.partition(" ")[0].replace("series+", "7.2+")
        assert scenario.model == recorded, name
