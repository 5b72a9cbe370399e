"""Twenty messages and the tools that suit them: does a model choose rightly?

Data only. A prompt counts as right when the first tool that the model calls is one of its `right`
ones; `reply` means that no tool is needed.
"""

from __future__ import annotations

from envs.types import Frozen


class ChatPrompt(Frozen):
    """A message and the tools that suit it."""

    text: str
    """What the user says."""
    right: tuple[str, ...]
    """Tools of which any is a right first call; the first is the best."""


_SUM = ("calculator", "python")
_CODE = ("python",)
_KEEP = ("remember",)
_LOOK_UP = ("memory_search",)
_PLAIN = ("reply",)

CHAT_PROMPTS: tuple[ChatPrompt, ...] = (
    ChatPrompt(text="What is 4817 times 392?", right=_SUM),
    ChatPrompt(
        text="Dinner came to 86.40 and we want to leave 18% on top. How much is that in total?",
        right=_SUM,
    ),
    ChatPrompt(text="I need the square root of 7396, please.", right=_SUM),
    ChatPrompt(
        text="If I put away 135 euros every month for 27 months, how much do I have in the end?",
        right=_SUM,
    ),
    ChatPrompt(text="How much is (1250 - 387) / 7, to two places?", right=_SUM),
    ChatPrompt(
        text="How many times does the letter s occur in 'mississippi sassafras'?", right=_CODE
    ),
    ChatPrompt(
        text="Sort these names by their last letter: Paula, Igor, Beatrix, Tom, Anouk, Felice.",
        right=_CODE,
    ),
    ChatPrompt(text="List all prime numbers between 900 and 1000.", right=_CODE),
    ChatPrompt(text="Turn 'never odd or even' around, letter by letter.", right=_CODE),
    ChatPrompt(text="Which weekday was 14 March 1987, and how many days ago is it?", right=_CODE),
    ChatPrompt(text="Please remember that my sister's name is Ada.", right=_KEEP),
    ChatPrompt(
        text="For next time: I am allergic to peanuts, so never suggest anything with them.",
        right=_KEEP,
    ),
    ChatPrompt(text="What did I tell you about my landlord last week?", right=_LOOK_UP),
    ChatPrompt(text="Which city did I say I was moving to?", right=_LOOK_UP),
    ChatPrompt(text="Good morning! How are you today?", right=_PLAIN),
    ChatPrompt(text="Thanks a lot, that was very helpful.", right=_PLAIN),
    ChatPrompt(text="What does the word 'serendipity' mean?", right=_PLAIN),
    ChatPrompt(text="Do you like tea better than coffee?", right=_PLAIN),
    ChatPrompt(text="Tell me in one sentence why the sky is blue.", right=_PLAIN),
    ChatPrompt(
        text="Could you write a friendly two-line birthday wish for a colleague?", right=_PLAIN
    ),
)
