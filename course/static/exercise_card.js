// The exercise card. Texts of learners go in as text, never as HTML; a hint's HTML is
// made from the lesson's own Markdown.

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

function button(text, act) {
  const node = make("button", "", text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

function head(model) {
  const mark = model.get("passed") ? "✓" : "✗";
  const word = model.get("passed") ? "right." : "not yet right.";
  return `${mark} ${model.get("key")}: ${word}`;
}

function puzzle(model) {
  const part = make("div");
  const list = make("ol");
  const said = make("p", "sum");
  said.setAttribute("role", "status");
  let lines = [];
  let drawn = null;

  function move(index, by) {
    const [line] = lines.splice(index, 1);
    lines.splice(index + by, 0, line);
    draw();
    const row = list.children[index + by];
    const same = row.querySelector(by < 0 ? ".up" : ".down");
    (same.disabled ? row.querySelector("button:not(:disabled)") : same)?.focus();
    said.textContent = `Line ${line.letter} is now number ${index + by + 1}.`;
  }

  function draw() {
    list.replaceChildren(
      ...lines.map((line, index) => {
        const row = make("li", "line");
        const up = button("↑", () => move(index, -1));
        const down = button("↓", () => move(index, 1));
        up.className = "up";
        down.className = "down";
        up.setAttribute("aria-label", `Move line ${line.letter} up`);
        down.setAttribute("aria-label", `Move line ${line.letter} down`);
        up.disabled = index === 0;
        down.disabled = index === lines.length - 1;
        const code = make("code", "", line.text);
        code.tabIndex = 0;
        row.append(up, down, make("span", "", line.letter), code);
        return row;
      }),
    );
  }

  function update() {
    const wanted = JSON.stringify(model.get("lines"));
    if (wanted !== drawn) {
      drawn = wanted;
      lines = [...model.get("lines")];
      draw();
    }
    part.hidden = lines.length === 0;
  }

  list.setAttribute("aria-label", "The solution's lines, in your order");
  const send = button("Check this order", () =>
    model.send({ do: "order", order: lines.map((it) => it.letter).join("") }),
  );
  part.append(make("p", "", "Put the solution's lines in order:"), list, send, said);
  model.on("change:lines", update);
  model.on("change:order_message", () => {
    said.textContent = model.get("order_message");
  });
  said.textContent = model.get("order_message");
  update();
  return part;
}

function hintsOf(model) {
  return model.get("hints").map((hint, index, all) => {
    const details = make("details");
    details.open = index === all.length - 1;
    details.append(make("summary", "", hint.title));
    const body = make("div");
    body.innerHTML = hint.html;
    for (const code of body.querySelectorAll("pre")) code.tabIndex = 0;
    details.append(body);
    return details;
  });
}

function render({ model, el }) {
  const card = make("section", "crossroads-card");
  card.classList.toggle("passed", model.get("passed"));
  card.setAttribute("aria-label", `Check of ${model.get("key")}`);
  const status = make("div");
  status.setAttribute("role", "status");
  const sum = `${model.get("points")} · ${model.get("lesson_line")}`;
  const hints = make("div");
  hints.setAttribute("aria-live", "polite");
  const buttons = make("div", "buttons");
  const wantsHint = button("", () => model.send({ do: "hint" }));
  buttons.append(wantsHint);
  if (model.get("offers_parsons")) {
    buttons.append(button("Put its lines in order", () => model.send({ do: "parsons" })));
  }

  function update() {
    hints.replaceChildren(...hintsOf(model));
    const taken = model.get("hints").length;
    wantsHint.textContent = taken ? "Next hint" : "Show a hint";
    wantsHint.disabled = taken >= model.get("hints_total");
  }

  model.on("change:hints", update);
  update();
  card.append(status, hints);
  if (!model.get("passed")) card.append(buttons, puzzle(model));
  el.append(card);
  // A live region speaks of what changes in it after it is there.
  requestAnimationFrame(() => {
    status.append(make("p", "head", head(model)));
    if (model.get("message")) status.append(make("p", "message", model.get("message")));
    status.append(make("p", "sum", sum));
  });
}

export default { render };
