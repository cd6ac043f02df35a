// "Would you do this again tomorrow?": five radio buttons, noted when one is chosen.

const WORDS = ["1 never", "2", "3", "4", "5 gladly"];

function render({ model, el }) {
  const card = document.createElement("section");
  card.className = "crossroads-card again";
  card.setAttribute("aria-label", "Again tomorrow?");
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = "Would you do this again tomorrow?";
  const said = document.createElement("p");
  said.className = "sum";
  said.setAttribute("role", "status");
  group.append(legend);
  WORDS.forEach((word, index) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = `again-${model.get("lesson_id")}`;
    input.value = String(index + 1);
    input.checked = model.get("answer") === index + 1;
    input.addEventListener("change", () => model.send({ answer: index + 1 }));
    label.append(input, ` ${word}`);
    group.append(label);
  });
  model.on("change:noted", () => {
    said.textContent = model.get("noted");
  });
  card.append(group, said);
  el.append(card);
  said.textContent = model.get("noted");
}

export default { render };
