"""What eyes see and a snapshot misses: a script of ours in each page, before its own.

What can be clicked or opens under the pointer by its listeners or styles, without a role, gets a
pointer for cursor, and a role where its words would run into those beside it or into the part that
holds nothing else; buttons without words are named after their picture or class; text that can be
edited in place is a textbox. What a form refuses is told, which a browser shows in a bubble only.
And timers that are due soon are counted, to be waited for, but those of a page that always has one.
"""

from __future__ import annotations

from typing import Any

from envs.errors import clip

ANSWERS_MOST = 30
"""Of what a page answers, what is read at most."""
EYES = r"""(() => {
  const key = Symbol.for('journeyman.clock');
  if (window[key]) return;
  const clock = {due: 0, later: window.setTimeout, soon: 1000, said: [], tally: new Map(),
    takes: new WeakSet()};
  Object.defineProperty(window, key, {value: clock, configurable: true, writable: true});
  const never = window.clearTimeout, waiting = new Set(), polls = new Set();
  const off = id => { if (waiting.delete(id)) clock.due -= 1; };
  const polled = (task, ms) => {
    const mark = `${ms} ${String(task).slice(0, 200)}`, count = (clock.tally.get(mark) ?? 0) + 1;
    clock.tally.set(mark, count);
    if (count > 2 && !window.event) polls.add(mark);
    return polls.has(mark);
  };
  window.setTimeout = function (task, ms, ...rest) {
    if (!(ms <= clock.soon) || typeof task !== 'function' || polled(task, ms))
      return clock.later.call(window, task, ms, ...rest);
    const id = clock.later.call(window, () => { off(id); task.apply(window, rest); }, ms);
    waiting.add(id); clock.due += 1;
    return id;
  };
  window.clearTimeout = id => { off(id); never.call(window, id); };
  const listen = EventTarget.prototype.addEventListener, heard = new WeakSet();
  const marked = new WeakSet();
  const kinds = /^(click|mousedown|mouseup|dblclick|pointerdown|mouseenter|mouseover)$/;
  EventTarget.prototype.addEventListener = function (kind, ...rest) {
    if (this instanceof HTMLElement && kinds.test(kind)) heard.add(this);
    if (this instanceof HTMLElement && kind === 'drop') clock.takes.add(this);
    return listen.call(this, kind, ...rest);
  };
  listen.call(document, 'invalid', event => {
    const it = event.target, of = it.labels?.[0]?.innerText || it.ariaLabel || it.placeholder
      || it.name || it.type;
    if (clock.said.length < 5) clock.said.push([String(of).trim(), it.validationMessage]);
  }, true);
  const used = 'a[href], button, input, select, textarea, label, summary, option, iframe, '
    + '[role=button], [role=link], [role=option], [role=tab], [role^=menuitem], [contenteditable]';
  const opens = () => {
    const found = [];
    for (const sheet of document.styleSheets) {
      let rules = [];
      try { rules = sheet.cssRules; } catch { continue; }
      for (const rule of [...rules].slice(0, 3000)) {
        if (!rule.selectorText?.includes(':hover')) continue;
        if (!/display|visibility|opacity|height/.test(rule.style.cssText)) continue;
        for (const one of rule.selectorText.split(',')) {
          const [, base, rest] = one.match(/^(.*):hover(\s*[\s>+~].+)$/) ?? [];
          if (base?.trim()) found.push([base.trim(), `:scope${rest}`]);
        }
      }
    }
    return found;
  };
  const test = (it, [base, rest]) => {
    try { return it.matches(base) && it.querySelector(rest) !== null; } catch { return false; }
  };
  const label = it => {
    const inner = it.querySelector('[data-icon], use, i, svg, img') ?? it;
    const names = [it.querySelector('svg title')?.textContent, inner.dataset?.icon,
      inner.getAttribute('href')?.replace(/^.*#/, ''), it.dataset.action, it.dataset.testid,
      it.getAttribute('name'), it.id, inner.getAttribute('class'), it.getAttribute('class')];
    return (names.find(one => one?.trim()) ?? '').trim().slice(0, 40);
  };
  const named = it => it.textContent.trim() || it.title || it.ariaLabel
    || it.hasAttribute('aria-labelledby')
    || it.querySelector('img[alt]:not([alt=""]), [aria-label]');
  const words = it => it?.innerText?.trim() ?? '';
  const fills = it => words(it) && words(it) === words(it.parentElement);
  const typed = 'input:not([readonly], [type=hidden]), textarea:not([readonly]), [contenteditable]';
  const points = it => getComputedStyle(it).cursor === 'pointer';
  const entries = it => {  // a list that listens for all of its entries: these are clicked
    const inner = [...it.children].filter(words), [one] = inner;
    const alike = inner.length > 2 && inner.every(other => other.tagName === one.tagName
      && other.className === one.className) && (one.className || one.tagName === 'LI');
    return inner.length > 1 && (alike || inner.every(points)) ? inner : [];
  };
  clock.show = () => {
    const roots = [document], hover = opens();
    let left = 5000, edited = 0;
    for (const root of roots) for (const it of root.querySelectorAll('*')) {
      if (left-- < 0) return edited;
      if (it.shadowRoot) roots.push(it.shadowRoot);
      if (!(it instanceof HTMLElement)) continue;
      const edits = it.getAttribute('contenteditable');
      if (edits !== null && edits !== 'false') {
        edited += 1;
        if (!it.hasAttribute('role')) it.setAttribute('role', 'textbox');
        continue;
      }
      if (it.matches('[role=combobox]:not(select)'))
        it.style.cursor = it.matches(typed) || it.querySelector(typed) ? 'text' : 'pointer';
      if (it.matches('button, [role=button]') && !named(it) && label(it))
        it.ariaLabel = label(it);
      if (it.matches(used) && it.tagName !== 'SUMMARY') continue;
      const opens = hover.some(one => test(it, one)), open = opens && it.matches(':hover');
      const own = heard.has(it) || it.onclick || it.tagName === 'SUMMARY' || (opens && !open);
      if (open && marked.delete(it)) it.style.cursor = '';
      let pointed = points(it);
      if (own && !pointed && it !== document.body && it.querySelectorAll('*').length < 30
          && (it.tagName === 'SUMMARY' || !it.querySelector(used))) {
        const some = entries(it);
        for (const one of some.length ? some : [it]) {
          one.style.cursor = 'pointer'; marked.add(one);
        }
        pointed = !some.length;
      }
      if (!pointed || it.hasAttribute('role') || it.closest(used)) continue;
      if (!it.getClientRects().length) continue;
      const above = it.parentElement && points(it.parentElement);
      if (above && !own) continue;
      if (above) { it.setAttribute('role', 'button'); continue; }
      const inner = it.childNodes;
      if (!named(it) && !it.querySelector('*:not(svg, svg *, i, img, span)')) {
        const name = label(it), box = it.getBoundingClientRect();
        if (name && box.width * box.height > 15) {
          it.setAttribute('role', 'button'); it.ariaLabel = name;
        }
      } else if (fills(it) || inner.length === 1 && inner[0].nodeType === 3
          && getComputedStyle(it).display === 'inline') it.setAttribute('role', 'group');
    }
    return edited;
  };
})();"""
"""To be run in each page and frame before its own scripts."""
SHOW = "() => window[Symbol.for('journeyman.clock')]?.show?.() ?? 0"
"""Says how many parts of the page can be edited in place."""
LOOSE = r"""() => {
  const takes = window[Symbol.for('journeyman.clock')]?.takes, drags = new Set(), drops = new Set();
  const note = (noted, it) => {
    const words = it.ariaLabel || it.innerText?.trim().split(/\s+/).join(' ');
    if (words && noted.size < 30) noted.add(words.slice(0, 200));
  };
  for (const it of document.querySelectorAll('[draggable=true], .ui-draggable, .ui-sortable > *'))
    note(drags, it);
  if (drags.size) for (const it of [...document.querySelectorAll('*')].slice(0, 5000))
    if (takes?.has(it) || it.ondrop || it.matches('.ui-droppable')) note(drops, it);
  return [[...drags], [...drops]];
}"""
"""Words of what can be dragged, and of what takes what is dropped."""
QUIET = """([quiet, most]) => new Promise(done => {
  const clock = window[Symbol.for('journeyman.clock')] ?? {due: 0, later: setTimeout};
  const begun = performance.now(); let last = begun;
  clock.tally?.clear();
  const watch = new MutationObserver(() => { last = performance.now(); });
  watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  const tick = () => {
    const now = performance.now();
    if ((now - last < quiet || clock.due) && now - begun < most) clock.later.call(window, tick, 5);
    else { watch.disconnect(); done(clock.said?.splice(0) ?? []); }
  };
  clock.later.call(window, tick, 5);
})"""
"""Waits until nothing changed for `quiet` ms and no timer is due soon, at most `most` ms; gives
what forms refused since: `[[field, why], ...]`."""
WORDS = "it => it.isContentEditable ? it.innerText : ''"
"""What stands in a part that is edited in place."""


def refusals(answer: Any) -> list[str]:
    """What forms refused, in words. A page can meddle with what runs in it and answer anything."""
    some = answer if isinstance(answer, list) else []
    pairs = [one for one in some[:ANSWERS_MOST] if isinstance(one, list) and len(one) == 2]
    return [f"the field {clip(str(f))!r} was not accepted: {clip(str(why))}" for f, why in pairs]


def counted(answer: Any) -> int:
    """How much can be edited in place; nothing where a page answers something else."""
    return answer if isinstance(answer, int) else 0


def loose(answer: Any) -> tuple[list[str], list[str]]:
    """Words of what can be dragged and of what takes it, out of whatever a page answers."""
    some = answer if isinstance(answer, list) and len(answer) == 2 else [[], []]
    drags, drops = ([str(o) for o in one if isinstance(o, str)] for one in map(_listed, some))
    return drags, drops


def _listed(answer: Any) -> list[Any]:
    return answer[:ANSWERS_MOST] if isinstance(answer, list) else []
