"use strict";
// Tables sort by their heads; transcripts filter; a link to a transcript opens it.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const cell = row.cells[at];
        return cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v);
      };
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
        const way = typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true });
        return down ? -way : way;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
const form = document.querySelector("form.filter");
const runs = [...document.querySelectorAll("details.run")];
if (form) {
  form.hidden = false;
  const told = form.querySelector("output");
  const text = new Map(runs.map((run) => [run, run.textContent.toLowerCase()]));
  const filter = () => {
    const word = form.elements.word.value.trim().toLowerCase();
    let left = 0;
    for (const run of runs) {
      const fits =
        (!form.elements.arm.value || run.dataset.arm === form.elements.arm.value) &&
        (!form.elements.outcome.value || run.dataset.outcome === form.elements.outcome.value) &&
        (!word || text.get(run).includes(word));
      run.hidden = !fits;
      left += fits ? 1 : 0;
    }
    told.textContent = `${left} of ${runs.length} shown`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
  const open = () => {
    const run = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!run || !run.matches("details.run")) return;
    if (run.hidden) {
      form.reset();
      filter();
    }
    run.open = true;
    run.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
}
