"""Behaviour hooks are called as pluggy calls them, and a plugin that fails does not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

import pluggy
import pytest

from seqkit.errors import PluginError
from seqkit.plugin import hookimpl
from seqkit.registry import BehaviourHooks, Registry, hookspecs


class Plain:
    def __init__(self, calls: list[str], name: str = "plain") -> None:
        self.calls, self.name = calls, name

    @hookimpl
    def seqkit_step_finished(self, step: int) -> str:
        self.calls.append(f"{self.name} {step}")
        return self.name


class First(Plain):
    @hookimpl(tryfirst=True)
    def seqkit_step_finished(self, step: int) -> str:
        return super().seqkit_step_finished(step)


class Last(Plain):
    @hookimpl(trylast=True)
    def seqkit_step_finished(self, step: int) -> str:
        return super().seqkit_step_finished(step)


class Wraps(Plain):
    @hookimpl(wrapper=True)
    def seqkit_step_finished(self, step: int) -> Generator[None, Any, Any]:
        self.calls.append(f"{self.name} before {step}")
        outcome = yield
        self.calls.append(f"{self.name} after {outcome}")
        return ["replaced"]


class WrapsTheOldWay(Plain):
    @hookimpl(hookwrapper=True)
    def seqkit_step_finished(self, step: int) -> Generator[None, Any, None]:
        self.calls.append(f"{self.name} before {step}")
        result = yield
        self.calls.append(f"{self.name} after {result.get_result()}")


class Fails:
    @hookimpl
    def seqkit_step_finished(self, step: int) -> None:
        raise ValueError(f"no luck at {step}")


def call(*plugins: Any, strict: bool = False) -> None:
    BehaviourHooks(Registry([*plugins, "no:*"]), strict).call(
        "seqkit_step_finished", run=None, step=3, metrics={}
    )


def with_pluggy(*plugins: Any) -> None:
    manager = pluggy.PluginManager("seqkit")
    manager.add_hookspecs(hookspecs)
    for plugin in plugins:
        manager.register(plugin)
    manager.hook.seqkit_step_finished(run=None, step=3, metrics={})


def test_a_wrapper_runs_around_the_others() -> None:
    calls: list[str] = []
    call(Wraps(calls, "wrapper"), Plain(calls))
    assert calls == ["wrapper before 3", "plain 3", "wrapper after ['plain']"]


@pytest.mark.ci
def test_the_order_is_that_of_pluggy() -> None:
    kinds = [Plain, Last, Wraps, First, WrapsTheOldWay, Last, Wraps, First, Plain]
    ours: list[str] = []
    theirs: list[str] = []
    call(*(kind(ours, f"{index}") for index, kind in enumerate(kinds)))
    with_pluggy(*(kind(theirs, f"{index}") for index, kind in enumerate(kinds)))
    assert ours == theirs
    assert len(ours) == 12


class FailsBefore:
    @hookimpl(wrapper=True)
    def seqkit_step_finished(self) -> Generator[None, Any, Any]:
        raise ValueError("no luck")
        yield


class FailsAfter:
    @hookimpl(wrapper=True)
    def seqkit_step_finished(self) -> Generator[None, Any, Any]:
        yield
        raise ValueError("no luck")


class NeverYields:
    @hookimpl(wrapper=True)
    def seqkit_step_finished(self) -> Generator[None, Any, Any]:
        if self is None:
            yield


class YieldsTwice:
    @hookimpl(wrapper=True)
    def seqkit_step_finished(self) -> Generator[None, Any, Any]:
        yield
        yield


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        (Fails, "ValueError: no luck at 3"),
        (FailsBefore, "ValueError: no luck"),
        (FailsAfter, "ValueError: no luck"),
        (NeverYields, "RuntimeError: a wrapper must yield once, but it does not yield"),
        (YieldsTwice, "RuntimeError: a wrapper must yield once, but it yields twice"),
    ],
)
@pytest.mark.ci
def test_one_that_fails_does_not_stop_the_others(
    failing: type, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []
    with caplog.at_level(logging.ERROR):
        call(Wraps(calls, "outer"), Plain(calls), failing(), Wraps(calls, "inner"))
    assert calls == [
        "inner before 3",
        "outer before 3",
        "plain 3",
        "outer after ['plain']",
        "inner after ['replaced']",
    ]
    said = f"the plugin {failing.__name__} failed in seqkit_step_finished: {reason}"
    assert [record.message for record in caplog.records] == [f"{said} (logged once; training continues)"]
    with pytest.raises(PluginError, match=f"^{said}$"):
        call(Plain(calls), failing(), strict=True)


@pytest.mark.ci
def test_a_strict_failure_passes_through_the_wrappers_unchanged() -> None:
    seen: list[BaseException] = []

    class Sees:
        @hookimpl(wrapper=True)
        def seqkit_step_finished(self) -> Generator[None, Any, Any]:
            try:
                return (yield)
            except PluginError as error:
                seen.append(error)
                raise

    class Swallows(Sees):
        @hookimpl(wrapper=True)
        def seqkit_step_finished(self) -> Generator[None, Any, Any]:
            try:
                return (yield)
            except PluginError:
                return []

    with pytest.raises(PluginError, match="the plugin Fails failed") as caught:
        call(Fails(), Sees(), strict=True)
    assert seen == [caught.value]
    call(Fails(), Swallows(), strict=True)  # as in pluggy


def test_ctrl_c_passes_through_a_wrapper() -> None:
    class Interrupted:
        @hookimpl
        def seqkit_step_finished(self) -> None:
            raise KeyboardInterrupt

    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        call(Interrupted(), Wraps(calls))
    assert calls == ["plain before 3"]


def test_an_argument_with_a_default_is_left_alone() -> None:
    class Defaults:
        found: Any = None

        @hookimpl
        def seqkit_step_finished(self, step: int, more: int = 5) -> None:
            Defaults.found = (step, more)

    call(Defaults())
    assert Defaults.found == (3, 5)
