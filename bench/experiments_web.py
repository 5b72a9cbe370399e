"""The experiment on pages: with skills and without, with models and without."""

from __future__ import annotations

from bench.lab.types import ArmSpec, Experiment, Tasks
from bench.players import CODER, SMOL

WEB = Experiment(
    name="web",
    title="How far do players get on web pages, with skills of train pages and without?",
    note=(
        "miniwob/test is MiniWoB++'s pages of BrowserGym's public test split, one seed of each; "
        "compositions put two or three train pages under one instruction, told in order and the "
        "other way round; the site is the shop with errands that combine goals. One episode, "
        "actions as text out of what the page admits; words that may be filled in come from the "
        "instruction. Skills were found without a model by trying out train pages, and admitted by "
        "trials on train pages that were not explored; no test page shares its task with one, and "
        "compositions are made of them. `first` calls what fits without asking; `skills by chance` "
        "takes a call as one admissible action among others. What programs can express, and that a "
        "trial in which one does nothing counts neither way, was decided while skills for this "
        "experiment were made, knowing which train pages compositions consist of (docs/web.md). "
        "Models below 4B take first what the goal names on a page (agent/pointing.py, made on "
        "train pages and train errands); `named first` does any of that without a model, and the "
        "135M `not led` chooses among all that is admissible. `skills 135M` decides on each call; "
        "in `skills first` with a model, as the agent is set up for such sizes, what fits is "
        "called without asking; both have the same skills, which the one without a model had not."
    ),
    models={"135M": SMOL, "1.5B": CODER},
    measure=(
        Tasks(env="miniwob", split="test", n=63),
        Tasks(env="miniwob:composed", split="test", n=40),
        Tasks(env="site", split="test", n=12),
    ),
    arms=(
        ArmSpec(name="random", kind="random"),
        ArmSpec(name="named first", kind="pointed"),
        ArmSpec(name="bare 135M", kind="bare", model="135M"),
        ArmSpec(name="135M not led", kind="bare", model="135M", n=20, options={"point": False}),
        ArmSpec(name="bare 1.5B", kind="bare", model="1.5B", n=20),
        ArmSpec(name="skills first", kind="explored-chance", options={"choose": "first"}),
        ArmSpec(name="skills by chance", kind="explored-chance"),
        ArmSpec(name="skills 135M", kind="explored", model="135M"),
        ArmSpec(
            name="skills first 135M", kind="explored", model="135M", options={"choose": "first"}
        ),
        ArmSpec(name="skills 1.5B", kind="explored", model="1.5B", n=20),
        ArmSpec(
            name="skills first 1.5B",
            kind="explored",
            model="1.5B",
            n=20,
            options={"choose": "first"},
        ),
    ),
    seeds=(0, 1, 2),
    compare=(
        ("named first", "random"),
        ("bare 135M", "random"),
        ("bare 135M", "named first"),
        ("bare 135M", "135M not led"),
        ("bare 1.5B", "random"),
        ("bare 1.5B", "bare 135M"),
        ("skills first", "random"),
        ("skills by chance", "random"),
        ("skills 135M", "bare 135M"),
        ("skills first 135M", "bare 135M"),
        ("skills first 135M", "skills 135M"),
        ("skills 1.5B", "bare 1.5B"),
        ("skills first 1.5B", "bare 1.5B"),
    ),
    baseline="random",
)
