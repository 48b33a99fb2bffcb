// Keys of the comparison: swap, and from one difference to the next.
let at = -1;

function step(direction) {
  const blocks = [...document.querySelectorAll(".df .d, .df .a")].filter((line) => !line.previousElementSibling?.matches(".d, .a"));
  if (!blocks.length) return;
  at = (at + direction + blocks.length) % blocks.length;
  blocks[at].scrollIntoView({ block: "center" });
  for (const line of document.querySelectorAll(".df .cur")) line.classList.remove("cur");
  blocks[at].classList.add("cur");
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select")) return;
  if (event.key === "s") document.getElementById("swap").click();
  else if (event.key === ".") step(1);
  else if (event.key === ",") step(-1);
});
