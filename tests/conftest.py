"""Tests of published mechanisms: each runs with its mechanism and without it.

    @pytest.mark.paper("keep-fix-metrics")
    def test_the_gate_keeps_right_answers(mechanism: bool) -> None:
        assert gate(FLIPS, keep_floor=0.9 if mechanism else None).passed is False

`mechanism` is True in the first run, `[on]`, where the test must pass, and False in the second,
`[off]`, where one of its assertions must fail: a test that passes without the mechanism says
nothing about it. `pytest.raises` that sees no error counts as a failed assertion; any other error
is an error in both runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator

import pytest

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MOST = 4
"""Processes of `-n auto`: each may hold models, browsers and servers, so memory is what ends."""


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` makes; on a single core none beside this one."""
    found = min(cores(), MOST)
    return found if found > 1 else 0


def pytest_configure(config: pytest.Config) -> None:
    """Processes that share the cores don't each compute on all of them."""
    given = getattr(config, "workerinput", None)
    if given:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // given["workercount"])))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Two runs of each marked test; a mark and the fixture go together."""
    mark = metafunc.definition.get_closest_marker("paper")
    asks = "mechanism" in metafunc.fixturenames
    name = metafunc.definition.name
    if mark is None:
        if asks:
            pytest.fail(f"{name} asks for `mechanism`; mark it @pytest.mark.paper(slug)", False)
        return
    slug = mark.args[0] if len(mark.args) == 1 and not mark.kwargs else None
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        pytest.fail(f"{name} needs one slug: @pytest.mark.paper('row-of-the-catalogue')", False)
    if not asks:
        pytest.fail(f"{name} is marked paper({slug!r}); take `mechanism: bool` and use it", False)
    metafunc.parametrize("mechanism", [True, False], ids=["on", "off"])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Turns the outcome of a run without the mechanism round."""
    mark = pyfuncitem.get_closest_marker("paper")
    if mark is None or pyfuncitem.callspec.params["mechanism"]:
        return (yield)
    try:
        yield
    except AssertionError:
        return True
    except pytest.fail.Exception as error:
        if (error.msg or "").startswith("DID NOT"):
            return True
        raise
    pytest.fail(
        f"{pyfuncitem.originalname} passes without the mechanism of {mark.args[0]!r}; "
        "assert what only the mechanism brings about",
        pytrace=False,
    )
