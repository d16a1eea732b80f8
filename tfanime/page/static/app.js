// The page: one state, drawn by lit-html; the gallery and the pictures beside it.

import { html, nothing, render } from "./lit-html.js";
import { FARTHEST, editsBetween, firstSeed, format, inputsOf, isPlain, lookOf, parse, plain, seedOf, tagsShown } from "./avatar.js";
import { Queue, ServerEngine, WorkerEngine } from "./engine.js";
import { gif } from "./gif.js";
import { linkOf, png, save, sheet, toCanvas, zip } from "./files.js";
import { Gallery, put } from "./gallery.js";
import { icons } from "./icons.js";
import { Photo } from "./photo.js";
import { uniform, LARGEST_SEED } from "./seeds.js";
import { Store } from "./store.js";
import { LANGUAGES, chooseLanguage, colourOf, directionName, groupName, language, say, shortName, tagName } from "./words.js";

const MODES = ["all", "near", "tags", "faces", "each", "cross", "way", "kept"];
const NEEDS_TAGS = ["tags", "faces", "each"];
const DEEPEST = 30; // blends of blends; then a link would get too long
const CHILDREN = 16;
const WIDEST = 8192; // pixels of a canvas that every browser can save
const site = JSON.parse(document.getElementById("site").textContent);
const enlarger = site.tools.find(({ kind }) => kind === "upscale");
const queue = new Queue();
const state = {
  model: site.models[0],
  avatar: plain(0),
  mode: "all",
  start: 0n, // first seed of the grid
  spread: 0.4,
  frames: 8, // of a way between two stops
  position: 0,
  playing: false,
  undo: [],
  notice: null, // { texts, detail }
  status: "",
  progress: null, // { label, share } until the first picture
  image: null,
  shown: {},
  sheetOpen: false, // the tags on a phone
  strengths: false,
  directions: false,
  online: navigator.onLine,
  onServer: false,
  enlarged: false, // the avatar beside the grid
};
let engine = null;
let spare = null; // redraws where a server draws the avatars
let photo = null;
let store = new Store();
let gallery = null;
let fade = null;

// ---------------------------------------------------------------- what happens

const fails = (error) => {
  state.notice = { texts: [say(error.word ?? "broken")], detail: String(error.message ?? error).slice(0, 300) };
  state.progress = null;
  try {
    update();
  } catch { // what is wrong keeps the page from being shown: then the sentence alone, and never a blank page
    document.body.prepend(Object.assign(document.createElement("p"), { className: "notice", textContent: state.notice.texts[0] }));
  }
};
addEventListener("error", (event) => fails(event.error ?? event));
addEventListener("unhandledrejection", (event) => fails(event.reason));

let openings = 0;
async function open(model, onServer = model.server && !Object.keys(model.files).length) {
  const mine = ++openings;
  queue.use(null);
  state.model = model;
  state.onServer = onServer;
  if (NEEDS_TAGS.includes(state.mode) && !model.vocabulary) state.mode = "all";
  state.progress = { label: "", share: null };
  update();
  try {
    const wanted = onServer ? ServerEngine : WorkerEngine;
    if (!(engine instanceof wanted)) {
      engine?.close();
      engine = new wanted(site, (label, share) => {
        if (state.progress) state.progress = { label, share };
        update();
      });
    }
    await engine.open(model);
  } catch (error) {
    if (mine !== openings) return;
    engine?.close();
    engine = null;
    return fails(error);
  }
  if (mine !== openings) return; // another one was chosen meanwhile
  queue.use(engine);
  state.progress = null;
  refresh();
}

// Every change goes through here: the link, the undo list and the history follow. `drag` names the slider that is
// moved: however many values it passes, undo goes back to the first.
let dragged = null;
addEventListener("change", () => (dragged = null));
function change(values, { remember = true, drag = null } = {}) {
  const before = linkNow();
  const model = state.model;
  Object.assign(state, values);
  const link = linkNow();
  if (link !== before) {
    if (remember && (!drag || drag !== dragged)) state.undo = [...state.undo.slice(-99), before];
    dragged = drag;
    address(drag ? SELDOM : 0);
  }
  if (state.model !== model) {
    open(state.model);
  }
  refresh();
}

