// The exercise card. Texts of learners go in as text, never as HTML; a hint's HTML is
// made from the lesson's own Markdown.

function button(text, act) {
  const node = ownKeys(make("button", "", text));
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

function head(model) {
  const mark = model.get("passed") ? "✓" : "✗";
  const word = model.get("passed") ? "right." : "not yet right.";
  return `${mark} ${model.get("key")}: ${word}`;
}

// The solution's lines with buttons that move them.
function puzzle(model) {
  const part = make("div");
  const list = make("ol");
  const said = makeStatus("sum");
  let lines = [];

  function move(index, by) {
    const [line] = lines.splice(index, 1);
    lines.splice(index + by, 0, line);
    draw();
    const row = list.children[index + by];
    const same = row.querySelector(by < 0 ? ".up" : ".down");
    (same.disabled ? row.querySelector("button:not(:disabled)") : same)?.focus();
    said.textContent = `Line ${line.letter} is now number ${index + by + 1}.`;
  }

  function mover(line, index, word, by) {
    const node = button(by < 0 ? "↑" : "↓", () => move(index, by));
    node.className = word;
    node.setAttribute("aria-label", `Move line ${line.letter} ${word}`);
    node.disabled = lines[index + by] === undefined;
    return node;
  }

  function draw() {
    list.replaceChildren(
      ...lines.map((line, index) => {
        const row = make("li", "line");
        const movers = [mover(line, index, "up", -1), mover(line, index, "down", 1)];
        row.append(...movers, make("span", "letter", line.letter));
        row.append(make("code", "", line.text));
        return row;
      }),
    );
  }

  function update() {
    lines = [...model.get("lines")];
    draw();
    part.hidden = lines.length === 0;
  }

  list.setAttribute("aria-label", "The solution's lines, in your order");
  const send = button("Check this order", () => {
    const order = lines.map((it) => it.letter).join("");
    ask(model, { do: "order", order }, said);
  });
  part.append(make("p", "", "Put the solution's lines in order:"), list, send, said);
  model.on("change:lines", () => {
    update();
    list.querySelector("button:not(:disabled)")?.focus();
  });
  model.on("change:order_message", () => {
    said.textContent = model.get("order_message");
  });
  said.textContent = model.get("order_message");
  update();
  return part;
}

function hintNode(hint) {
  const details = make("details");
  details.append(ownKeys(make("summary", "", hint.title)));
  const body = make("div");
  body.innerHTML = hint.html;
  for (const code of body.querySelectorAll("pre")) ownKeys(code).tabIndex = 0;
  details.append(body);
  return details;
}

// The hints that were taken, closed; one that is asked for is added below, open.
function ladder(model) {
  const part = make("div");
  part.setAttribute("aria-live", "polite");
  function update() {
    const fresh = model.get("hints").slice(part.children.length).map(hintNode);
    part.append(...fresh);
    return fresh;
  }
  model.on("change:hints", () => {
    for (const older of part.children) older.open = false;
    const [newest] = update().slice(-1);
    if (!newest) return;
    newest.open = true;
    // The button that was pressed goes with the last hint; who pressed it stays here.
    const isLast = part.children.length >= model.get("hints_total");
    if (isLast) newest.querySelector("summary").focus();
  });
  update();
  return part;
}

// What can be asked for; a button goes when there is no more behind it.
function help(model) {
  const part = make("div");
  const row = make("div", "buttons");
  const said = makeStatus("sum");
  const hint = button("", () => ask(model, { do: "hint" }, said));
  const lines = button("Put its lines in order", () =>
    ask(model, { do: "parsons" }, said),
  );
  function update() {
    const taken = model.get("hints").length;
    hint.textContent = taken ? "Next hint" : "Show a hint";
    hint.hidden = taken >= model.get("hints_total");
    lines.hidden = !model.get("offers_parsons") || model.get("lines").length > 0;
  }
  model.on("change:hints change:lines", update);
  update();
  row.append(hint, lines);
  part.append(row, said);
  return part;
}

function render({ model, el }) {
  const passed = model.get("passed");
  const card = makeCard(passed ? "passed" : "", `Check of ${model.get("key")}`);
  const status = make("div");
  status.setAttribute("role", "status");
  card.append(status, ladder(model));
  if (!passed) card.append(help(model), puzzle(model));
  el.append(card);
  // A live region speaks of what changes in it after it is there.
  requestAnimationFrame(() => {
    status.append(make("p", "head", head(model)));
    if (model.get("message")) status.append(make("p", "message", model.get("message")));
    const sum = `${model.get("points")} · ${model.get("lesson_line")}`;
    status.append(make("p", "sum", sum));
  });
}

export default { render };
