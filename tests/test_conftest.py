"""The two runs of a test that is marked with a paper."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
HEAD = "import pytest\n\n\n"
CONFIG = """
[pytest]
addopts = --strict-markers
markers = paper(slug): a published mechanism
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """An empty project with our conftest."""
    text = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(text)
    pytester.makeini(CONFIG)
    return pytester


def outcome(project: pytest.Pytester, body: str) -> tuple[dict[str, int], str]:
    project.makepyfile(HEAD + body)
    result = project.runpytest_inprocess("-p", "no:cacheprovider")
    return result.parseoutcomes(), result.stdout.str()


def test_a_test_that_needs_its_mechanism_passes_twice(project: pytest.Pytester) -> None:
    body = "@pytest.mark.paper('a-row')\ndef test_it(mechanism):\n    assert mechanism\n"
    assert outcome(project, body)[0] == {"passed": 2}


def test_an_async_test_is_run_twice_too(project: pytest.Pytester) -> None:
    body = "@pytest.mark.paper('a-row')\nasync def test_it(mechanism):\n    assert mechanism\n"
    assert outcome(project, body)[0] == {"passed": 2}


def test_other_parameters_multiply_with_the_two_runs(project: pytest.Pytester) -> None:
    body = (
        "@pytest.mark.paper('a-row')\n@pytest.mark.parametrize('x', [1, 2, 3])\n"
        "def test_it(x, mechanism):\n    assert mechanism\n"
    )
    assert outcome(project, body)[0] == {"passed": 6}


def test_one_that_passes_without_its_mechanism_fails(project: pytest.Pytester) -> None:
    body = "@pytest.mark.paper('a-row')\ndef test_it(mechanism):\n    assert True\n"
    counts, text = outcome(project, body)
    assert counts == {"passed": 1, "failed": 1}
    assert "test_it passes without the mechanism of 'a-row'" in text


def test_one_that_fails_with_its_mechanism_fails(project: pytest.Pytester) -> None:
    body = "@pytest.mark.paper('a-row')\ndef test_it(mechanism):\n    assert not mechanism\n"
    assert outcome(project, body)[0] == {"failed": 2}


@pytest.mark.parametrize("error", ["ValueError('x')", "pytest.fail.Exception('Timeout')"])
def test_an_error_is_not_a_failed_assertion(project: pytest.Pytester, error: str) -> None:
    body = (
        "@pytest.mark.paper('a-row')\ndef test_it(mechanism):\n"
        f"    if not mechanism:\n        raise {error}\n"
    )
    assert outcome(project, body)[0] == {"passed": 1, "failed": 1}


def test_an_assertion_in_a_fixture_is_an_error(project: pytest.Pytester) -> None:
    body = (
        "@pytest.fixture\ndef broken(mechanism):\n    assert mechanism\n\n\n"
        "@pytest.mark.paper('a-row')\ndef test_it(broken, mechanism):\n    assert mechanism\n"
    )
    assert outcome(project, body)[0] == {"passed": 1, "errors": 1}


def test_an_error_that_is_not_raised_is_a_failed_assertion(project: pytest.Pytester) -> None:
    body = (
        "@pytest.mark.paper('a-row')\ndef test_it(mechanism):\n"
        "    with pytest.raises(ValueError):\n        if mechanism:\n            raise ValueError\n"
    )
    assert outcome(project, body)[0] == {"passed": 2}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("@pytest.mark.paper('a-row')\ndef test_it():\n    pass\n", "take `mechanism: bool`"),
        ("def test_it(mechanism):\n    pass\n", "mark it @pytest.mark.paper"),
        ("@pytest.mark.paper\ndef test_it(mechanism):\n    pass\n", "needs one slug"),
        ("@pytest.mark.paper('A row')\ndef test_it(mechanism):\n    pass\n", "needs one slug"),
    ],
)
def test_a_mark_that_is_used_wrongly_stops_collection(
    project: pytest.Pytester, body: str, says: str
) -> None:
    counts, text = outcome(project, body)
    assert counts == {"errors": 1}
    assert says in text


def test_unmarked_tests_are_left_alone(project: pytest.Pytester) -> None:
    body = "def test_it():\n    assert True\n\n\ndef test_that():\n    assert False\n"
    assert outcome(project, body)[0] == {"passed": 1, "failed": 1}