const SELDOM = 350; // ms; browsers refuse more changes of the address than 100 in 30 seconds
let addressed = 0;
let addressing = null;
function address(pause) {
  clearTimeout(addressing);
  addressing = null;
  const wait = addressed + pause - Date.now();
  if (wait > 0) return (addressing = setTimeout(address, wait, 0));
  addressed = Date.now();
  try {
    history.replaceState(null, "", linkNow());
  } catch { /* too many: the next change writes it */ }
}
addEventListener("pagehide", () => addressing && address(0));

const linkNow = () => format(state.model, state.avatar, state.mode);
const linkOfAvatar = (avatar) => format(state.model, avatar);

function fromLink(hash) {
  const { model, avatar, mode, problems } = parse(hash, site.models, MODES);
  state.notice = problems.length ? { texts: problems.map(([word, value]) => say(word, value)) } : null;
  const seed = BigInt(firstSeed(avatar.at));
  return { model, avatar, mode: NEEDS_TAGS.includes(mode) && !model.vocabulary ? "all" : mode, start: seed < 96n ? 0n : seed };
}

function refresh() {
  drawPortrait();
  showGallery();
  update();
}

let portraitOf = "";
let cancelPortrait = null;
function drawPortrait() {
  const { model, avatar } = state;
  const link = `${linkOfAvatar(avatar)} ${state.onServer} ${state.enlarged}`;
  if (link === portraitOf) return;
  portraitOf = link;
  state.shown = tagsShown(avatar, model);
  cancelPortrait?.(); // of a slider's last place, for instance
  cancelPortrait = queue.draw(avatar, (image) => {
    if (portraitOf !== link) return;
    state.image = image;
    put(document.getElementById("portrait"), image);
    if (state.enlarged) redraw(enlarger, image).then((large) => portraitOf === link && put(document.getElementById("portrait"), large), fails);
    remember();
    update();
  }, fails, true);
}

const redraw = (tool, image) => (engine instanceof WorkerEngine ? engine : (spare ??= new WorkerEngine(site, () => {}))).redraw(tool, image);

let remembering = null;
function remember() { // what was looked at for a second
  clearTimeout(remembering);
  const link = linkOfAvatar(state.avatar);
  remembering = setTimeout(() => store.put(link).then(() => state.mode === "kept" && update()), 1000);
}

// Favourites in the order in which they were starred. A frame of a transition is no stop of another one.
const favourites = () =>
  store.favourites.map((entry) => parse(entry.link, site.models, MODES))
    .filter(({ model, avatar }) => model === state.model && !avatar.way).map(({ avatar }) => avatar);
const partner = () => favourites().reverse().find((avatar) => linkOfAvatar(avatar) !== linkOfAvatar(state.avatar));

// What the cells of a mode are: { avatarAt, caption, depends }, depends a text that says when they are others.
const MODES_OF = {
  all: () => ({ avatarAt: seeds((at) => ({ ...plain(at), ...settings() })), depends: [state.start.toString(), settings()] }),
  tags: () => ({ avatarAt: seeds((look) => ({ ...state.avatar, look, way: null }), 0n), depends: { ...state.avatar, look: null } }),
  faces: () => ({ avatarAt: seeds((at) => ({ ...state.avatar, at, look: lookOf(state.avatar), way: null }), 0n), depends: [lookOf(state.avatar), { ...state.avatar, at: null, look: null }] }),
  near: () => {
    const centre = { ...state.avatar, way: null };
    const depth = JSON.stringify(centre.at).split("[").length - 1;
    const near = (seed) => ({ ...centre, at: [centre.at, seed, state.spread], look: lookOf(centre) });
    return {
      avatarAt: (index) => (index === 0 ? centre : index < CHILDREN && depth < DEEPEST ? near(String(1000 + depth * 100 + index)) : null),
      depends: [centre, state.spread],
    };
  },
  each: () => {
    const tags = state.model.vocabulary.groups.flatMap((group) => group.tags.map((tag) => ({ tag, group })));
    return {
      avatarAt: (index) => index < tags.length ? withTag(tags[index].tag, tags[index].group, 1) : null,
      caption: (index) => tagName(tags[index].tag),
      depends: { ...state.avatar, look: lookOf(state.avatar), wanted: null },
    };
  },
  cross: () => {
    const other = partner();
    return { avatarAt: (index) => (other && index < CHILDREN ? child(state.avatar, other, index) : null), depends: [state.avatar, other], empty: "needOne" };
  },
  way: () => {
    const frames = framesOfWay();
    return { avatarAt: (index) => frames[index] ?? null, depends: frames, empty: "needTwo" };
  },
  kept: () => {
    const entries = [...store.entries].sort((one, other) => other.favourite - one.favourite);
    const avatars = entries.map((entry) => ({ entry, ...parse(entry.link, site.models, MODES) })).filter(({ model }) => model === state.model);
    return {
      avatarAt: (index) => avatars[index]?.avatar ?? null,
      caption: (index) => (avatars[index].entry.favourite ? "★" : null),
      depends: avatars.map(({ entry }) => [entry.link, entry.favourite]),
      empty: "emptyKept",
    };
  },
};

