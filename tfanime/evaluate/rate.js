"use strict";

const byId = (id) => document.getElementById(id);
let place = null; // of the picture that is shown
let busy = false;

async function ask(path, values) {
  if (busy) return;
  busy = true;
  try {
    const response = values === undefined
      ? await fetch(path)
      : await fetch(path, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values),
      });
    const state = await response.json();
    if (!response.ok) throw new Error(state.error);
    byId("error").hidden = true;
    await show(state);
  } catch (error) {
    byId("error").textContent = `That did not work: ${error.message}. Is the command still running?`;
    byId("error").hidden = false;
  } finally {
    busy = false;
  }
}

async function show(state) {
  if (state.results) {
    showResults(state.results);
    return;
  }
  place = state.place;
  byId("done").textContent = `${state.done} of ${state.total} rated`;
  byId("progress").max = state.total;
  byId("progress").value = state.done;
  byId("undo").disabled = state.done === 0;
  byId("picture").src = `picture/${place}`;
  await byId("picture").decode(); // no answer to a picture that is not there yet
  if (place + 1 < state.total) new Image().src = `picture/${place + 1}`;
}

function showResults(rows) {
  place = null;
  byId("rating").hidden = true;
  byId("results").hidden = false;
  const percent = (share) => `${Math.round(100 * share)} %`;
  const body = document.querySelector("#results tbody");
  body.replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    const share = row.share === null ? "–" : percent(row.share);
    const interval = row.interval.map(percent).join(" to ");
    for (const text of [row.name, row.rated, row.good, share, interval]) line.insertCell().textContent = text;
    line.insertCell().append(drawn(row));
    return line;
  }));
}

function drawn(row) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const add = (name, values) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(values)) shape.setAttribute(key, value);
    svg.append(shape);
  };
  svg.setAttribute("viewBox", "0 0 200 14");
  add("line", { x1: 0, x2: 200, y1: 7, y2: 7 });
  if (row.share !== null) {
    add("line", { class: "interval", x1: 200 * row.interval[0], x2: 200 * row.interval[1], y1: 7, y2: 7 });
    add("circle", { cx: 200 * row.share, cy: 7, r: 4 });
  }
  return svg;
}

function answer(value) {
  if (place !== null) ask("answer", { place, answer: value });
}

const undo = () => ask("undo", {});
const keys = { g: "good", ArrowRight: "good", p: "poor", ArrowLeft: "poor" };

addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || place === null) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key in keys) answer(keys[key]);
  else if (key === "u" || key === "Backspace") undo();
  else return;
  event.preventDefault();
});
byId("good").addEventListener("click", () => answer("good"));
byId("poor").addEventListener("click", () => answer("poor"));
byId("undo").addEventListener("click", undo);
byId("finish").addEventListener("click", () => {
  if (confirm("The shares end the rating: no answer is taken afterwards.")) ask("finish", {});
});
ask("state");
