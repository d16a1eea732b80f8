// Who draws: a worker in this browser, or the server that shows the page.

import { inputsOf } from "./avatar.js";

export class Failure extends Error {
  constructor({ word, text }) {
    super(text);
    this.word = word; // of words.js: the sentence for a person
  }
}

export class WorkerEngine {
  constructor(site, onProgress) {
    this.site = site;
    this.onProgress = onProgress;
    this.waiting = new Map();
    this.count = 0;
    if (typeof WebAssembly !== "object") throw new Failure({ word: "noWasm", text: "WebAssembly" });
    const type = site.worker ? "module" : "classic"; // from a disk, browsers start no module (see loader.js)
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type });
    this.worker.onmessage = ({ data }) => this.#answered(data);
    this.worker.onerror = (event) => this.#fail({ word: "broken", text: event.message ?? "worker" });
  }

  open(model) {
    const files = Object.fromEntries(Object.entries(model.files).map(([part, file]) => [part, placed(file)]));
    return this.#ask({ type: "open", runtime: placed(this.site.runtime), files, next: model });
  }

  async draw(avatar) {
    const { pixels, milliseconds } = await this.#ask({ type: "draw", avatar });
    return { image: new ImageData(pixels.rgba, pixels.width, pixels.height), milliseconds };
  }

  // What a network from pictures to pictures makes of an ImageData.
  async redraw(tool, image) {
    const pixels = { rgba: image.data, width: image.width, height: image.height };
    const { pixels: made } = await this.#ask({ type: "redraw", runtime: placed(this.site.runtime), file: placed(tool.file), form: tool, pixels });
    return new ImageData(made.rgba, made.width, made.height);
  }

  close() { // pending pictures are rejected: the queue asks another engine then
    this.worker.terminate();
    this.#fail({ word: "broken", text: "closed" });
  }

  #fail(why) {
    for (const { reject } of this.waiting.values()) reject(new Failure(why));
    this.waiting.clear();
  }

  #ask(message) {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...message, id });
    });
  }

  #answered({ id, result, error, progress, label }) {
    if (progress !== undefined) return this.onProgress(label, progress);
    const { resolve, reject } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (error) reject?.(new Failure(error));
    else resolve?.(result);
  }
}

// A file as the worker can load it: by its address, or as the text that a single file carries.
function placed(file) {
  const element = document.getElementById(file.sha256);
  const cache = `tfanime ${new URL("./", document.baseURI).href}`; // as in sw.js
  return element ? { ...file, text: element.textContent } : { ...file, cache, url: new URL(file.url, document.baseURI).href };
}

export class ServerEngine {
  async open(model) {
    this.model = model;
  }

  async draw(avatar) {
    const begin = performance.now();
    const values = inputsOf(avatar, this.model);
    const inputs = Object.fromEntries(Object.entries(values).map(([name, row]) => [name, [Array.from(row)]]));
    let answer;
    try {
      const body = JSON.stringify({ signature_name: "synthesize", inputs });
      answer = await (await fetch(`v1/models/${encodeURIComponent(this.model.name)}:predict`, { method: "POST", body })).json();
    } catch (error) {
      throw new Failure({ word: "noServer", text: String(error.message) });
    }
    if (!answer.outputs) throw new Failure({ word: "noServer", text: String(answer.error) });
    const [rows] = answer.outputs;
    const image = new ImageData(rows[0].length, rows.length);
    rows.flat().forEach((colour, index) => image.data.set([...colour, 255], index * 4));
    return { image, milliseconds: performance.now() - begin };
  }

  close() {}
}

// Draws what is wanted now, one avatar at a time: the last that was asked for as urgent first, then in order.
export class Queue {
  constructor() {
    this.engine = null;
    this.jobs = [];
    this.busy = false;
    this.times = []; // milliseconds of the last avatars
  }

  use(engine) {
    this.engine = engine;
    this.#next();
  }

  // Calls done(image) or failed(error); the function that it returns cancels.
  draw(avatar, done, failed = () => {}, urgent = false) {
    const job = { avatar, done, failed };
    if (urgent) this.jobs.unshift(job);
    else this.jobs.push(job);
    this.#next();
    return () => {
      const index = this.jobs.indexOf(job);
      if (index >= 0) this.jobs.splice(index, 1);
    };
  }

  image(avatar) {
    return new Promise((resolve, reject) => this.draw(avatar, resolve, reject, true));
  }

  async #next() {
    if (this.busy || !this.engine || !this.jobs.length) return;
    this.busy = true;
    const job = this.jobs.shift();
    const engine = this.engine;
    try {
      const { image, milliseconds } = await engine.draw(job.avatar);
      if (engine === this.engine) {
        this.times = [...this.times.slice(-199), milliseconds];
        job.done(image);
      } else this.jobs.unshift(job); // another model or engine was chosen meanwhile
    } catch (error) {
      if (engine === this.engine) job.failed(error);
      else this.jobs.unshift(job);
    }
    this.busy = false;
    this.#next();
  }
}
