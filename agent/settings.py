"""The configuration, read once at the door.

Flags win over `JOURNEYMAN_*`, these over `./journeyman.toml`, that over `HOME/journeyman.toml`.

The only file that reads `os.environ`. Nested fields take two underscores:
`JOURNEYMAN_MODEL__BASE_URL=http://127.0.0.1:8000/v1`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from agent.browsing_settings import BrowsingSettings
from agent.settings_files import FILE, drop_none, merge, read, trusted
from envs.errors import UserError
from envs.types import Frozen
from memory.types import Trust


class ModelSettings(Frozen):
    """Which model answers. All empty: the embedded one."""

    base_url: str = ""
    """An OpenAI-compatible URL; empty: `OPENAI_BASE_URL`, else a model of this machine."""
    name: str = ""
    """Name to ask for; empty: the first that the server lists."""
    api_key: str = Field(default="", repr=False)
    """Key of that URL; empty: `OPENAI_API_KEY`."""
    file: str = ""
    """A GGUF file, or a name that `journeyman models list` shows, to serve from this machine."""
    adapter: str = ""
    """A student: a registered adapter's id, `shipped:NAME`, or an adapter's folder. It is served
    beside `file`, and beside the model that it was trained on where that is empty."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds to wait for a reply."""
    retries: int = Field(default=2, ge=0)
    """Attempts after the first when a server is busy or gone."""
    context: int = Field(default=8192, ge=512)
    """Tokens of context for a model served from this machine, per stream."""
    parallel: int = Field(default=1, ge=1)
    """Streams at once for a model served from this machine."""
    threads: int = Field(default=0, ge=0)
    """Threads of a model served from this machine; 0: one a core."""
    price_in: float = Field(default=0.0, ge=0)
    """US dollars for a million prompt tokens."""
    price_out: float = Field(default=0.0, ge=0)
    """US dollars for a million generated tokens."""


class SolverSettings(Frozen):
    """How the solver works."""

    think: bool = False
    """Write a thought before each action; helps models of 1B and more, costs tokens."""
    list_actions: bool | None = None
    """Show the possible actions in the prompt too; None: unless the model is the embedded one."""
    break_loops: bool = True
    """Withdraw an action that was done twice in the same situation without effect."""
    follow: bool | None = None
    """Take first what a recalled way would do next here; None: below 4B parameters, by the name."""
    point: bool | None = None
    """Take first what the goal names on a page; None: below 4B parameters, by the name."""
    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy."""
    retries: int = Field(default=0, ge=0)
    """New attempts after a rejected one, with a reflection; each is an `oracle_retry`."""


class MemorySettings(Frozen):
    """How memory is consulted and written."""

    recall: bool = True
    """Consult memory before each action."""
    learn: bool = True
    """Write lessons after runs on train tasks and chats."""
    budget_tokens: int | None = Field(default=None, ge=0)
    """Most tokens of recalled text before an action; None: 96 for the embedded model, more for
    larger ones, by the size in their name, none for students, which were taught to do without
    (`agent/recalling.py`)."""
    floor: float = Field(default=0.35, ge=-1, le=1)
    """Least similarity of a recalled lesson; below it nothing is returned."""
    most: int = Field(default=3, ge=0)
    """Most lessons before an action."""
    words: float = Field(default=0.6, ge=0)
    """Weight of words that goal and lesson share, beside meaning; 0: by meaning alone."""
    diversity: float = Field(default=0.2, ge=0)
    """Weight of not saying the same again; 0: off."""
    sway: float = Field(default=0.25, ge=0)
    """Weight of what showing a lesson is believed to do; 0: off."""
    trust: tuple[Trust, ...] = ("self", "user", "tool")
    """Whose words may be recalled; add `web` for what goes back to pages."""
    episodes: int = Field(default=0, ge=0)
    """Most whole episodes before an action. None by default: a solved one leaves a workflow, which
    says the same in a third of the tokens, and those of a small model are few."""
    withhold: bool = True
    """In training runs, keep recalled lessons back by chance, to measure what they do."""
    life: bool = True
    """After training runs, admit, promote and retire lessons by what was measured."""
    capacity: int = Field(default=2000, ge=1)
    """Most lessons of one environment that may be shown; the least promising make room."""
    unused: int | None = Field(default=2000, ge=1)
    """Training episodes after which a lesson that came up in none is retired; None: never."""
    drafts: Literal["auto", "plain", "written"] = "auto"
    """Who writes lessons: a rule over the steps, or the model too; auto spares the embedded one."""


class SkillSettings(Frozen):
    """How skills are used."""

    use: bool = True
    """Offer active skills to the solver."""
    most: int = Field(default=3, ge=0)
    """Most calls that are offered before an action."""
    choose: Literal["model", "first"] | None = None
    """Who decides on a call: the model, among its actions; or `first`: the best proven skill for
    the goal is called without asking. None: the model; `first` for students, which were taught to
    act, and below 4B parameters, by the name."""


SecondLook = Literal["none", "review", "if-or-else", "instructed", "self-contrast", "mistakes"]
Reflection = Literal[
    "default",
    "retry",
    "keywords",
    "advice",
    "explanation",
    "instructions",
    "solution",
    "composite",
    "unredacted",
]
Mechanism = Literal[
    "guideline", "retried", "across", "scales", "consensus", "subtasks", "tips",
    "look-ahead", "anticipate", "ask", "structured",
]  # fmt: skip


class LearningSettings(Frozen):
    """Published ways of learning and recalling; each is off unless it is named here."""

    use: tuple[Mechanism, ...] = ()
    """Which of them work; see `journeyman strategies`."""
    second_look: SecondLook = "none"
    """How an answer or action is thought over before it counts; costs one to ten replies each."""
    reflection: Reflection = "default"
    """What a failed attempt leaves for its retry; default: as `memory.drafts` has it."""
    agent: str = Field(default="", max_length=60)
    """Name of this agent, kept with all that it learns, where several share a memory."""


class BudgetSettings(Frozen):
    """What one run may consume; None is no limit."""

    steps: int | None = None
    """Actions, over all attempts (the task's own limit holds besides)."""
    tokens: int | None = None
    """Tokens sent and received."""
    seconds: float | None = None
    """Wall-clock seconds."""
    cost: float | None = None
    """US dollars."""


class StoreSettings(Frozen):
    """Where memory is kept; both empty: in files of the home folder."""

    ledger: str = Field(default="", repr=False)
    """`postgresql://USER:PASSWORD@HOST:PORT/DATABASE`: a ledger that several machines share."""
    index: str = Field(default="", repr=False)
    """`http://HOST:PORT` of a Chroma server, for an index that several machines share."""


class ServerSettings(Frozen):
    """The REST server."""

    host: str = "127.0.0.1"
    """Address to bind to; anything but loopback needs an API key."""
    port: int = Field(default=8321, ge=0, le=65535)
    """Port; 0 picks a free one."""
    api_key: str = Field(default="", repr=False)
    """Key that clients must send; empty: no key, loopback only."""
    verify: Literal["before", "after"] = "before"
    """Stream an answer when the verifier accepted it, or its draft at once with a correction."""


ServerName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,23}$")]


