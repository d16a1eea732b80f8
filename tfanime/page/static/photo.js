// A picture of one's own: a square is cut out by hand, and a network of the page redraws it.

import { html, nothing, render } from "./lit-html.js";
import { put } from "./gallery.js";
import { icons } from "./icons.js";
import { say } from "./words.js";

const SIDE = 320; // of the two canvases, in pixels
const STEP = 0.05; // of the square, for an arrow key
const LARGEST = 512; // side of what is enlarged, in pixels: it takes seconds and a few hundred MB

export class Photo {
  // redraw(tool, ImageData) is a promise of an ImageData; save(ImageData, tool) keeps it.
  constructor(element, tools, redraw, save) {
    Object.assign(this, { element, tools, redraw, save, tool: tools[0], made: null, busy: false, problem: null });
    this.runs = 0; // what is being drawn when the picture changes or is closed is not shown
    element.addEventListener("close", () => {
      this.runs++;
      this.bitmap.close();
    });
  }

  async open(file) {
    try {
      const bitmap = await createImageBitmap(file);
      this.bitmap?.close();
      this.bitmap = bitmap;
    } catch {
      return false; // no picture that this browser can read
    }
    const { width, height } = this.bitmap;
    Object.assign(this, { x: width / 2, y: height / 2, zoom: 1, made: null, problem: null, busy: false, runs: this.runs + 1 });
    this.update();
    if (!this.element.open) this.element.showModal();
    return true;
  }

  get side() {
    return Math.min(this.bitmap.width, this.bitmap.height) / this.zoom;
  }

  move(x, y, zoom = this.zoom) {
    this.zoom = zoom;
    const half = this.side / 2;
    this.x = Math.min(Math.max(x, half), this.bitmap.width - half);
    this.y = Math.min(Math.max(y, half), this.bitmap.height - half);
    this.update();
  }

  // The square as an ImageData of `size` pixels a side.
  cut(size) {
    const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // behind what is transparent
    context.fillRect(0, 0, size, size);
    context.imageSmoothingQuality = "high";
    const { x, y, side } = this;
    context.drawImage(this.bitmap, x - side / 2, y - side / 2, side, side, 0, 0, size, size);
    return context.getImageData(0, 0, size, size);
  }

  async draw() {
    const run = ++this.runs;
    Object.assign(this, { busy: true, problem: null, made: null });
    this.update();
    let [made, problem] = [null, null];
    const size = this.tool.kind === "stylise" ? this.tool.size : Math.round(Math.min(LARGEST, Math.max(1, this.side)));
    try {
      made = await this.redraw(this.tool, this.cut(size));
    } catch (error) {
      problem = say(error.word ?? "broken");
    }
    if (run !== this.runs) return;
    Object.assign(this, { busy: false, made, problem });
    this.update();
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [dx, dy] = moves[event.key] ?? [];
    if (dx === undefined) return;
    event.preventDefault();
    this.move(this.x + dx * STEP * this.side, this.y + dy * STEP * this.side);
  }

  drag(event) {
    if (!event.buttons) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const scale = this.side / event.currentTarget.clientWidth;
    this.move(this.x - event.movementX * scale, this.y - event.movementY * scale);
  }

  update() {
    render(this.view(), this.element);
    put(this.element.querySelector("#cut"), this.cut(SIDE));
    if (this.made) put(this.element.querySelector("#made"), this.made);
  }

  view() {
    const button = (word, action, disabled, kind = "quiet") => html`<button type="button" class=${kind} ?disabled=${disabled} @click=${action}>${say(word)}</button>`;
    return html`<div class="head"><h2>${say("photo")}</h2>
        <button type="button" class="quiet" aria-label=${say("close")} title=${say("close")} @click=${() => this.element.close()}>${icons.close}</button></div>
      <p class="help">${say("photoHelp")}</p>
      <div class="pair">
        <canvas id="cut" tabindex="0" role="img" aria-label=${say("cut")} @pointermove=${(event) => this.drag(event)} @keydown=${(event) => this.key(event)}></canvas>
        <canvas id="made" class=${this.busy ? "busy" : ""} ?hidden=${!this.made && !this.busy} role="img" aria-label=${say("redrawn")}></canvas>
      </div>
      ${this.problem ? html`<p role="alert">${this.problem}</p>` : nothing}
      <label class="slider">${say("zoom")} <input type="range" name="zoom" min="1" max="8" step="0.05" .value=${String(this.zoom)} @input=${(event) => this.move(this.x, this.y, Number(event.target.value))}></label>
      <div class="row">
        ${this.tools.length > 1 ? html`<label><span class="unseen">${say("models")}</span><select id="tool" @change=${(event) => { this.tool = this.tools[event.target.selectedIndex]; this.made = null; this.update(); }}>
          ${this.tools.map((tool) => html`<option ?selected=${tool === this.tool}>${tool.title}</option>`)}</select></label>` : nothing}
        ${button(this.tool.kind === "upscale" ? "enlarge" : "redraw", () => this.draw(), this.busy, "main")}
        ${button("save", () => this.save(this.made, this.tool), !this.made)}
      </div>`;
  }
}
