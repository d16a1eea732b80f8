// What a seed names, bit for bit as tfanime.latents and tfanime.tag_sampling have it.
//
// TensorFlow's stateless random numbers (alg="philox"): Philox4x32-10 (Salmon et al. 2011), whose key and counter are
// one Philox call on (seed, stream) under a fixed key; floats from 23 bits; normals by Box and Muller in pairs.

const KEY = [0x3ec8f720, 0x02461e29];
const f = Math.fround;
export const LARGEST_SEED = 2n ** 63n - 1n;

function philox(counter, key) {
  let [a, b, c, d] = counter;
  let [k, l] = key;
  for (let round = 0; round < 10; round++) {
    const [low0, high0] = multiply(0xd2511f53, a);
    const [low1, high1] = multiply(0xcd9e8d57, c);
    [a, b, c, d] = [(high1 ^ b ^ k) >>> 0, low1, (high0 ^ d ^ l) >>> 0, low0];
    k = (k + 0x9e3779b9) >>> 0;
    l = (l + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

function multiply(x, y) { // 32 x 32 bits: low and high word
  const x0 = x & 0xffff, x1 = x >>> 16, y0 = y & 0xffff, y1 = y >>> 16;
  const middle = x1 * y0 + ((x0 * y0) >>> 16);
  const carry = (middle & 0xffff) + x0 * y1;
  return [Math.imul(x, y) >>> 0, (x1 * y1 + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0];
}

function* words(seed, stream) { // four words a time, for ever
  const halves = (number) => [Number(number & 0xffffffffn), Number((number >> 32n) & 0xffffffffn)];
  const mix = philox([...halves(BigInt(seed)), ...halves(BigInt(stream))], KEY);
  for (let count = 0; ; count++) yield philox([count, 0, mix[2], mix[3]], [mix[0], mix[1]]);
}

const asFloat = (word) => f((word & 0x7fffff) / 0x800000); // in [0, 1): exact

export function uniform(seed, stream, size) {
  const numbers = new Float32Array(size);
  let index = 0;
  for (const four of words(seed, stream)) {
    for (const word of four) if (index < size) numbers[index++] = asFloat(word);
    if (index >= size) return numbers;
  }
}

export function normal(seed, stream, size) {
  const numbers = new Float32Array(size + 3);
  let index = 0;
  for (const four of words(seed, stream)) {
    for (const pair of [0, 2]) {
      const radius = f(Math.sqrt(f(-2 * f(Math.log(Math.max(asFloat(four[pair]), f(1e-7)))))));
      const angle = f(2 * Math.PI * asFloat(four[pair + 1]));
      numbers[index++] = f(f(Math.sin(angle)) * radius);
      numbers[index++] = f(f(Math.cos(angle)) * radius);
    }
    if (index >= size) return numbers.slice(0, size);
  }
}

export function latents(seed, size, distribution) {
  return distribution === "normal" ? normal(seed, 0, size) : uniform(seed, 0, size).map((number) => number * 2 - 1);
}

// Latents (or noise) on the way from some to others, Latents.interpolate.
export function interpolate(first, second, share, distribution = "normal") {
  const line = first.map((number, index) => number + share * (second[index] - number));
  if (distribution === "uniform") return line;
  const dot = (x, y) => x.reduce((sum, number, index) => sum + number * y[index], 0);
  const cosine = dot(first, second) / (Math.sqrt(dot(first, first) * dot(second, second)) || 1);
  if (Math.abs(cosine) >= 1 - 1e-6) return line; // parallel vectors have no circle, or any
  const angle = Math.acos(cosine);
  const near = Math.sin((1 - share) * angle) / Math.sin(angle);
  const far = Math.sin(share * angle) / Math.sin(angle);
  return first.map((number, index) => near * number + far * second[index]);
}

// TagSampler.from_seeds: +1 and -1 by the vocabulary's priors; `wanted` has a number where a tag was chosen, else 0.
export function sampleTags(vocabulary, seed, wanted) {
  const count = vocabulary.groups.reduce((sum, group) => sum + group.tags.length, 0);
  const numbers = uniform(seed, 1, count);
  const values = new Float32Array(count);
  let begin = 0;
  for (const group of vocabulary.groups) {
    const places = group.tags.map((_, index) => begin + index);
    const priors = group.tags.map((tag) => f(vocabulary.priors[tag]));
    if (group.exclusive) {
      const decided = places.some((place) => wanted[place] > 0);
      let total = 0;
      const sums = places.map((place, index) => (total = f(total + (wanted[place] || decided ? 0 : priors[index]))));
      const chosen = sums.filter((sum) => numbers[begin] >= (sum >= total ? 1 : f(sum / total))).length;
      places.forEach((place, index) => (values[place] = total > 0 && index === chosen ? 1 : -1));
    } else {
      places.forEach((place, index) => (values[place] = numbers[place] < priors[index] ? 1 : -1));
    }
    places.forEach((place) => (values[place] = wanted[place] || values[place]));
    begin += group.tags.length;
  }
  return values;
}
