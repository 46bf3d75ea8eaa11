// The script of the table; gradio runs it once, with `element`, `watch`, and what is drawn again and again inside.

// Two rows can be chosen to be compared. They stay chosen when the table is drawn again; a third replaces the first.
const picked = [];
const show = () => {
  element.querySelectorAll(".pick").forEach((box) => { box.checked = picked.includes(box.value); });
  const link = element.querySelector(".compare a");
  link.hidden = picked.length === 0;
  link.href = "?compare=" + picked.join(",");
  link.textContent = picked.length === 1 ? "Choose a second row, to compare it with this one" : "Compare the two chosen rows";
};
element.addEventListener("change", (event) => {
  if (!event.target.matches(".pick")) return;
  const at = picked.indexOf(event.target.value);
  if (at >= 0) picked.splice(at, 1); else picked.push(event.target.value);
  if (picked.length > 2) picked.shift();
  show();
});
watch("value", show);

// A row that is pointed at, or has the focus, is marked in the plot.
const point = (event) => {
  const row = event.target.closest("tr[data-id]");
  document.querySelectorAll("#plot .pointed").forEach((mark) => mark.classList.remove("pointed"));
  if (row) document.querySelectorAll(`#plot [data-id="${row.dataset.id}"]`).forEach((mark) => mark.classList.add("pointed"));
};
["mouseover", "focusin", "mouseleave"].forEach((name) => element.addEventListener(name, point));
