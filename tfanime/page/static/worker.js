// Draws avatars beside the page, so that the page never waits. One thread, WebAssembly alone.

import { FINE_FROM, editsOf, fineOf, inputsOf, moved, psiOf } from "./avatar.js";
import { normal } from "./seeds.js";

// The runtime reserves as much shared memory as it may, up to 4 GiB: more than phones give.
const PAGES = 8192; // of 64 KiB
const Memory = WebAssembly.Memory;
WebAssembly.Memory = class extends Memory {
  constructor(settings) {
    super(settings.maximum > PAGES ? { ...settings, maximum: PAGES } : settings);
  }
};

let ort = null;
let sessions = null; // by part, of the model that is open
let model = null;
const centres = new Map(); // of truncation, by tags

let tool = null; // { sha256, session } of the network from pictures to pictures that was used last

const handlers = {
  async open({ runtime, files, next }) {
    ort ??= await started(runtime);
    sessions = null;
    const opened = {};
    for (const [part, file] of Object.entries(files)) {
      const bytes = await loaded(file);
      try {
        opened[part] = await ort.InferenceSession.create(bytes);
      } catch (error) {
        throw new Failure("badModel", error);
      }
    }
    sessions = opened;
    centres.clear();
    model = next;
  },
  async draw({ avatar }) {
    const begin = performance.now();
    const images = model.w ? await withStyles(avatar) : await run("network", inputsOf(avatar, model));
    return { pixels: toPixels(images), milliseconds: performance.now() - begin };
  },
  async redraw({ runtime, file, form, pixels }) {
    ort ??= await started(runtime);
    if (tool?.sha256 !== file.sha256) {
      tool = null;
      const bytes = await loaded(file);
      try {
        tool = { sha256: file.sha256, session: await ort.InferenceSession.create(bytes) };
      } catch (error) {
        throw new Failure("badModel", error);
      }
    }
    return { pixels: await redrawn(form, tool.session, pixels) };
  },
};

// What a network makes of a picture { rgba, width, height } of any size, as tfanime.generator.Form.through does it.
async function redrawn({ multiple, least, scale }, session, { rgba, width, height }) {
  const whole = (side) => Math.max(Math.ceil(side / multiple), least) * multiple;
  const [rows, columns] = [whole(height), whole(width)];
  const given = new Float32Array(rows * columns * 3);
  for (let y = 0, to = 0; y < rows; y++) { // continued at the edges
    for (let x = 0; x < columns; x++) {
      const from = 4 * (Math.min(y, height - 1) * width + Math.min(x, width - 1));
      for (let channel = 0; channel < 3; channel++) given[to++] = rgba[from + channel] / 127.5 - 1;
    }
  }
  const result = await session.run({ pictures: new ort.Tensor("float32", given, [1, rows, columns, 3]) });
  const all = toPixels(result[session.outputNames[0]]);
  const [tall, wide] = [scale * height, scale * width];
  const cut = new Uint8ClampedArray(4 * tall * wide);
  for (let y = 0; y < tall; y++) cut.set(all.rgba.subarray(4 * y * all.width, 4 * (y * all.width + wide)), 4 * y * wide);
  return { rgba: cut, width: wide, height: tall };
}

async function started(runtime) {
  const [binary, module] = await Promise.all([loaded(runtime), import("./ort.wasm.bundle.min.mjs")]);
  module.env.wasm.numThreads = 1;
  module.env.wasm.wasmBinary = binary;
  module.env.logLevel = "error";
  return module;
}

async function run(part, values) {
  const session = sessions[part];
  const feeds = {};
  for (const name of session.inputNames) {
    const value = values[name];
    feeds[name] = value instanceof ort.Tensor ? value : new ort.Tensor("float32", value, [1, value.length]);
  }
  return (await session.run(feeds))[session.outputNames[0]];
}

async function styleOf(avatar) { // w, pulled by psi towards the mean of the same tags, as draw_truncated does
  const values = inputsOf(avatar, model);
  const psi = psiOf(avatar);
  const w = (await run("mapping", values)).data;
  if (psi === 1) return w;
  const centre = await centreOf(values.tags);
  return w.map((number, index) => centre[index] + psi * (number - centre[index]));
}

