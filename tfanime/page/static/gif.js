// A GIF of pictures of one size: one palette for all of them, LZW (the GIF89a specification, appendix F).

import { joined } from "./files.js";

export function gif(images, milliseconds) {
  const { width, height } = images[0];
  const palette = paletteOf(images);
  const nearest = new Map();
  const indexOf = (r, g, b) => {
    const key = ((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3);
    if (!nearest.has(key)) {
      let best = 0, least = Infinity;
      palette.forEach((colour, index) => {
        const distance = (colour[0] - r) ** 2 + (colour[1] - g) ** 2 + (colour[2] - b) ** 2;
        if (distance < least) [best, least] = [index, distance];
      });
      nearest.set(key, best);
    }
    return nearest.get(key);
  };
  const word = (value) => [value & 255, value >> 8];
  const ascii = (text) => Array.from(text, (letter) => letter.charCodeAt(0));
  const parts = [[...ascii("GIF89a"), ...word(width), ...word(height), 0xf7, 0, 0]];
  parts.push(Array.from({ length: 256 }, (_, index) => palette[index] ?? [0, 0, 0]).flat());
  parts.push([0x21, 0xff, 11, ...ascii("NETSCAPE2.0"), 3, 1, 0, 0, 0]); // for ever
  for (const { data } of images) {
    const pixels = new Uint8Array(width * height);
    for (let index = 0; index < pixels.length; index++) pixels[index] = indexOf(data[4 * index], data[4 * index + 1], data[4 * index + 2]);
    parts.push([0x21, 0xf9, 4, 4, ...word(Math.round(milliseconds / 10)), 0, 0]);
    parts.push([0x2c, 0, 0, 0, 0, ...word(width), ...word(height), 0], compressed(pixels));
  }
  parts.push([0x3b]);
  return new Blob([joined(parts)], { type: "image/gif" });
}

function paletteOf(images) { // median cut (Heckbert 1982) of a sample
  const samples = [];
  const step = Math.max(1, Math.floor((images.length * images[0].data.length) / 4 / 20000));
  for (const { data } of images) for (let at = 0; at < data.length; at += 4 * step) samples.push([data[at], data[at + 1], data[at + 2]]);
  const boxes = [samples];
  const spread = (box, channel) => {
    let low = 255, high = 0;
    for (const colour of box) [low, high] = [Math.min(low, colour[channel]), Math.max(high, colour[channel])];
    return high - low;
  };
  const rank = (box) => box.length * Math.max(...[0, 1, 2].map((channel) => spread(box, channel)));
  const ranks = [rank(samples)];
  while (boxes.length < 256) {
    const index = ranks.indexOf(Math.max(...ranks));
    const box = boxes[index];
    if (!ranks[index]) break;
    const channel = [0, 1, 2].reduce((best, each) => (spread(box, each) > spread(box, best) ? each : best));
    box.sort((one, other) => one[channel] - other[channel]);
    const halves = [box.slice(0, box.length >> 1), box.slice(box.length >> 1)];
    boxes.splice(index, 1, ...halves);
    ranks.splice(index, 1, ...halves.map(rank));
  }
  return boxes.map((box) => [0, 1, 2].map((channel) => Math.round(box.reduce((sum, colour) => sum + colour[channel], 0) / box.length)));
}

function compressed(pixels) {
  const bytes = [];
  let bits = 0, count = 0;
  const emit = (code, size) => {
    bits |= code << count;
    for (count += size; count >= 8; count -= 8, bits >>>= 8) bytes.push(bits & 255);
  };
  let codes = new Map(), next = 258, size = 9;
  emit(256, size);
  let current = pixels[0];
  for (const pixel of pixels.subarray(1)) {
    const key = current * 256 + pixel;
    if (codes.has(key)) {
      current = codes.get(key);
      continue;
    }
    emit(current, size);
    if (next === 4096) {
      emit(256, size);
      [codes, next, size] = [new Map(), 258, 9];
    } else {
      if (next === 1 << size) size++;
      codes.set(key, next++);
    }
    current = pixel;
  }
  emit(current, size);
  emit(257, size);
  if (count) bytes.push(bits & 255);
  const blocks = [8];
  for (let at = 0; at < bytes.length; at += 255) blocks.push(Math.min(255, bytes.length - at), ...bytes.slice(at, at + 255));
  return Uint8Array.from([...blocks, 0]);
}
