// Files that a person keeps: PNGs that know their avatar, sheets, ZIPs.

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});
export const crc32 = (bytes) => (bytes.reduce((sum, byte) => TABLE[(sum ^ byte) & 255] ^ (sum >>> 8), -1) ^ -1) >>> 0;
const KEYWORD = "tfanime"; // of the PNG's text: the avatar's link
const utf8 = new TextEncoder();

export function toCanvas(image, scale = 1) {
  const small = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  small.getContext("2d").putImageData(image, 0, 0);
  if (scale === 1) return small;
  const large = Object.assign(document.createElement("canvas"), { width: image.width * scale, height: image.height * scale });
  const context = large.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, large.width, large.height);
  return large;
}

export function sheet(images, columns = Math.ceil(Math.sqrt(images.length))) {
  const { width, height } = images[0];
  const canvas = document.createElement("canvas");
  canvas.width = columns * width;
  canvas.height = Math.ceil(images.length / columns) * height;
  const context = canvas.getContext("2d");
  images.forEach((image, index) => context.putImageData(image, (index % columns) * width, Math.floor(index / columns) * height));
  return canvas;
}

// A canvas as a PNG whose iTXt chunk says what it shows.
export async function png(canvas, text) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const body = joined([utf8.encode(`iTXt${KEYWORD}`), new Uint8Array(5), utf8.encode(text)]);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(body.length + 4, crc32(body));
  const begin = 33; // behind signature and IHDR
  return new Blob([bytes.subarray(0, begin), chunk, bytes.subarray(begin)], { type: "image/png" });
}

// The link in a PNG, or null.
export async function linkOf(file) {
  const bytes = new Uint8Array(await file.slice(0, 2 ** 20).arrayBuffer()); // it stands near the beginning
  const view = new DataView(bytes.buffer);
  if (bytes.length < 33 || view.getUint32(0) !== 0x89504e47) return null;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "iTXt" && new TextDecoder().decode(body.subarray(0, KEYWORD.length + 1)) === `${KEYWORD}\0`) {
      return new TextDecoder().decode(body.subarray(KEYWORD.length + 5));
    }
    at += length + 12;
  }
  return null;
}

// A ZIP of files { name, bytes } as they are: PNGs get no smaller.
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const title = utf8.encode(name);
    const common = [20, 0x800, 0, 0, 0x5821, crc32(bytes), bytes.length, bytes.length, title.length, 0]; // 1 January 2024
    const sizes = [2, 2, 2, 2, 2, 4, 4, 4, 2, 2];
    parts.push(fields([[0x04034b50, 4], ...common.map((value, index) => [value, sizes[index]])]), title, bytes);
    const rest = [[0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]];
    directory.push(fields([[0x02014b50, 4], [20, 2], ...common.map((value, index) => [value, sizes[index]]), ...rest]), title);
    offset += 30 + title.length + bytes.length;
  }
  const list = joined(directory);
  const end = fields([[0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [list.length, 4], [offset, 4], [0, 2]]);
  return new Blob([...parts, list, end], { type: "application/zip" });
}

function fields(pairs) { // little endian
  const bytes = [];
  for (const [value, size] of pairs) for (let byte = 0; byte < size; byte++) bytes.push((value / 2 ** (8 * byte)) & 255);
  return Uint8Array.from(bytes);
}

export function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
