// The infinite grid: cells ask for their picture when they come near the screen, and forget it when they are far.

const NEAR = "400px";
const MORE = 48; // cells at a time

export class Gallery {
  // queue: who draws. onPick(avatar): one was chosen. label(avatar, index): what a cell is called.
  constructor(element, queue, onPick) {
    this.element = element;
    this.queue = queue;
    this.onPick = onPick;
    this.end = Object.assign(document.createElement("div"), { className: "end" });
    element.after(this.end);
    this.seen = new IntersectionObserver((entries) => entries.forEach((entry) => this.#moved(entry)), { rootMargin: NEAR });
    this.atEnd = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#grow(), { rootMargin: NEAR });
    element.addEventListener("keydown", (event) => this.#key(event));
    this.cells = [];
  }

  // avatarAt(index): the avatar of a cell, or null behind the last. first: a picture of the first cells, 4 in a row.
  show(avatarAt, labelOf, captionOf = null, first = null) {
    this.clear();
    Object.assign(this, { avatarAt, labelOf, captionOf, first });
    this.#grow();
    this.atEnd.observe(this.end);
  }

  clear() {
    this.atEnd.disconnect();
    this.seen.disconnect();
    this.cells.forEach((cell) => cell.cancel?.());
    this.cells = [];
    this.element.replaceChildren();
    this.complete = false;
  }

  mark(isChosen) {
    for (const cell of this.cells) {
      const chosen = isChosen(cell.avatar);
      cell.button.setAttribute("aria-current", chosen ? "true" : "false");
    }
    this.#reach(this.cells.find(({ avatar }) => isChosen(avatar)) ?? this.cells[0]);
  }

  #grow() {
    for (let count = 0; count < MORE && !this.complete; count++) {
      const avatar = this.avatarAt(this.cells.length);
      if (!avatar) {
        this.complete = true;
        break;
      }
      this.#add(avatar, this.cells.length);
    }
    this.onGrow?.();
    if (this.complete) return this.atEnd.disconnect();
    if (this.end.getBoundingClientRect().top < innerHeight + 400) requestAnimationFrame(() => this.complete || this.#check());
  }

  #check() { // an observer says nothing while the end stays in sight
    this.atEnd.unobserve(this.end);
    this.atEnd.observe(this.end);
  }

  #add(avatar, index) {
    const button = document.createElement("button");
    const canvas = document.createElement("canvas");
    const cell = { avatar, button, canvas, cancel: null };
    button.className = "cell";
    button.type = "button";
    button.setAttribute("aria-label", this.labelOf(avatar, index));
    button.append(canvas);
    const caption = this.captionOf?.(avatar, index);
    if (caption) button.append(Object.assign(document.createElement("span"), { className: "caption", textContent: caption }));
    button.addEventListener("click", () => this.onPick(avatar, index));
    button.cell = cell;
    this.cells.push(cell);
    if (this.first && index < 16) {
      const side = this.first.naturalWidth / 4;
      canvas.width = canvas.height = side;
      canvas.getContext("2d").drawImage(this.first, (index % 4) * side, Math.floor(index / 4) * side, side, side, 0, 0, side, side);
      button.classList.add("drawn");
    }
    this.element.append(button);
    this.seen.observe(button);
  }

  #moved({ target, isIntersecting }) {
    const cell = target.cell;
    if (isIntersecting && !cell.cancel) {
      cell.cancel = this.queue.draw(cell.avatar, (image) => put(cell.canvas, image, target), () => target.classList.add("failed"));
    } else if (!isIntersecting && cell.cancel) {
      cell.cancel();
      cell.cancel = null;
      cell.canvas.width = cell.canvas.height = 0; // frees its memory
      target.classList.remove("drawn");
    }
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.#columns(), ArrowUp: -this.#columns() }[event.key];
    const index = this.cells.findIndex(({ button }) => button === document.activeElement);
    const next = this.cells[index + step];
    if (!step || index < 0 || !next) return;
    event.preventDefault();
    this.#reach(next);
    next.button.focus();
  }

  #reach(cell) { // the grid has no end, so it is one stop of the Tab key
    if (!cell) return;
    for (const { button } of this.cells) button.tabIndex = button === cell.button ? 0 : -1;
  }

  #columns() {
    const top = this.cells[0]?.button.offsetTop;
    return Math.max(1, this.cells.findIndex(({ button }) => button.offsetTop !== top));
  }
}

export function put(canvas, image, frame = canvas) {
  if (canvas.width !== image.width || canvas.height !== image.height) Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  frame.classList.add("drawn");
}