class McpServerSettings(Frozen):
    """A server of tools (Model Context Protocol): a command of this machine, or a URL."""

    command: str = ""
    """Program to start; it is spoken to over its standard input and output."""
    args: tuple[str, ...] = ()
    """Its arguments."""
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    """Variables for it; besides these it gets PATH, HOME and the like, and no key of ours."""
    url: str = ""
    """Address of a server that is there already (streamable HTTP)."""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    """Sent with every request to that address; for keys."""
    allow: tuple[str, ...] = ()
    """Tools that chat may call, by the server's own names; none by default."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds to wait for a result."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give either command or url")
        return self


class RouterSettings(Frozen):
    """Which tasks a cheap student gets, and which a larger model; see `agent/models/router.py`."""

    use: bool = False
    """Choose between `model`, the student, and `larger`, task by task."""
    larger: ModelSettings = ModelSettings()
    """The larger model."""
    floor: float = Field(default=0.6, ge=0, le=1)
    """Success that the student must be believed to reach at a type of task, to be given it."""
    explore: float = Field(default=0.2, ge=0, le=1)
    """Share of the tasks of a type that it has hardly tried which it gets all the same."""
    known: int = Field(default=5, ge=1)
    """Different tasks of a type after which that type is known."""
    again: bool = False
    """Play again with `larger` what the student is seen to fail at; says so, as an
    `oracle_retry`, and is never compared with a run that was not begun again."""


class McpSettings(Frozen):
    """Servers whose tools may be used in chat."""

    servers: dict[ServerName, McpServerSettings] = Field(default_factory=dict)
    """By name; a tool is offered as `NAME__TOOL`."""


class SiteSettings(Frozen):
    """Web apps of this machine."""

    folder: Path | None = None
    """An app, or a folder of apps (`docs/web-sites.md`); None: the shop that comes along."""


class Settings(BaseSettings):
    """Everything that can be set. Frozen; read once."""

    model_config = SettingsConfigDict(
        env_prefix="JOURNEYMAN_", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    home: Path = Path.home() / ".journeyman"
    """Folder of the ledger, the index, models and reports."""
    alfworld_data: Path | None = None
    """Folder that holds `json_2.1.1`; `ALFWORLD_DATA` is understood too."""
    browser: Path | None = None
    """Chromium to open pages with; None: Playwright's own, else the machine's."""
    site: SiteSettings = SiteSettings()
    """Web apps of this machine."""
    model: ModelSettings = ModelSettings()
    """The solver's model."""
    verifier: ModelSettings | None = None
    """The verifier's, where it differs."""
    reflector: ModelSettings | None = None
    """The reflector's, where it differs."""
    solver: SolverSettings = SolverSettings()
    """How the solver works."""
    memory: MemorySettings = MemorySettings()
    """How memory is used."""
    skills: SkillSettings = SkillSettings()
    """How skills are used."""
    learning: LearningSettings = LearningSettings()
    """Published ways of learning, chosen by name."""
    budget: BudgetSettings = BudgetSettings()
    """What a run may consume."""
    store: StoreSettings = StoreSettings()
    """Where memory is kept."""
    server: ServerSettings = ServerSettings()
    """The REST server."""
    mcp: McpSettings = McpSettings()
    """Servers of tools for chat."""
    browsing: BrowsingSettings = BrowsingSettings()
    """Web pages that chat may open."""
    router: RouterSettings = RouterSettings()
    """Who gets which task, where there are a student and a larger model."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Instructions of your own in the place of `agent/prompts/NAME.md`: `solver`, `solver_think`;
    what the agent learned for an environment gives way to them."""
    judge: bool = False
    """Let a model judge chat answers; small ones judge badly."""
    selfcheck: bool = False
    """Let the solver's model doubt chat answers, where nothing better than its opinion is known."""

    def hash(self) -> str:
        """Short hash of all that changes how an agent behaves."""
        parts = {"solver", "memory", "budget", "judge"} | (
            {"selfcheck"} if self.selfcheck else set()
        )
        if self.learning != LearningSettings():
            parts.add("learning")
        if self.skills != SkillSettings():
            parts.add("skills")
        if self.prompts:
            parts.add("prompts")
        keep = self.model_dump_json(include=parts) + "".join(
            f"{m.base_url}|{m.name}|{m.file}" + (f"|{m.adapter}" if m.adapter else "")
            for m in (self.model, self.verifier, self.reflector)
            if m
        )
        if self.router.use:
            larger = self.router.larger
            keep += f"|router {self.router.floor} {self.router.explore} {self.router.known}"
            keep += f" {self.router.again}"
            keep += f" {larger.base_url}|{larger.name}|{larger.file}"
        for name, server in sorted(self.mcp.servers.items()):
            keep += "".join(f"|{name}__{tool}" for tool in sorted(server.allow))
        keep += "".join(f"|browsing {origin}" for origin in sorted(self.browsing.allow))
        return hashlib.sha256(keep.encode()).hexdigest()[:12]


