// What both cards share.

const PATIENCE_MS = 5000;
const NO_ANSWER =
  "No answer. While a cell runs, wait; after a restart of the kernel, run this cell again.";

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeCard(name, label) {
  const card = make("section", `crossroads-card ${name}`);
  card.setAttribute("aria-label", label);
  return card;
}

// JupyterLab's single keys (arrows move to another cell, D D deletes it) rest while this
// has the focus; it looks for the mark on the very element. Ctrl+S still saves.
function ownKeys(node) {
  const mark = (isOwn) => node.toggleAttribute("data-lm-suppress-shortcuts", isOwn);
  const look = (event) => mark(!event.ctrlKey && !event.metaKey);
  node.addEventListener("keydown", look);
  node.addEventListener("keyup", look);
  node.addEventListener("blur", () => mark(true));
  mark(true);
  return node;
}

function makeStatus(name) {
  const status = make("p", name);
  status.setAttribute("role", "status");
  return status;
}

// Asks the kernel; where nothing comes back, `said` says so: it may have been restarted.
function ask(model, what, said) {
  let timer = null;
  const answered = () => {
    clearTimeout(timer);
    model.off("change", answered);
    if (said.textContent === NO_ANSWER) said.textContent = "";
  };
  timer = setTimeout(() => (said.textContent = NO_ANSWER), PATIENCE_MS);
  model.on("change", answered);
  model.send(what);
}
