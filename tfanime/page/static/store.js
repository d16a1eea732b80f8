// What this browser remembers of one site: avatars that were looked at, and favourites. Nothing leaves it.

const MOST = 200; // of those that were looked at; favourites stay

export class Store {
  static async open(name) {
    const store = new Store();
    try {
      store.database = await new Promise((resolve, reject) => {
        const request = indexedDB.open(name, 1);
        request.onupgradeneeded = () => request.result.createObjectStore("avatars", { keyPath: "link" });
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      store.entries = (await store.#do("readonly", (avatars) => avatars.getAll())).filter(({ link }) => typeof link === "string");
    } catch { // a private window, or no room: then for this visit only
      store.database = null;
    }
    store.entries.sort((one, other) => other.time - one.time);
    return store;
  }

  entries = []; // { link, time, favourite, starred }, the newest first
  get favourites() { // the first that was starred first
    return this.entries.filter(({ favourite }) => favourite).sort((one, other) => (one.starred ?? 0) - (other.starred ?? 0));
  }

  get lasting() {
    return this.database !== null;
  }

  find(link) {
    return this.entries.find((entry) => entry.link === link);
  }

  async put(link, changes = {}) {
    const entry = { link, favourite: false, ...this.find(link), time: Date.now(), ...changes };
    this.entries = [entry, ...this.entries.filter((each) => each.link !== link)];
    await this.#do("readwrite", (avatars) => avatars.put(entry));
    const old = this.entries.filter((each) => !each.favourite).slice(MOST);
    for (const each of old) await this.remove(each.link);
  }

  async remove(link) {
    this.entries = this.entries.filter((each) => each.link !== link);
    await this.#do("readwrite", (avatars) => avatars.delete(link));
  }

  async clear() {
    this.entries = [];
    await this.#do("readwrite", (avatars) => avatars.clear());
  }

  #do(mode, act) {
    if (!this.database) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const request = act(this.database.transaction("avatars", mode).objectStore("avatars"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    }).catch(() => {
      this.database = null;
    });
  }
}
