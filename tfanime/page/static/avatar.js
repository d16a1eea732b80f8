// An avatar as a few values, its text in a link, and the numbers that a network draws it from.
//
//   at      a seed as text, or [avatar expression, avatar expression, share]: so far from the first to the second
//   look    the seed that draws the tags nobody chose; null: the first seed in `at`
//   wanted  tags that were chosen, by name a number: 1 must hold, -1 must not, others more or less
//   psi     1 is what was learned, 0 the average
//   fine    of networks with w: the seed of the fine styles, or null
//   edits   by the name of a direction how many steps the avatar is moved along it
//   way     null, or [avatar, avatar, share]: on the way between two, as the signature `interpolate` draws it

import { LARGEST_SEED, interpolate, latents, normal, sampleTags } from "./seeds.js";

const DEEPEST = 40;
export const FARTHEST = 5; // steps along a direction
export const FINE_FROM = 0.5; // of the styles, those of this share and above are fine
export const plain = (seed) => ({ at: String(seed), look: null, wanted: {}, psi: 1, fine: null, edits: {}, way: null });
export const firstSeed = (at) => (typeof at === "string" ? at : firstSeed(at[0]));
export const lookOf = (avatar) => avatar.look ?? firstSeed(avatar.at);
export const isPlain = (avatar, model) => // whether `python -m tfanime.generate` draws it
  typeof avatar.at === "string" && !avatar.way && avatar.look === null && avatar.fine === null &&
  (avatar.psi === 1 || (Boolean(model.w) && avatar.psi < 1)) &&
  Object.values(avatar.wanted).every((value) => value !== 0) &&
  (model.vocabulary?.groups ?? []).every((group) => !group.exclusive || group.tags.filter((tag) => avatar.wanted[tag] > 0).length < 2);

const tagsOf = (model) => (model.vocabulary ? model.vocabulary.groups.flatMap((group) => group.tags) : []);
export const wantedVector = (model, wanted) => {
  const groups = model.vocabulary.groups;
  return groups.flatMap((group) => {
    const decided = group.exclusive && group.tags.some((tag) => wanted[tag] > 0);
    return group.tags.map((tag) => wanted[tag] ?? (decided ? -1 : 0));
  });
};

// { latents, tags, noise, ... } by the names of the network's inputs.
export function inputsOf(avatar, model) {
  if (avatar.way) {
    const [first, second, share] = avatar.way;
    const [one, other] = [inputsOf(first, model), inputsOf(second, model)];
    return Object.fromEntries(model.inputs.map(({ name }) => [name, between(model, name, one[name], other[name], share)]));
  }
  const found = {};
  for (const { name, size, stream } of model.inputs) {
    if (name === "tags") {
      found.tags = sampleTags(model.vocabulary, lookOf(avatar), wantedVector(model, avatar.wanted));
    } else {
      const draw = (at) => {
        if (typeof at !== "string") return between(model, name, draw(at[0]), draw(at[1]), at[2]);
        return name === "latents" ? latents(at, size, model.latents) : normal(at, stream, size);
      };
      found[name] = draw(avatar.at);
    }
  }
  if (found.latents && avatar.psi !== 1 && !model.w) found.latents = found.latents.map((number) => number * avatar.psi);
  if (found.latents && !model.w) found.latents = moved(found.latents, avatar.edits, model);
  return found;
}

// A code, of latents or of w, moved along directions.
export function moved(code, edits, model) {
  for (const [name, amount] of Object.entries(edits)) {
    const direction = model.directions.find((each) => each.name === name);
    const step = direction && stepOf(direction);
    if (step) code = code.map((number, index) => number + amount * step[index]);
  }
  return code;
}

const stepOf = ({ step }) => new Float32Array(Uint8Array.from(atob(step), (character) => character.charCodeAt(0)).buffer);

// Of one on the way between two, as of both: the avatar whose styles are the fine ones, psi and the edits.
export const fineOf = (avatar) => {
  if (!avatar.way) return avatar.fine === null ? avatar : { ...avatar, at: avatar.fine, look: lookOf(avatar) };
  const [one, other, share] = avatar.way;
  const [first, second] = [fineOf(one), fineOf(other)];
  return first === one && second === other ? avatar : { ...avatar, way: [first, second, share] };
};
export const psiOf = ({ psi, way }) => (way ? (1 - way[2]) * psiOf(way[0]) + way[2] * psiOf(way[1]) : psi);
export const editsOf = ({ edits, way }) => (way ? editsBetween(editsOf(way[0]), editsOf(way[1]), way[2]) : edits);
export const editsBetween = (one, other, share) =>
  Object.fromEntries(Object.keys({ ...one, ...other }).map((name) => [name, (1 - share) * (one[name] ?? 0) + share * (other[name] ?? 0)]));

function between(model, name, one, other, share) {
  if (name === "tags") return one.map((number, index) => number + share * (other[index] - number));
  return interpolate(one, other, share, name === "latents" ? model.latents : "normal");
}

// The tags that an avatar is drawn with, by name.
export function tagsShown(avatar, model) {
  if (!model.vocabulary) return {};
  const values = inputsOf(avatar, { ...model, inputs: model.inputs.filter(({ name }) => name === "tags") }).tags;
  return Object.fromEntries(tagsOf(model).map((tag, index) => [tag, values[index]]));
}

