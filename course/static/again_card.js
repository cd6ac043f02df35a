// "Would you do this again tomorrow?": five radio buttons, noted when one is chosen.

const WORDS = ["1 never", "2", "3", "4", "5 gladly"];
const SETTLED_MS = 400; // arrow keys pass over what is not meant

function render({ model, el }) {
  const card = makeCard("again", "Again tomorrow?");
  const group = make("fieldset");
  const said = makeStatus("sum");
  let timer = null;

  function choose(answer) {
    clearTimeout(timer);
    timer = setTimeout(() => ask(model, { answer }, said), SETTLED_MS);
  }

  group.append(make("legend", "", "Would you do this again tomorrow?"));
  WORDS.forEach((word, index) => {
    const label = make("label");
    const input = ownKeys(make("input"));
    input.type = "radio";
    input.name = `again-${model.get("lesson_id")}`;
    input.value = String(index + 1);
    input.checked = model.get("answer") === index + 1;
    input.addEventListener("change", () => choose(index + 1));
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
