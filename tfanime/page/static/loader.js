// Of a page in one file: its modules become blobs, each after those that it imports.
const urls = {};
for (const element of document.querySelectorAll('script[type="text/plain"][id$=".js"], script[type="text/plain"][id$=".mjs"]')) {
  const source = element.textContent.replace(/"\.\/([\w.-]+)"/g, (text, name) => (name in urls ? `"${urls[name]}"` : text));
  urls[element.id] = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
}
import(urls["app.js"]);