const settings = ({ wanted, psi, edits } = state.avatar) => ({ wanted, psi, edits }); // what all seeds of a grid share

const seeds = (make, start = state.start) => (index) => {
  const seed = start + BigInt(index);
  return seed <= LARGEST_SEED ? make(String(seed)) : null;
};

function withTag(tag, group, value) {
  const wanted = { ...state.avatar.wanted };
  if (value > 0 && group.exclusive) for (const other of group.tags) if (wanted[other] > 0) delete wanted[other];
  if (value) wanted[tag] = value;
  else delete wanted[tag];
  return { ...state.avatar, wanted, look: state.mode === "each" ? lookOf(state.avatar) : state.avatar.look, way: null };
}

function child(mother, father, index) { // noise between the two; each group of tags from one of them
  const dice = uniform(index, 2, 64);
  const share = [0.5, 0.35, 0.65, 0.2][index % 4];
  const wanted = {};
  if (state.model.vocabulary) {
    const parents = [tagsShown(mother, state.model), tagsShown(father, state.model)];
    state.model.vocabulary.groups.forEach((group, place) => {
      group.tags.forEach((tag, number) => {
        const value = parents[Number(dice[group.exclusive ? place : 8 + ((place * 13 + number) % 56)] < 0.5)][tag];
        if (!group.exclusive || value > 0) wanted[tag] = Math.max(-1.5, Math.min(1.5, value));
      });
    });
  }
  return { ...plain(0), at: [mother.at, father.at, share], wanted, psi: mother.psi, edits: editsBetween(mother.edits, father.edits, share) };
}

function framesOfWay() {
  const stops = favourites();
  if (stops.length < 2) return [];
  const between = stops.slice(1).flatMap((stop, index) =>
    Array.from({ length: state.frames }, (_, frame) => frame ? { ...stops[index], way: [stops[index], stop, frame / state.frames] } : stops[index]));
  return [...between, stops.at(-1)];
}

let galleryOf = "";
function showGallery() {
  const { avatarAt, caption, depends } = MODES_OF[state.mode]();
  const key = JSON.stringify([state.model.name, state.mode, depends, state.onServer, language.now]);
  if (key !== galleryOf) {
    galleryOf = key;
    const untouched = state.mode === "all" && !state.start && !isSet() && state.avatar.psi === 1;
    const label = (avatar, index) => caption?.(index) ?? describe(avatar);
    gallery.show(avatarAt, label, caption && ((_, index) => caption(index)), untouched && firstOf(state.model));
  }
  mark();
}

const isSet = ({ wanted, edits } = state.avatar) => Object.keys({ ...wanted, ...edits }).length > 0;

const mark = () => {
  const now = linkOfAvatar(state.avatar);
  gallery.mark((avatar) => linkOfAvatar(avatar) === now);
};

const describe = (avatar) => (typeof avatar.at === "string" && !avatar.way ? `${say("seed")} ${avatar.at}` : say("blend", firstSeed(avatar.at)));

