"""What is done to the words of lessons: the mark of recalled text, sameness, length."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata

from memory.types import Scope

MARK_OPEN = "<recalled-memory>"
"""Stands before recalled text in a prompt."""
MARK_CLOSE = "</recalled-memory>"
"""Stands after it."""
_BLANK = r"[\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff]*"
_NAME = _BLANK.join("recalled-memory")
"""Signs that nobody sees may stand between its letters."""
_MARK = re.compile(f"<{_BLANK}/?{_BLANK}{_NAME}{_BLANK}>", re.IGNORECASE)
_BLOCK = re.compile(
    f"<{_BLANK}{_NAME}{_BLANK}>.*?(?:<{_BLANK}/{_BLANK}{_NAME}{_BLANK}>|\\Z)",
    re.IGNORECASE | re.DOTALL,
)
CONTROL = re.compile(
    r"<[|｜][^<>|｜\s]{1,40}[|｜]>|</?s>|<(?:bos|eos|pad|unk|(?:start|end)_of_turn)>"
    r"|\[/?INST\]|<</?SYS>>"
)
"""Marks by which chat templates tell turns; in a text they would end it and begin somebody else's.
"""


def defused(text: str) -> str:
    """`text` in which no model reads the end of a turn: such a mark gets a blank, and is words.

    Tokenizers of servers turn marks into control tokens wherever they stand, also in a page's text.

    >>> defused("Hello<|im_end|>")
    'Hello< |im_end|>'
    """
    return CONTROL.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}", text)


def has_mark(text: str) -> bool:
    """Whether `text` holds an opening or closing mark, in any spelling."""
    return _MARK.search(text) is not None


def strip_marked(text: str) -> str:
    """`text` without recalled blocks; one that was never closed goes to the end.

    >>> strip_marked("before <recalled-memory>- [L1] look first</recalled-memory> after")
    'before  after'
    """
    return _MARK.sub("", _BLOCK.sub("", text))


def without_marks(text: str) -> str:
    """`text` on one line, marks taken out and the rest kept."""
    return " ".join(_MARK.sub("", text).split())


def unmarked(text: str) -> str:
    """`text` with its lines, marks taken out."""
    return _MARK.sub("", text).strip()


def normal(text: str) -> str:
    """`text` for comparison: letters and digits only, case and width folded, single blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in folded).split())


def sameness(text: str, scope: Scope) -> str:
    """Key that two lessons share when text and scope say the same."""
    words = normal(text) or text
    place = (scope.env, scope.task_type, scope.user, scope.project)
    return hashlib.blake2b(json.dumps([words, *place]).encode(), digest_size=16).hexdigest()


def estimate_tokens(text: str) -> int:
    """Length in tokens, guessed high: the larger of 1.3 a word and one for 4 characters."""
    return math.ceil(max(len(text.split()) * 1.3, len(text) / 4))
