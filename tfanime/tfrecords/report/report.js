"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const boxes = [...document.querySelectorAll("input[data-id]")];
  const key = "tfanime exclude " + document.documentElement.dataset.fingerprint;
  const excluded = new Set();
  let saved = true;

  // A browser may forbid storage to files; the list then lives as long as the page.
  const remember = () => {
    try {
      localStorage.setItem(key, JSON.stringify([...excluded]));
    } catch {}
  };
  const recall = () => {
    try {
      for (const id of JSON.parse(localStorage.getItem(key) || "[]")) excluded.add(String(id));
    } catch {}
  };

  const show = () => {
    for (const box of boxes) {
      const { id, picture } = box.dataset;
      box.checked = excluded.has(id);
      box.closest(".face").classList.toggle("out", excluded.has(id) || excluded.has(picture));
    }
    byId("count").textContent = excluded.size.toLocaleString("en");
    byId("save").disabled = byId("clear").disabled = excluded.size === 0;
  };

  const changed = () => {
    saved = false;
    remember();
    show();
  };

  document.addEventListener("change", async (event) => {
    const input = event.target;
    if (input.dataset.id !== undefined) {
      if (input.checked) excluded.add(input.dataset.id);
      else excluded.delete(input.dataset.id);
      changed();
    } else if (input.name === "heat") {
      byId("heat").dataset.by = input.value;
    } else if (input.id === "boxes") {
      document.body.classList.toggle("boxes", input.checked);
    } else if (input.id === "file" && input.files.length) {
      const text = await input.files[0].text();
      for (const line of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
        if (line.trim() && !line.startsWith("# ")) excluded.add(line);
      }
      input.value = "";
      changed();
    }
  });

  // Left, right, up and down among the faces of a sheet, as in any file manager.
  document.addEventListener("keydown", (event) => {
    const sheet = event.target.dataset?.id !== undefined && event.target.closest(".sheet");
    if (!sheet) return;
    const faces = [...sheet.querySelectorAll("input[data-id]:enabled")];
    const across = getComputedStyle(sheet).gridTemplateColumns.split(" ").length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    const next = step && faces[faces.indexOf(event.target) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });

  document.addEventListener("mouseover", (event) => {
    const text = event.target.closest?.("#heat td[title]")?.title;
    if (text) byId("readout").textContent = text;
  });

  byId("save").addEventListener("click", () => {
    const lines = [...excluded].sort().map((id) => id + "\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "text/plain" }));
    link.download = "exclude.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    saved = true;
  });
  byId("load").addEventListener("click", () => byId("file").click());
  byId("clear").addEventListener("click", () => {
    if (confirm(`Forget ${excluded.size} ids?`)) {
      excluded.clear();
      changed();
    }
  });
  window.addEventListener("storage", (event) => {
    if (event.key === key) {
      excluded.clear();
      recall();
      show();
    }
  });
  window.addEventListener("beforeunload", (event) => {
    let kept = false;
    try {
      kept = localStorage.getItem(key) !== null;
    } catch {}
    if (!saved && !kept) event.preventDefault();
  });

  recall();
  show();
  byId("bar").hidden = false;
})();