const firsts = new Map(); // pictures of the first cells, drawn when the page was made
const firstOf = (model) => (firsts.get(model.name)?.complete && firsts.get(model.name).naturalWidth ? firsts.get(model.name) : null);
async function loadFirst(model) {
  if (!model.first) return;
  const image = new Image();
  firsts.set(model.name, image);
  image.src = document.getElementById(model.first.sha256)?.textContent ?? model.first.url;
  await image.decode().catch(() => {});
}

// ---------------------------------------------------------------- what a person does

const pick = (avatar, index) => {
  if (state.mode === "near" && index) state.spread = Math.max(0.05, state.spread * 0.75);
  if (state.mode === "way") state.position = index;
  change({ avatar });
};

function random() {
  const seed = String(crypto.getRandomValues(new Uint32Array(1))[0]);
  change({ avatar: { ...state.avatar, at: seed, look: null, way: null }, start: BigInt(seed) });
}

function star() {
  const link = linkOfAvatar(state.avatar);
  store.put(link, { favourite: !store.find(link)?.favourite, starred: Date.now() }).then(refresh);
  refresh();
}

function undo() {
  const link = state.undo.at(-1);
  if (link === undefined) return;
  state.undo = state.undo.slice(0, -1);
  change(fromLink(link), { remember: false });
}

function typed(event) {
  const seed = seedOf(event.target.value.trim());
  if (seed === null) {
    event.target.value = firstSeed(state.avatar.at);
    return tell(say("badSeed"));
  }
  change({ avatar: { ...state.avatar, at: seed, way: null }, start: BigInt(seed) < 96n ? 0n : BigInt(seed) });
}

function tell(text) {
  state.status = text;
  update();
  clearTimeout(fade);
  fade = setTimeout(() => {
    state.status = "";
    update();
  }, 4000);
}

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    tell(done);
  } catch { // no permission: then the text itself, to be copied by hand
    tell(text);
  }
}

