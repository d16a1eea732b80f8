// Of a page in one file: its modules become blobs, each after those that it imports. A worker from a disk may be no
// module and load no blobs but its own, so it begins with a script that makes them.
function linked(sources) {
  const urls = {};
  for (const [name, source] of sources) {
    const text = source.replace(/"\.\/([\w.-]+)"/g, (whole, other) => (other in urls ? `"${urls[other]}"` : whole));
    urls[name] = URL.createObjectURL(new Blob([name === "worker.js" && globalThis.document ? started(sources) : text], { type: "text/javascript" }));
  }
  return urls;
}

function started(sources) {
  return `${linked}
    const held = [];
    onmessage = (event) => held.push(event);
    import(linked(${JSON.stringify(sources.filter(([name]) => WORKER.includes(name)))})["worker.js"]).then(() => held.forEach((event) => onmessage(event)));`;
}

const WORKER = ["seeds.js", "avatar.js", "ort.wasm.bundle.min.mjs", "worker.js"];
const elements = document.querySelectorAll('script[type="text/plain"][id$=".js"], script[type="text/plain"][id$=".mjs"]');
import(linked(Array.from(elements, (element) => [element.id, element.textContent]))["app.js"]);
