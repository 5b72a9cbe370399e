"""The experiment in generated houses: what lessons and skills are worth where rooms never end."""

from __future__ import annotations

from bench.lab.types import ArmSpec, Claim, Experiment, Tasks
from bench.players import SHIPPED, SMOL, student

WHERE = "household:real/test"

HOUSES = Experiment(
    name="houses",
    title="Does what the agent keeps help in houses that nobody has seen?",
    note=(
        "Generated houses as large as ALFWorld's; no train house has their rooms. Lessons come "
        "from 120 train houses that the environment's expert showed, skills from as many, tried "
        "on others; the student that comes along learned from ALFWorld's own train games and saw "
        "no generated house. 50 steps, one try, no arm learns while measuring. Claims and sizes "
        "were set before the first cell: where lessons and skills were compared on 60 games of "
        "ALFWorld (`journeyman bench loop`) nobody could tell, so here are 100 houses. 60 of these "
        "houses were played there by the student with skills, and 10 by the student."
    ),
    models={"135M": SMOL, "student": student(SHIPPED)},
    measure=(Tasks(env="household:real", split="test", n=100),),
    arms=(
        ArmSpec(name="random", kind="random"),
        ArmSpec(name="expert", kind="expert"),
        ArmSpec(name="plain", kind="bare", model="135M", n=20),
        ArmSpec(name="random lessons", kind="taught-random", model="135M", n=20),
        ArmSpec(name="lessons", kind="taught", model="135M"),
        ArmSpec(name="skills", kind="skills", model="135M"),
        ArmSpec(name="student", kind="bare", model="student", n=60),
        ArmSpec(
            name="student + skills", kind="skills", model="student", options={"choose": "first"}
        ),
    ),
    seeds=(0,),
    note_tokens=96,
    compare=(("lessons", "expert"), ("student", "lessons")),
    claims=(
        Claim(says="memory on beats memory off", arm="lessons", against="plain", sets=(WHERE,)),
        Claim(
            says="lessons that fit beat lessons at random",
            arm="lessons",
            against="random lessons",
            sets=(WHERE,),
        ),
        Claim(says="skills beat lessons", arm="skills", against="lessons", sets=(WHERE,)),
        Claim(
            says="the student keeps what skills gave",
            arm="student",
            against="skills",
            sets=(WHERE,),
            expects="no worse",
            margin=15,
        ),
        Claim(
            says="all together beats the expert",
            arm="student + skills",
            against="expert",
            sets=(WHERE,),
        ),
    ),
    baseline="plain",
)