async function centreOf(tags) {
  const key = String(tags);
  if (!centres.has(key)) {
    if (centres.size > 500) centres.clear();
    const count = model.w.centre;
    const size = model.inputs.find(({ name }) => name === "latents").size;
    const feeds = { latents: new ort.Tensor("float32", normal("0", 0, count * size), [count, size]) };
    if (tags) {
      const rows = new Float32Array(count * tags.length);
      for (let row = 0; row < count; row++) rows.set(tags, row * tags.length);
      feeds.tags = new ort.Tensor("float32", rows, [count, tags.length]);
    }
    const { data } = await run("mapping", feeds);
    const centre = new Float32Array(data.length / count);
    for (let index = 0; index < data.length; index++) centre[index % centre.length] += data[index] / count;
    centres.set(key, centre);
  }
  return centres.get(key);
}

async function withStyles(avatar) {
  const { count } = model.w;
  const edits = editsOf(avatar);
  const coarse = moved(await styleOf(avatar), edits, model);
  const other = fineOf(avatar);
  const fine = other === avatar ? coarse : moved(await styleOf(other), edits, model);
  const styles = new Float32Array(count * coarse.length);
  for (let index = 0; index < count; index++) {
    styles.set(index < count * FINE_FROM ? coarse : fine, index * coarse.length);
  }
  const { noise } = inputsOf(avatar, { ...model, inputs: model.inputs.filter(({ name }) => name === "noise") });
  return run("synthesis", { styles: new ort.Tensor("float32", styles, [1, count, coarse.length]), noise });
}

function toPixels({ data, dims }) { // [1, height, width, 3] in [-1, 1], or of bytes, to RGBA
  const [, height, width] = dims;
  const rgba = new Uint8ClampedArray(height * width * 4);
  const [scale, shift] = data instanceof Uint8Array ? [1, 0] : [127.5, 127.5];
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    for (let channel = 0; channel < 3; channel++) rgba[to + channel] = data[from + channel] * scale + shift;
    rgba[to + 3] = 255;
  }
  return { rgba, width, height };
}

class Failure extends Error {
  constructor(word, cause) {
    super(String(cause?.message ?? cause));
    this.word = word;
  }
}

// A file of the site: from the page itself (a single file), the cache or the network; checked and unpacked.
async function loaded({ url, cache, text, sha256, bytes: total, label }) {
  const packed = text === undefined ? await fetched(url, total, label) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  let bytes = packed;
  if (packed[0] === 0x1f && packed[1] === 0x8b) { // some hosts have unpacked it already
    try {
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    } catch (error) {
      throw new Failure("badFile", `${label}: ${error}`);
    }
  }
  if (crypto.subtle) { // only where the page came by https, or from this machine
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== sha256) throw new Failure("badFile", `${label}: SHA-256 ${found.slice(0, 16)}`);
  }
  if (url && total && self.caches && packed.fresh) {
    await caches.open(cache).then((kept) => kept.put(url, new Response(packed))).catch(() => {});
  }
  return bytes;
}

async function fetched(url, total, label) {
  let response = self.caches && (await caches.match(url).catch(() => null));
  const fresh = !response;
  try {
    response ||= await fetch(url);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const reader = response.body.getReader();
    const parts = [];
    let got = 0;
    for (let part; !(part = await reader.read()).done; ) {
      parts.push(part.value);
      got += part.value.length;
      postMessage({ progress: Math.min(1, got / total), label });
    }
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    bytes.fresh = fresh;
    return bytes;
  } catch (error) {
    throw new Failure("noFile", `${label}: ${error.message}`);
  }
}

let queue = Promise.resolve(); // one after the other: an open model draws nothing until it is there
onmessage = ({ data }) => {
  queue = queue.then(async () => {
    try {
      const result = await handlers[data.type](data);
      postMessage({ id: data.id, result }, result ? [result.pixels.rgba.buffer] : []);
    } catch (error) {
      postMessage({ id: data.id, error: { word: error.word ?? "broken", text: String(error.message ?? error) } });
    }
  });
};
