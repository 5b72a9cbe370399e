"""The whole question at full size, for a larger machine: `make bench-full`."""

from __future__ import annotations

from bench.lab.types import ArmSpec, Claim, Experiment, Tasks
from bench.players import CODER, SHIPPED, SMOL, student

EPISODES = 500
"""Train tasks that arms learn from, in an order of its own for each seed."""
LOOKS = (0, 100, 250, EPISODES)
"""After how many of them an arm is measured: the learning curve."""
SEEDS = (0, 1, 2, 3, 4)
LEARNERS = {
    "memory": "journeyman",
    "random memory": "random-memory",
    "shuffled memory": "shuffled-memory",
    "full context": "full-context",
    "Reflexion": "reflexion",
    "ExpeL": "expel",
    "AWM": "awm",
    "ReasoningBank": "reasoningbank",
    "ACE": "ace",
}
OURS = ("memory", "random memory", "shuffled memory")
"""Learners whose ways the 135M follows, as the agent is set up for its size."""
NOTE = (
    "Everything that is played in small elsewhere: five orders of 500 train tasks, measured on "
    "the way, in tasks that share no room, page or house with them. One try (Reflexion: oracle "
    "retries, in a group of its own), no arm learns while measuring. Some 340,000 cells: for many "
    "cores or servers, months on two. `--seconds`, `--arms` and `--seeds` play a part, and calling "
    "it again goes on."
)


def _learners(model: str) -> list[ArmSpec]:
    small = model == "135M"
    return [
        ArmSpec(
            name=f"{name} {model}",
            kind=kind,
            model=model,
            options={"think": False, **({"follow": True} if small and name in OURS else {})},
        )
        for name, kind in LEARNERS.items()
    ]


def _given(model: str, *, skills: str, shown: bool) -> list[ArmSpec]:
    """What is given before the first cell: an expert's lessons where there is one, and skills."""
    pairs = [("lessons", "taught"), ("random lessons", "taught-random")] if shown else []
    return [
        *(ArmSpec(name=f"{name} {model}", kind=kind, model=model) for name, kind in pairs),
        ArmSpec(name=f"skills {model}", kind=skills, model=model),
        ArmSpec(
            name=f"skills first {model}", kind=skills, model=model, options={"choose": "first"}
        ),
    ]


def _claims(lessons: str, *, shown: bool) -> tuple[Claim, ...]:
    """For both models, in the order of the question; `lessons` names the arm that has them."""
    found = [
        claim
        for model in ("135M", "1.5B")
        for claim in (
            Claim(
                says=f"memory on beats memory off ({model})",
                arm=f"memory {model}",
                against=f"plain {model}",
            ),
            Claim(
                says=f"random memory does not ({model})",
                arm=f"random memory {model}",
                against=f"plain {model}",
                expects="no better",
                margin=10,
            ),
            Claim(
                says=f"skills beat lessons ({model})",
                arm=f"skills first {model}",
                against=f"{lessons} {model}",
            ),
        )
    ]
    if not shown:
        return tuple(found)
    kept = [
        (f"the student keeps what {name} gave", "student", f"{arm} 135M")
        for name, arm in (("lessons", "lessons"), ("skills", "skills first"))
    ]
    kept.append(("after distillation lessons can be left out", "student", "student + lessons"))
    found += [
        Claim(says=says, arm=arm, against=against, expects="no worse", margin=10)
        for says, arm, against in kept
    ]
    last = "all together beats the expert that taught it"
    return (*found, Claim(says=last, arm="student + skills", against="expert"))


def _full(name: str, where: str, env: str, *measure: Tasks, shown: bool) -> Experiment:
    skills = "skills" if shown else "explored"
    alone = [
        ArmSpec(name="expert", kind="expert"),
        ArmSpec(name="student", kind="bare", model="student"),
        ArmSpec(name="student + lessons", kind="taught", model="student"),
        ArmSpec(
            name="student + skills", kind="skills", model="student", options={"choose": "first"}
        ),
    ]
    models = {"135M": SMOL, "1.5B": CODER}
    return Experiment(
        name=name,
        title=f"The full size: does the agent get better by what it keeps, {where}?",
        note=NOTE,
        models={**models, "student": student(SHIPPED)} if shown else models,
        learn=Tasks(env=env, split="train", n=EPISODES),
        measure=measure,
        arms=(
            ArmSpec(name="random", kind="random"),
            *(alone if shown else ()),
            *(
                arm
                for model in models
                for arm in (
                    ArmSpec(name=f"plain {model}", kind="bare", model=model),
                    *_learners(model),
                    *_given(model, skills=skills, shown=shown),
                )
            ),
        ),
        seeds=SEEDS,
        checkpoints=LOOKS,
        note_tokens=96,
        claims=_claims("lessons" if shown else "memory", shown=shown),
        baseline="plain 135M",
    )


FULL = (
    _full(
        "full-alfworld",
        "on ALFWorld's games",
        "alfworld",
        Tasks(env="alfworld", split="test", n=100),
        Tasks(env="alfworld", split="seen", n=140),
        shown=True,
    ),
    _full(
        "full-houses",
        "in generated houses",
        "household:real",
        Tasks(env="household:real", split="test", n=240),
        shown=True,
    ),
    _full(
        "full-web",
        "on web pages",
        "miniwob",
        Tasks(env="miniwob", split="test", n=126),
        Tasks(env="miniwob:composed", split="test", n=40),
        shown=False,
    ),
)
"""One for each world, in turn."""
