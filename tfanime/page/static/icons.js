// Line icons, 24 by 24.

import { svg } from "./lit-html.js";

const icon = (body) => svg`<svg viewBox="0 0 24 24" aria-hidden="true" class="icon">${body}</svg>`;
export const icons = {
  random: icon(svg`<rect x="4" y="4" width="16" height="16" rx="4"/><path d="M9 9h.01M15 15h.01M15 9h.01M9 15h.01"/>`),
  star: icon(svg`<path d="M12 4l2.5 5.1 5.6.8-4 4 .9 5.6-5-2.7-5 2.7.9-5.6-4-4 5.6-.8z"/>`),
  share: icon(svg`<path d="M12 15V4m0 0L8 8m4-4l4 4M6 12v7h12v-7"/>`),
  save: icon(svg`<path d="M12 4v11m0 0l-4-4m4 4l4-4M5 19h14"/>`),
  undo: icon(svg`<path d="M9 7L5 11l4 4M5 11h9a5 5 0 010 10h-3"/>`),
  tags: icon(svg`<path d="M5 8h10m4 0h0M5 16h2m4 0h8"/><circle cx="17" cy="8" r="2"/><circle cx="9" cy="16" r="2"/>`),
  close: icon(svg`<path d="M6 6l12 12M18 6L6 18"/>`),
};
