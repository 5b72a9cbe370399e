"""The adapter's contract, with the real server process over a stand-in for BrowserGym."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from envs.browsergym import Browsergym, written
from envs.browsergym_client import Served
from envs.check import check
from envs.errors import EnvError, Missing, UnknownName
from envs.types import Action

GYMNASIUM = """
import time
registry = {f"browsergym/webarena.{n}": None for n in (10, 2, 1)}
print("a banner that libraries like to print")


class Page:
    def reset(self, seed):
        self.filled, self.error = "", ""
        return self.seen(), {}

    def step(self, action):
        name, _, rest = action.partition("(")
        self.error = ""
        answered = name == "send_msg_to_user"
        if name == "fill":
            self.filled = eval("(" + rest)[1]
        elif action == "click('99')":
            self.error = "ValueError: Could not find element with bid 99"
        elif action == "click('13')":
            raise RuntimeError("the browser crashed")
        elif name == "noop" and self.filled == "slow":
            time.sleep(60)
        right = answered and rest == "'42')"
        return self.seen(), float(right), answered, False, {}

    def seen(self):
        return {
            "goal_object": ({"type": "text", "text": "How many? Say it."},
                            {"type": "image_url", "image_url": "data:..."}),
            "axtree_object": {"filled": self.filled},
            "extra_element_properties": {},
            "open_pages_urls": ("http://shop.test/",),
            "url": "http://shop.test/",
            "last_action_error": self.error,
        }

    def close(self):
        pass


def make(name, disable_env_checker):
    assert name in registry and disable_env_checker
    return Page()
"""
OBS = """
def flatten_axtree_to_str(tree, extra_properties, filter_visible_only):
    return f"[12] textbox 'Search' value={tree['filled']!r}"
"""
INTENTS = '[{"task_id": 1, "intent": "Count the orders."}]'


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of an environment of its own, in which a stand-in lies for BrowserGym."""
    root = tmp_path / "browsergym"
    packages = root / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    home = Path(sys.executable).resolve().parent
    (root / "pyvenv.cfg").write_text(f"home = {home}\n", "utf-8")
    for name, text in {
        "gymnasium.py": GYMNASIUM,
        "browsergym/webarena.py": "",
        "browsergym/miniwob.py": "import playwright_of_nobody",
        "browsergym/assistantbench.py": "",
        "browsergym/utils/obs.py": OBS,
        "webarena/test.raw.json": INTENTS,
        "webarena/__init__.py": "",
    }.items():
        file = packages / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return root / "bin" / "python"


@pytest.fixture
def world(python: Path) -> Iterator[Browsergym]:
    env = Browsergym(python, "webarena", patience_s=30.0)
    yield env
    env.close()


def test_it_keeps_the_rules_of_the_seam(world: Browsergym) -> None:
    assert [finding for finding in check(world, most=1) if not finding.holds] == []


def test_tasks_come_with_their_goals_where_these_are_known(world: Browsergym) -> None:
    found = {t.id: t for split in ("train", "val", "test") for t in world.tasks(split)}
    assert set(found) == {"webarena.1", "webarena.2", "webarena.10"}
    assert found["webarena.1"].goal == "Count the orders."
    assert found["webarena.2"].goal == "What the first page says (webarena.2)"


def test_an_episode_is_read_acted_on_and_scored(world: Browsergym) -> None:
    task = next(t for split in ("train", "val", "test") for t in world.tasks(split))
    episode = world.open(task)
    assert "Your task: How many? Say it.\n(1 pictures belong to it" in episode.first.observation
    assert "[12] textbox 'Search'" in episode.first.observation
    seen = episode.step(Action(tool="fill", arguments={"bid": "12", "value": "it's"}))
    assert 'value="it\'s"' in seen.observation
    failed = episode.step(Action(text='click("99")'))
    assert "The last action failed: ValueError: Could not find element" in failed.observation
    assert not episode.score().passed
    assert episode.step(Action(text="send_msg_to_user(text='42')")).terminated
    assert episode.score().passed
    with pytest.raises(EnvError, match="the episode is over; open the task again"):
        episode.step(Action(text="noop()"))
    episode.close()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id')",
        "click('1')\nclick('2')",
        "page.evaluate('1')",
        "click(open('/etc/passwd'))",
        "upload_file('12', '/etc/passwd')",
        "goto('file:///etc/passwd')",
        "goto('javascript:1')",
        "click()",
        "click('1', '2')",
        "click(bid='1', bid='2')",
        "fill('1', value=2, other=3)",
        "click(",
        "a" * 100_000,
    ],
)
def test_what_is_no_single_plain_call_of_a_known_name_goes_nowhere(text: str) -> None:
    assert written(Action(text=text)) == ""


def test_calls_are_written_in_one_way() -> None:
    assert written(Action(text='fill("7", value="a\'b")')) == "fill('7', \"a'b\")"
    assert written(Action(tool="scroll", arguments={"delta_x": 0, "delta_y": -200})) == (
        "scroll(0, -200)"
    )
    assert (
        written(Action(text="select_option('3', ['a', 'b'])")) == "select_option('3', ['a', 'b'])"
    )
    assert written(Action(tool="click", arguments={"nonsense": "1"})) == ""


def test_a_browser_that_breaks_is_an_error_and_the_next_episode_works(world: Browsergym) -> None:
    task = next(t for split in ("train", "val", "test") for t in world.tasks(split))
    episode = world.open(task)
    with pytest.raises(
        EnvError, match=r"failed \(step\): RuntimeError: the browser crashed; is its"
    ):
        episode.step(Action(text="click('13')"))
    episode.close()
    again = world.open(task)
    assert "Search" in again.step(Action(text="noop()")).observation
    again.close()


def test_one_that_hangs_is_ended_in_time_and_leaves_no_process(python: Path) -> None:
    served = Served(python, "webarena", patience_s=20.0)
    served.ask("open", task="webarena.1", seed=0)
    served.ask("step", action="fill('12', 'slow')")
    served._patience = 0.3
    began = time.monotonic()
    with pytest.raises(EnvError, match=r"did not answer in 0.3 s \(step\); begin anew"):
        served.ask("step", action="noop()")
    assert time.monotonic() - began < 10
    assert not served.alive
    assert [
        p for p in psutil.Process().children(recursive=True) if "serve" in " ".join(_line(p))
    ] == []


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_what_is_not_there_is_said_with_the_commands_that_mend_it(
    python: Path, tmp_path: Path
) -> None:
    with pytest.raises(Missing, match=r"not set up at .*; python3 -m venv .* browsergym-webarena"):
        Browsergym(tmp_path / "none" / "bin" / "python", "webarena").tasks("train")
    with pytest.raises(Missing, match=r"lacks something: .*install playwright_of_nobody in its"):
        Browsergym(python, "miniwob").tasks("train")
    with pytest.raises(Missing, match="has no suite 'assistantbench'; python3 -m venv"):
        Browsergym(python, "assistantbench").tasks("train")
    with pytest.raises(UnknownName, match="no suite of BrowserGym named 'nope'; choose from"):
        Browsergym(python, "nope")
