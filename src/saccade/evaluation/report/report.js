"use strict";
// The page says everything without this: here are sorting by a click, and a row marked wherever it is.

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead tr:last-child th")];
  const body = table.tBodies[0];
  const exact = (row, column) => {
    const data = row.cells[column].querySelector("data");
    return data ? Number(data.value) : null;
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((one, other) => {
        if (column === 0) return (one.dataset.row - other.dataset.row) * (up ? -1 : 1);
        const [a, b] = [exact(one, column), exact(other, column)];
        if (a === null || b === null) return (a === null) - (b === null);
        return up ? a - b : b - a;
      });
      body.append(...rows);
    });
  });
}

const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
for (const title of document.querySelectorAll(".point > title")) title.remove();

const mark = (row) => {
  for (const each of document.querySelectorAll(".marked")) each.classList.remove("marked");
  document.body.classList.toggle("marking", row !== undefined);
  if (row === undefined) return;
  for (const each of document.querySelectorAll(`[data-row="${row}"]`)) each.classList.add("marked");
};
document.addEventListener("pointerover", (event) => {
  const at = event.target.closest("[data-row]");
  const point = event.target.closest(".point");
  mark(at ? at.dataset.row : undefined);
  tip.hidden = !point;
  if (!point) return;
  tip.textContent = point.getAttribute("aria-label");
  const box = point.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${box.top > 80 ? box.top - tip.offsetHeight - 4 : box.bottom + 4}px`;
});
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true, capture: true });