const number = (value) => String(Math.round(value * 1000) / 1000);
const written = (at) => (typeof at === "string" ? at : `(${written(at[0])}~${written(at[1])}~${number(at[2])})`);

export function format(model, avatar, mode = "all") {
  const parts = [["m", model.name], ["seed", written(avatar.at)]];
  if (avatar.look !== null) parts.push(["look", avatar.look]);
  const tags = Object.entries(avatar.wanted).map(([tag, value]) =>
    value === 1 ? tag : value === -1 ? `-${tag}` : `${tag}:${number(value)}`);
  if (tags.length) parts.push(["tags", tags.join(",")]);
  if (avatar.psi !== 1) parts.push(["psi", number(avatar.psi)]);
  if (avatar.fine !== null) parts.push(["fine", avatar.fine]);
  const edits = Object.entries(avatar.edits).map(([name, amount]) => `${name}:${number(amount)}`);
  if (edits.length) parts.push(["edits", edits.join(",")]);
  if (avatar.way) parts.push(["to", format(model, avatar.way[1]).slice(1)], ["share", number(avatar.way[2])]);
  if (mode !== "all") parts.push(["view", mode]);
  const escaped = (text) => encodeURIComponent(text).replace(/%(2C|3A|7E|28|29)/g, (code) => decodeURIComponent(code));
  return "#" + parts.map(([name, value]) => `${name}=${escaped(value)}`).join("&");
}

// What a link says, as far as it can be understood: { model, avatar, mode, problems }, problems as [word, value] pairs.
export function parse(hash, models, modes, nested = true) {
  const problems = [];
  const complain = (word, value) => problems.push([word, String(value).slice(0, 40)]);
  const values = new URLSearchParams(hash.replace(/^#/, "").slice(0, 20000));
  const name = values.get("m");
  let model = models.find((each) => each.name === name);
  if (name !== null && !model) complain("linkModel", name);
  model ??= models[0];
  const avatar = plain(0);
  if (values.has("seed")) {
    const at = expression(values.get("seed"));
    if (at === null) complain("linkSeed", values.get("seed"));
    avatar.at = at ?? "0";
  }
  for (const key of ["look", "fine"]) {
    if (!values.has(key)) continue;
    avatar[key] = seedOf(values.get(key));
    if (avatar[key] === null) complain("linkSeed", values.get(key));
  }
  if (!model.w) avatar.fine = null;
  if (values.has("psi")) {
    const psi = Number(values.get("psi"));
    if (psi >= 0 && psi <= 1.5) avatar.psi = model.variety ? psi : 1;
    else complain("linkNumber", values.get("psi"));
  }
  const known = new Set(tagsOf(model));
  for (const part of (values.get("tags") ?? "").split(",").filter(Boolean)) {
    const [, minus, tag, strength] = /^(-?)([^:]*)(?::(.*))?$/s.exec(part);
    const value = strength === undefined ? 1 : Number(strength);
    if (!known.has(tag)) complain("linkTag", tag);
    else if (!(Math.abs(value) <= 1.5) || value === 0) complain("linkNumber", part);
    else avatar.wanted[tag] = minus ? -value : value;
  }
  for (const part of (values.get("edits") ?? "").split(",").filter(Boolean)) {
    const [direction, amount] = part.split(":");
    if (!model.directions.some((each) => each.name === direction)) complain("linkDirection", direction);
    else if (!(Math.abs(Number(amount)) <= FARTHEST)) complain("linkNumber", part);
    else if (Number(amount)) avatar.edits[direction] = Number(amount);
  }
  if (values.has("to") && nested) {
    const end = parse(values.get("to"), [model], modes, false);
    const share = Number(values.get("share"));
    problems.push(...end.problems);
    if (share > 0 && share < 1) avatar.way = [{ ...avatar, way: null }, end.avatar, share];
    else complain("linkNumber", values.get("share"));
  }
  const mode = values.get("view") ?? "all";
  if (!modes.includes(mode)) complain("linkView", mode);
  return { model, avatar, mode: modes.includes(mode) ? mode : "all", problems };
}

export function seedOf(text) {
  return /^[0-9]{1,19}$/.test(text) && BigInt(text) <= LARGEST_SEED ? String(BigInt(text)) : null;
}

function expression(text) { // null if it is none
  let rest = text;
  const read = (depth) => {
    const match = /^[0-9]+/.exec(rest);
    if (match) {
      rest = rest.slice(match[0].length);
      return seedOf(match[0]);
    }
    if (rest[0] !== "(" || depth > DEEPEST) return null;
    rest = rest.slice(1);
    const first = read(depth + 1);
    if (first === null || rest[0] !== "~") return null;
    rest = rest.slice(1);
    const second = read(depth + 1);
    const share = /^~([0-9.]{1,8})\)/.exec(rest);
    if (second === null || !share || !(Number(share[1]) <= 1)) return null;
    rest = rest.slice(share[0].length);
    return [first, second, Number(share[1])];
  };
  const found = read(0);
  return rest === "" ? found : null;
}