def load(**flags: Any) -> Settings:
    """The settings for this process. `flags` are nested dicts; None values are dropped.

    Raises `UserError` for a file that is not TOML and for values that do not fit.
    """
    environ = dict(os.environ)
    home = Path(flags.get("home") or environ.get("JOURNEYMAN_HOME") or Path.home() / ".journeyman")
    low: dict[str, Any] = {"home": home.expanduser()}
    if environ.get("ALFWORLD_DATA"):
        low["alfworld_data"] = environ["ALFWORLD_DATA"]
    for path in (home / FILE, Path.cwd() / FILE):
        low = merge(low, trusted(read(path), path, home=home))
    try:
        variables = EnvSettingsSource(Settings)()
        merged = merge(merge(low, variables), drop_none(flags))
        merged["model"] = _endpoint(merged.get("model") or {}, environ)
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"setting {where} = {first['input']!r}: {first['msg']}",
            repair=f"mend it in {FILE}, JOURNEYMAN_{where.upper().replace('.', '__')} or the flag",
        ) from error


def _endpoint(model: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """What OpenAI's own variables name, where the configuration names no model."""
    wanted = {"api_key": environ.get("OPENAI_API_KEY", "")}
    if not any(model.get(named) for named in ("base_url", "file", "adapter")):
        wanted["base_url"] = environ.get("OPENAI_BASE_URL", "")
    return {**model, **{k: v for k, v in wanted.items() if v and not model.get(k)}}
