"""Pictures of the products, drawn as SVG, so that the shop needs no image files."""

from __future__ import annotations

COLOURS = {
    "Blue": "#3f6fa8",
    "Green": "#5d8a5a",
    "White": "#f4f1ea",
    "Black": "#33353a",
    "Steel": "#a9b0b7",
    "Red": "#b8493f",
    "Copper": "#b87548",
    "Natural": "#d9cdb4",
    "Orange": "#d98a3d",
    "Brass": "#c2a14d",
    "Yellow": "#e2b93b",
    "Mustard": "#cf9f36",
    "Navy": "#2e4466",
    "Rose": "#cf8f94",
    "Grey": "#8d9299",
    "Rust": "#a8573a",
    "Terracotta": "#c4704f",
    "Oak": "#cda873",
    "Walnut": "#7a563c",
}
INK = "#2b2a28"
SHAPES: dict[str, str] = {
    "mug": '<path class="c" d="M55 70h74v62a18 18 0 0 1-18 18H73a18 18 0 0 1-18-18z"/>'
    '<path d="M129 84h10a18 18 0 0 1 0 38h-10" fill="none" stroke="FILL" stroke-width="10"/>'
    '<ellipse class="c" cx="92" cy="70" rx="37" ry="9"/>'
    '<ellipse cx="92" cy="70" rx="37" ry="9" fill="#0004"/>',
    "tumbler": '<path class="c" d="M68 62h64l-8 92a8 8 0 0 1-8 7H84a8 8 0 0 1-8-7z"/>'
    '<rect x="62" y="46" width="76" height="18" rx="7" fill="#2b2a28"/>'
    '<path d="M72 100h56l-2 24H74z" fill="#fff3"/>',
    "kettle": '<path class="c" d="M60 150l8-58a12 12 0 0 1 12-10h40a12 12 0 0 1 12 10l8 58z"/>'
    '<path d="M64 130c-26-6-22-46-38-58" fill="none" stroke="FILL" stroke-width="8"/>'
    '<path d="M134 92c40-4 40 44 6 44" fill="none" stroke="#2b2a28" stroke-width="9"/>'
    '<circle cx="100" cy="74" r="8" fill="#2b2a28"/>',
    "textile": '<rect class="c" x="50" y="52" width="100" height="96" rx="5"/>'
    '<path d="M50 74h100M50 82h100M50 122h100" stroke="#fff8" stroke-width="4"/>'
    '<path d="M54 148v10m12-10v10m12-10v10m12-10v10m12-10v10m12-10v10m12-10v10m12-10v10m8-10v10"'
    ' stroke="FILL" stroke-width="4"/>',
    "bottle": '<path class="c" d="M74 160V88c0-14 10-14 10-28h32c0 14 10 14 10 28v72a8 8 0 0 1-8 8'
    'H82a8 8 0 0 1-8-8z"/><rect x="82" y="38" width="36" height="22" rx="5" fill="#2b2a28"/>'
    '<path d="M84 92v62" stroke="#fff5" stroke-width="7" stroke-linecap="round"/>',
    "floorlamp": '<path d="M70 168V60c0-30 60-30 60 0" fill="none" stroke="#2b2a28"'
    ' stroke-width="5"/><ellipse cx="70" cy="168" rx="26" ry="6" fill="#2b2a28"/>'
    '<path class="c" d="M112 58h36l12 34h-60z"/><ellipse cx="130" cy="98" rx="22" ry="6"'
    ' fill="#ffe9a8"/>',
    "lamp": '<path class="c" d="M76 50h48l20 52H56z"/><path d="M100 102v44" stroke="#2b2a28"'
    ' stroke-width="7"/><ellipse cx="100" cy="150" rx="34" ry="9" fill="#2b2a28"/>'
    '<ellipse cx="100" cy="104" rx="40" ry="7" fill="#ffe9a8"/>',
    "cushion": '<path class="c" d="M50 54c30 8 70 8 100 0c-8 30-8 62 0 92c-30-8-70-8-100 0c8-30'
    ' 8-62 0-92z"/><path d="M66 70c20 6 48 6 68 0" fill="none" stroke="#fff6" stroke-width="4"/>',
    "candle": '<rect x="74" y="76" width="52" height="84" rx="6" fill="#e7c878"/>'
    '<path d="M100 76V60" stroke="#2b2a28" stroke-width="3"/>'
    '<path d="M100 34c12 14 10 26 0 28c-10-2-12-14 0-28z" fill="#f0983a"/>'
    '<ellipse cx="100" cy="77" rx="26" ry="6" fill="#f5dfa4"/>',
    "clock": '<circle class="c" cx="100" cy="102" r="56"/><circle cx="100" cy="102" r="46"'
    ' fill="#fffdf7"/><path d="M100 70v32l22 14" fill="none" stroke="#2b2a28" stroke-width="5"'
    ' stroke-linecap="round"/><circle cx="100" cy="102" r="4" fill="#b8493f"/>',
    "pot": '<path class="c" d="M62 100h76l-9 56a7 7 0 0 1-7 6H78a7 7 0 0 1-7-6z"/>'
    '<rect class="c" x="56" y="90" width="88" height="16" rx="4"/><path d="M100 90c-4-40-34-36'
    '-38-50c26-2 40 14 38 50c2-44 22-52 40-54c0 22-22 28-40 54z" fill="#5d8a5a"/>',
    "book": '<rect class="c" x="58" y="44" width="86" height="116" rx="6"/><rect x="58" y="44"'
    ' width="14" height="116" rx="5" fill="#0003"/><path d="M128 44v116" stroke="#fff7"'
    ' stroke-width="4"/><rect x="84" y="68" width="34" height="18" rx="3" fill="#fff7"/>',
    "pen": '<g transform="rotate(40 100 100)"><rect class="c" x="88" y="30" width="24" height="84"'
    ' rx="10"/><rect x="88" y="106" width="24" height="8" fill="#c2a14d"/><path d="M91 116h18l-9'
    ' 46z" fill="#c2a14d"/><path d="M100 132v28" stroke="#2b2a28" stroke-width="2"/></g>',
    "box": '<path d="M70 94V50h10v44M96 94V38h8v56M118 94V60h12v34" fill="#8d9299"/>'
    '<rect class="c" x="46" y="90" width="108" height="62" rx="5"/>'
    '<path d="M82 90v62M118 90v62" stroke="#0003" stroke-width="4"/>',
    "headphones": '<path d="M52 116c0-80 96-80 96 0" fill="none" stroke="#2b2a28"'
    ' stroke-width="9"/><rect class="c" x="42" y="104" width="28" height="50" rx="13"/>'
    '<rect class="c" x="130" y="104" width="28" height="50" rx="13"/>',
    "earbuds": '<rect class="c" x="56" y="92" width="88" height="64" rx="26"/><path d="M56 116h88"'
    ' stroke="#0004" stroke-width="3"/><circle cx="78" cy="66" r="14" class="c"/>'
    '<rect class="c" x="72" y="66" width="9" height="26" rx="4"/><circle cx="122" cy="66" r="14"'
    ' class="c"/><rect class="c" x="119" y="66" width="9" height="26" rx="4"/>',
    "backpack": '<path class="c" d="M60 90c0-56 80-56 80 0v58a12 12 0 0 1-12 12H72a12 12 0 0 1-12'
    '-12z"/><path d="M86 52c0-20 28-20 28 0" fill="none" stroke="#2b2a28" stroke-width="6"/>'
    '<rect x="72" y="112" width="56" height="38" rx="8" fill="#0003"/><path d="M72 90h56"'
    ' stroke="#d9cdb4" stroke-width="5"/>',
    "umbrella": '<path class="c" d="M34 106c6-82 126-82 132 0c-14-12-30-12-44 0c-14-12-30-12-44 0'
    'c-14-12-30-12-44 0z"/><path d="M100 100v48c0 18-24 18-24 2" fill="none" stroke="#2b2a28"'
    ' stroke-width="6" stroke-linecap="round"/>',
    "lantern": '<path d="M72 60c0-30 56-30 56 0" fill="none" stroke="#2b2a28" stroke-width="5"/>'
    '<rect class="c" x="64" y="58" width="72" height="18" rx="6"/><rect x="72" y="76" width="56"'
    ' height="54" fill="#ffe9a8"/><rect class="c" x="60" y="130" width="80" height="28" rx="8"/>'
    '<path d="M86 76v54m28-54v54" stroke="#2b2a28" stroke-width="3"/>',
    "pan": '<ellipse class="c" cx="88" cy="110" rx="58" ry="34"/><ellipse cx="88" cy="106" rx="48"'
    ' ry="25" fill="#0002"/><path d="M142 100l40-26" stroke="#2b2a28" stroke-width="10"'
    ' stroke-linecap="round"/><circle cx="80" cy="106" r="11" fill="#e2b93b"/>',
}


def picture(kind: str, colour: str) -> str:
    """An SVG of a kind of thing in the first known colour that `colour` names."""
    fill = next((COLOURS[word] for word in colour.split(", ") if word in COLOURS), "#8d9299")
    shape = SHAPES[kind].replace('class="c"', f'fill="{fill}"').replace("FILL", fill)
    shape = shape.replace(' stroke="', ' stroke-opacity="1" stroke="')
    edge = f'stroke="{INK}" stroke-opacity=".12" stroke-width="1.5"'
    return (
        f'<svg class="art" viewBox="0 0 200 200" aria-hidden="true"><ellipse cx="100" cy="168"'
        f' rx="62" ry="9" fill="#0001"/><g {edge}>{shape}</g></svg>'
    )