async function share() {
  const url = location.href.replace(/#.*/, "") + linkNow();
  if (navigator.share && matchMedia("(pointer: coarse)").matches) await navigator.share({ title: document.title, url }).catch(() => {});
  else await copy(url, say("linkCopied"));
}

function command() { // the same avatar from a terminal
  const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const weight = (value) => (Math.abs(value) === 1 ? "" : `:${Math.abs(value)}`);
  const tags = Object.entries(state.avatar.wanted).map(([tag, value]) => (value > 0 ? "" : "no ") + tag.replaceAll("_", " ") + weight(value));
  const edits = Object.entries(state.avatar.edits).map(([name, amount]) => `${name}=${amount}`);
  return `python -m tfanime.generate ${quoted(state.model.source)} --seeds ${state.avatar.at}` + (tags.length ? ` --tags "${tags.join(", ")}"` : "") +
    (edits.length ? ` --direction "${edits.join(", ")}"` : "") + (state.avatar.psi === 1 ? "" : ` --psi ${state.avatar.psi}`) + " --out avatar.png";
}

const stem = () => `${state.model.name}-${firstSeed(state.avatar.at)}`.replace(/[^\w.-]+/g, "_");
async function saved(blob, name) {
  save(blob, name);
  tell(say("saved", name));
}
const savePicture = async (scale) => saved(await png(toCanvas(await queue.image(state.avatar), scale), linkOfAvatar(state.avatar)), `${stem()}${scale > 1 ? `-x${scale}` : ""}.png`);
const saveEnlarged = async () => {
  const large = await redraw(enlarger, await queue.image(state.avatar));
  await saved(await png(toCanvas(large), linkOfAvatar(state.avatar)), `${stem()}-${enlarger.name}.png`);
};
const images = (avatars) => avatars.reduce(async (done, avatar) => [...(await done), await queue.image(avatar)], Promise.resolve([]));
const cellsNow = () => (gallery.cells.length ? gallery.cells.slice(0, 48).map(({ avatar }) => avatar) : [state.avatar]);
const saveSheet = async () => saved(await png(sheet(await images(cellsNow())), linkNow()), `${stem()}-sheet.png`);
async function saveZip() {
  const avatars = cellsNow();
  const pictures = await images(avatars);
  const files = [];
  for (const [index, picture] of pictures.entries()) {
    const blob = await png(toCanvas(picture), linkOfAvatar(avatars[index]));
    const name = typeof avatars[index].at === "string" && !avatars[index].way ? `seed-${avatars[index].at.padStart(8, "0")}` : `blend-${String(index).padStart(3, "0")}`;
    files.push({ name: files.some((file) => file.name === `${name}.png`) ? `${name}-${index}.png` : `${name}.png`, bytes: new Uint8Array(await blob.arrayBuffer()) });
  }
  await saved(zip(files), `${stem()}.zip`);
}
const saveGif = async () => {
  const frames = await images(framesOfWay());
  await saved(gif([...frames, ...frames.slice(1, -1).reverse()], 80), `${stem()}.gif`);
};
const saveStrip = async () => {
  const frames = await images(framesOfWay());
  const columns = Math.min(frames.length, Math.floor(WIDEST / state.model.size));
  await saved(await png(sheet(frames, columns), linkNow()), `${stem()}-strip.png`);
};

async function restore(file) {
  const link = file && (await linkOf(file).catch(() => null));
  if (link) return change(fromLink(link));
  if (!photo || !file) return tell(say("noLink"));
  if (!(await photo.open(file))) tell(say("badPicture"));
}

let plays = 0;
function play() {
  state.playing = !state.playing;
  const mine = ++plays;
  update();
  const step = () => {
    if (mine !== plays) return; // paused and played again meanwhile
    const frames = framesOfWay();
    if (!state.playing || state.mode !== "way" || !frames.length) return (state.playing = false), update();
    scrub((state.position + 1) % frames.length);
    setTimeout(step, 120);
  };
  if (state.playing) step();
}

function scrub(position) {
  const avatar = framesOfWay()[position];
  if (!avatar) return;
  state.position = position;
  change({ avatar }, { remember: false, drag: "position" });
}

// ---------------------------------------------------------------- what is seen

function update() {
  document.title = `${state.model.title} · tfanime`;
  render(view(), document.getElementById("app"));
}

const button = (word, action, icon = null, more = {}) => html`<button type="button" class=${more.class ?? "quiet"} title=${say(word)}
  aria-label=${icon ? say(word) : nothing} aria-pressed=${more.pressed ?? nothing} ?disabled=${more.disabled} @click=${action}>${icon ?? say(word)}</button>`;

const view = () => html`
  <header class="top">
    <h1>${site.models.length > 1 ? html`<label><span class="unseen">${say("models")}</span>
      <select id="model" .value=${state.model.name} @change=${(event) => change({ model: site.models.find(({ name }) => name === event.target.value), avatar: { ...state.avatar, wanted: {}, edits: {}, fine: null, way: null } })}>
        ${site.models.map(({ name, title }) => html`<option value=${name} ?selected=${name === state.model.name}>${title}</option>`)}
      </select></label>` : state.model.title}</h1>
    <span class="motto">${state.online ? say(state.onServer ? "onServer" : "private") : say("offline")}</span>
    <label><span class="unseen">${say("language")}</span>
      <select id="language" .value=${language.now} @change=${(event) => speak(event.target.value)}>
        ${Object.entries(LANGUAGES).map(([code, name]) => html`<option value=${code} ?selected=${code === language.now} lang=${code}>${name}</option>`)}
      </select></label>
  </header>
  ${state.notice ? html`<div class="notice" role="alert"><div>${state.notice.texts.map((text) => html`<p>${text}</p>`)}
    ${state.notice.detail ? html`<small>${state.notice.detail}</small>` : nothing}</div>
    ${button("close", () => { state.notice = null; update(); }, icons.close)}</div>` : nothing}
  <div class="progress" ?hidden=${!state.progress}><progress aria-label=${say("preparing")} .value=${state.progress?.share ?? 0} max="1"></progress>
    <span>${state.progress?.share == null ? say("preparing") : say("loading", `${Math.round(100 * state.progress.share)} %`)}</span></div>
  <main>
    <div class="side"><section class="portrait" aria-label=${describe(state.avatar)}>
      <canvas id="portrait" width="64" height="64" role="img" aria-label=${describe(state.avatar)}></canvas>
      <div class="about">
        <label class="seed">${say("seed")} <input id="seed" inputmode="numeric" autocomplete="off" spellcheck="false" maxlength="30" .value=${firstSeed(state.avatar.at)} @change=${typed}></label>
        <small class="blend">${typeof state.avatar.at === "string" && !state.avatar.way ? nothing : describe(state.avatar)}</small>
        <div class="actions">
          ${button("random", random, icons.random, { class: "main" })}
          ${button("star", star, icons.star, { class: "quiet star", pressed: String(Boolean(store.find(linkOfAvatar(state.avatar))?.favourite)) })}
          ${button("share", share, icons.share)}
          ${saveMenu()}
          ${button("undo", undo, icons.undo, { disabled: !state.undo.length })}
        </div>
      </div>
    </section>
    ${controls()}</div>
    <section class="avatars" aria-label=${say(state.mode)}>
      <nav class="modes" aria-label=${say("all")}>${MODES.filter((mode) => state.model.vocabulary || !NEEDS_TAGS.includes(mode)).map((mode) =>
        html`<button type="button" class="mode" aria-pressed=${String(mode === state.mode)} @click=${() => change({ mode, playing: false })}>${say(mode)}</button>`)}</nav>
      <div class="tools">${tools()}</div>
      <div id="grid" class=${state.mode === "all" ? "grid" : `grid ${state.mode}`}></div>
    </section>
  </main>
  <div class="bar"><button type="button" id="open-tags" class="main wide" aria-expanded=${String(state.sheetOpen)} aria-controls="controls"
    @click=${() => sheetOpen(true)}>${icons.tags} ${say(controlsName())}${Object.keys(state.avatar.wanted).length ? ` · ${Object.keys(state.avatar.wanted).length}` : ""}</button>
    ${button("random", random, icons.random)}</div>
  <footer><details><summary>${say("about")}</summary>${about()}</details></footer>
  <dialog id="photo" aria-label=${say("photo")}></dialog>
  <div class="status" role="status">${state.status}</div>`;

const saveMenu = () => html`<details class="menu" @toggle=${(event) => { menuOpen = event.target.open ? event.target : null; }}>
  <summary title=${say("save")} aria-label=${say("save")}>${icons.save}</summary><div @click=${(event) => event.target.closest("button") && (event.currentTarget.parentElement.open = false)}>
    ${[1, 4, 8].map((scale) => html`<button type="button" @click=${() => savePicture(scale)}>${say("picture", state.model.size * scale)}</button>`)}
    ${enlarger ? html`<button type="button" @click=${saveEnlarged}>${say("pictureEnlarged", state.model.size * enlarger.scale)}</button>` : nothing}
    <button type="button" @click=${saveSheet}>${say("sheet")}</button>
    <button type="button" @click=${saveZip}>${say("zip")}</button>
    <button type="button" @click=${() => document.getElementById("file").click()}>${say(opening)}</button>
    <button type="button" ?hidden=${!isPlain(state.avatar, state.model)} @click=${() => copy(command(), say("copied"))}>${say("command")}</button>
  </div></details><input id="file" type="file" accept=${photo ? "image/*" : "image/png"} hidden aria-label=${say(opening)} @change=${(event) => { restore(event.target.files[0]); event.target.value = ""; }}>`;
const opening = site.tools.length ? "openPicture" : "openPng";
let menuOpen = null;

const slider = (word, name, min, max, step, value, action) => html`<label class="slider">${say(word)}
  <input type="range" name=${name} min=${min} max=${max} step=${step} .value=${String(value)} @input=${(event) => action(Number(event.target.value), { drag: name })}></label>`;

function tools() {
  const help = html`<span class="help">${say(`${state.mode}Help`)}</span>`;
  const { empty, avatarAt } = MODES_OF[state.mode]();
  if (empty && !avatarAt(0)) return html`<p class="empty">${say(empty)}</p>`;
  if (state.mode === "near") return html`${help}${slider("spread", "spread", 0.05, 0.8, 0.05, state.spread, (spread, how) => change({ spread }, how))}`;
  if (state.mode === "way") {
    const frames = framesOfWay();
    return html`${help}${slider("position", "position", 0, frames.length - 1, 1, Math.min(state.position, frames.length - 1), scrub)}
      ${button(state.playing ? "pause" : "play", play)}${button("gif", saveGif)}${button("strip", saveStrip)}`;
  }
  if (state.mode === "kept") return html`${help}${store.lasting ? nothing : html`<span class="help">${say("lasts")}</span>`}${button("forget", () => store.clear().then(refresh))}`;
  return help;
}

const controlsName = () => (state.model.vocabulary ? "controls" : "settings");
const controls = () => html`<aside id="controls" class=${state.sheetOpen ? "controls open" : "controls"} aria-label=${say(controlsName())}>
  <div class="head"><h2>${say(controlsName())}</h2>${button("reset", () => change({ avatar: { ...state.avatar, wanted: {}, edits: {}, way: null } }), null, { disabled: !isSet() })}
    <span class="closer">${button("close", () => sheetOpen(false), icons.close)}</span></div>
  ${(state.model.vocabulary?.groups ?? []).map((group) => html`<fieldset><legend>${groupName(group)}</legend>
    <div class="chips">${group.tags.map((tag) => chip(tag, group))}</div></fieldset>`)}
  ${state.model.variety ? slider("variety", "psi", 0, 1.2, 0.05, state.avatar.psi, (psi, how) => change({ avatar: { ...state.avatar, psi, way: null } }, how)) : nothing}
  ${state.model.vocabulary ? html`<details ?open=${state.strengths} @toggle=${(event) => (state.strengths = event.target.open)}>
    <summary>${say("fineTuning")}</summary>${strengths()}</details>` : nothing}
  ${state.model.directions.length ? html`<details ?open=${state.directions} @toggle=${(event) => (state.directions = event.target.open)}>
    <summary>${say("directions")}</summary><p class="help">${say("directionsHelp")}</p>${state.model.directions.map(direction)}</details>` : nothing}
  ${state.model.w ? html`<label class="seed">${say("mix")} <input name="fine" inputmode="numeric" maxlength="19" .value=${state.avatar.fine ?? ""}
    @change=${(event) => change({ avatar: { ...state.avatar, fine: seedOf(event.target.value.trim()), way: null } })}></label>` : nothing}
  ${enlarger ? html`<label class="switch"><input type="checkbox" name="enlarged" .checked=${state.enlarged} @change=${(event) => { state.enlarged = event.target.checked; refresh(); }}> ${say("enlarged", enlarger.title)}</label>` : nothing}
  ${state.model.server && Object.keys(state.model.files).length ? html`<label class="switch"><input type="checkbox" .checked=${state.onServer} @change=${(event) => { open(state.model, event.target.checked); refresh(); }}> ${say("engine")}</label>` : nothing}
</aside>`;

const wantedOf = (tag) => state.avatar.wanted[tag] ?? 0;
function chip(tag, group) {
  const value = wantedOf(tag);
  const now = value > 0 ? "on" : value < 0 ? "off" : "random";
  const colour = colourOf(tag, group);
  const obeyed = state.model.obeyed?.[tag];
  const untrained = state.model.vocabulary.untrained?.includes(tag);
  const notes = [untrained ? say("untrained") : "", obeyed < 0.5 ? say("disobeyed", `${Math.round(100 * obeyed)} %`) : ""].filter(Boolean);
  const next = { random: 1, on: -1, off: 0 }[now];
  return html`<button type="button" class="chip ${now}${state.shown[tag] > 0 ? " shown" : ""}" data-tag=${tag} aria-pressed=${{ random: "mixed", on: "true", off: "false" }[now]}
    aria-label=${[say(`${now}_state`, tagName(tag)), ...notes].join(". ")} title=${notes.join(" ") || say(`${now}_state`, tagName(tag))}
    @click=${() => change({ avatar: withTag(tag, group, next) })}>${colour ? html`<i class="dot ${`c-${colour}`}"></i>` : nothing}${shortName(tag, group)}${notes.length ? html`<span class="doubt" aria-hidden="true">!</span>` : nothing}</button>`;
}

function strengths() {
  const chosen = state.model.vocabulary?.groups.flatMap((group) => group.tags.filter(wantedOf).map((tag) => ({ tag, group }))) ?? [];
  if (!chosen.length) return html`<p class="help">${say("fineTuningHelp")}</p>`;
  return chosen.map(({ tag, group }) => html`<label class="slider">${tagName(tag)} <output>${wantedOf(tag)}</output>
    <input type="range" min="-1.5" max="1.5" step="0.1" .value=${String(wantedOf(tag))} @input=${(event) => change({ avatar: withTag(tag, group, Number(event.target.value)) }, { drag: tag })}></label>`);
}

function direction({ name }) {
  const amount = state.avatar.edits[name] ?? 0;
  const edited = (steps) => {
    const { [name]: _, ...others } = state.avatar.edits;
    change({ avatar: { ...state.avatar, edits: steps ? { ...others, [name]: steps } : others, way: null } }, { drag: `direction ${name}` });
  };
  return html`<label class="slider">${directionName(name)} <output>${amount || nothing}</output>
    <input type="range" name=${`direction-${name}`} min=${-FARTHEST} max=${FARTHEST} step="0.5" .value=${String(amount)} @input=${(event) => edited(Number(event.target.value))}></label>`;
}

function about() {
  const { licence, origin, difference } = state.model;
  const times = [...queue.times].sort((one, other) => one - other);
  return html`<dl><dt>${say("models")}</dt><dd>${state.model.title}${origin ? ` · ${origin}` : ""}${difference == null ? "" : ` · ${difference.toFixed(2)}`}</dd>
    <dt>${say("licence")}</dt><dd>${licence}</dd>
    ${site.tools.map((tool) => html`<dt>${tool.title}${tool.origin ? ` · ${tool.origin}` : ""}</dt><dd>${tool.licence}</dd>`)}
    ${times.length ? html`<dt>${say("each_ms", Math.round(times[times.length >> 1]))}</dt><dd>${say(state.onServer ? "onServer" : "private")}</dd>` : nothing}</dl>
    ${site.licences ? html`<p><a href=${site.licences}>${say("notices")}</a></p>` : nothing}<p>tfanime ${site.version}</p>`;
}

function sheetOpen(open) {
  state.sheetOpen = open;
  update();
  (open ? document.querySelector("#controls .closer button") : document.getElementById("open-tags")).focus();
}

function speak(code) {
  chooseLanguage(code);
  try {
    localStorage.setItem("tfanime-language", code);
  } catch { /* nothing is kept in a private window */ }
  refresh();
}

// ---------------------------------------------------------------- the beginning

addEventListener("hashchange", () => change(fromLink(location.hash)));
for (const kind of ["online", "offline"]) addEventListener(kind, () => { state.online = navigator.onLine; update(); });
addEventListener("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && !event.target.matches("input:not([type=range], [type=checkbox])")) {
    event.preventDefault();
    undo();
  }
  if (event.key === "Escape") {
    if (menuOpen) menuOpen.open = false;
    else if (state.sheetOpen) sheetOpen(false);
  }
});
addEventListener("pointerdown", (event) => {
  if (menuOpen && !menuOpen.contains(event.target)) menuOpen.open = false;
  if (state.sheetOpen && !event.target.closest("#controls, .bar")) sheetOpen(false);
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  restore(event.dataTransfer.files[0]);
});

let kept = null;
try {
  kept = localStorage.getItem("tfanime-language");
} catch { /* as above */ }
chooseLanguage(kept);
Object.assign(state, fromLink(location.hash));
update();
gallery = new Gallery(document.getElementById("grid"), queue, pick);
gallery.onGrow = mark;
const saveRedrawn = async (image, tool) => saved(await png(toCanvas(image), ""), `${tool.name}.png`);
if (site.tools.length) photo = new Photo(document.getElementById("photo"), site.tools, redraw, saveRedrawn);
await Promise.all([loadFirst(state.model), Store.open(`tfanime ${location.pathname}`).then((opened) => (store = opened))]);
refresh();
open(state.model);
Object.assign(globalThis, { tfanime: { state, queue, inputsOf, redraw, site } }); // for tests, and for the browser's console
if ("serviceWorker" in navigator && site.worker) navigator.serviceWorker.register(site.worker).catch(() => {});
