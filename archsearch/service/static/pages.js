"use strict";
// Sets every formula that the server sent as MathML once more with KaTeX; without it the MathML stays.
function typeset(root) {
  if (typeof katex === "undefined") return;
  for (const place of root.querySelectorAll(".tex:not([data-set])")) {
    try {
      const made = document.createElement("span");
      katex.render(place.dataset.tex, made, { throwOnError: true, trust: false, maxExpand: 200, output: "htmlAndMathml" });
      place.replaceChildren(...made.childNodes);
    } catch { /* what KaTeX does not know is shown as MathML */ }
    place.dataset.set = "1";
  }
}
document.addEventListener("DOMContentLoaded", () => {
  typeset(document);
  new MutationObserver(() => typeset(document)).observe(document.body, { childList: true, subtree: true });
  document.getElementById("problem")?.focus();
});
