// Shows a product in the colour that is chosen. Everything else works without this file.
const picture = document.querySelector("[data-pictures]");
if (picture) {
  const pictures = JSON.parse(picture.dataset.pictures);
  for (const select of document.querySelectorAll("form.buy select")) {
    select.addEventListener("change", () => {
      if (pictures[select.value]) picture.innerHTML = pictures[select.value];
    });
  }
}
