// The service worker: a second visit needs no network. SITE is filled in when the page is made.

const SITE = { files: [], small: [] };
const NAME = `tfanime ${self.registration.scope}`; // other pages of this origin have their own
const PAGES = [self.registration.scope, `${self.registration.scope}index.html`];
const names = new Set(SITE.files.map((file) => new URL(file, self.registration.scope).href));

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(["./", ...SITE.small])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => { // what an older page left
  event.waitUntil(caches.open(NAME).then(async (cache) => {
    for (const { url } of await cache.keys()) {
      if (url !== self.registration.scope && !names.has(url)) await cache.delete(url);
    }
    await self.clients.claim();
  }));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (names.has(request.url)) { // named by their contents: what is kept is right
    event.respondWith(caches.match(request.url).then((kept) => kept ?? fetch(request)));
  } else if (request.mode === "navigate" && PAGES.includes(request.url.replace(/[?#].*/, ""))) {
    event.respondWith(fetch(request).then(async (response) => {
      if (response.ok) await (await caches.open(NAME)).put(self.registration.scope, response.clone());
      return response;
    }).catch(async () => (await caches.match(self.registration.scope)) ?? Response.error()));
  }
});
