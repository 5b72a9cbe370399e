"""Tests of published mechanisms: each runs with its mechanism and without it.

    @pytest.mark.paper("keep-fix-metrics")
    def test_the_gate_keeps_right_answers(mechanism: bool) -> None:
        assert gate(FLIPS, keep_floor=0.9 if mechanism else None).passed is False

`mechanism` is True in the first run, `[on]`, where the test must pass, and False in the second,
`[off]`, where one of its assertions must fail: a test that passes without the mechanism says
nothing about it. `pytest.raises` that sees no error counts as a failed assertion; any other error
is an error in both runs.

Here, too: how many processes `make test` takes, and `journeyman` called as from a shell.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
Commands = Callable[..., "subprocess.CompletedProcess[str]"]

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
        # Workers are told the width of the terminal, and a console keeps what it is made with.
        os.environ.pop("COLUMNS", None)


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


@pytest.fixture(scope="session")
def forking() -> Iterator[subprocess.Popen[str]]:
    """The process that `journeyman` forks from; it is there from the first command on."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("forking.py"))],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def journeyman(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Commands:
    """`journeyman("memory", "list", home=folder, VARIABLE="x")`, in a process of its own."""

    def called(
        *words: str, home: Path, folder: Path = ROOT, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        given = {**os.environ, "JOURNEYMAN_HOME": str(home), "COLUMNS": "200", **variables}
        if sys.platform != "linux":  # elsewhere libraries don't stand being forked
            return subprocess.run(
                [sys.executable, "-m", "server.cli", *words],
                cwd=folder,
                env=given,
                capture_output=True,
                text=True,
                timeout=120,
            )
        process = request.getfixturevalue("forking")
        said = tmp_path_factory.mktemp("said")
        out, err = said / "out", said / "err"
        files = {"out": str(out), "err": str(err)}
        order = {"words": words, "variables": given, "folder": str(folder), **files}
        print(json.dumps(order), file=process.stdin, flush=True)
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(
            list(words), code, out.read_text("utf-8"), err.read_text("utf-8")
        )

    return called
