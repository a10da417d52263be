// The slices as rectangles, as near to squares as they can be: d3's squarified layout, HTML tiles.

import { el, setText } from "../../lib/dom.js";
import { hierarchy, treemap } from "../../vendor/d3-hierarchy/d3-hierarchy.js";

const GAP_PX = 2;
const SIGN_PX = { width: 44, height: 22 }; // a smaller tile has no room for a name
const MORE_PX = 42; // height from which a tile also says how much

/** Lay the slices out in `place`: `{name, share, colour, amount}`, biggest first. */
export function drawTreemap(place, slices) {
  const [width, height] = [place.clientWidth, place.clientHeight];
  if (!width || !height) return;
  const root = hierarchy({ children: slices }).sum(({ share }) => share ?? 0);
  const leaves = treemap().size([width, height]).paddingInner(GAP_PX).round(true)(root).leaves();
  while (place.children.length > leaves.length) place.lastChild.remove();
  while (place.children.length < leaves.length) place.append(tile());
  leaves.forEach((leaf, at) => tellTile(place.children[at], leaf, at));
}

function tile() {
  return el("div", {}, el("span", { class: "sign" }), el("span", { class: "amount" }));
}

function tellTile(element, { data: slice, x0, x1, y0, y1 }, at) {
  const [width, height] = [x1 - x0, y1 - y0];
  element.className = `tile ${slice.colour}`;
  element.dataset.slice = at;
  Object.assign(element.style, {
    left: `${x0}px`,
    top: `${y0}px`,
    width: `${width}px`,
    height: `${height}px`,
  });
  const room = width >= SIGN_PX.width && height >= SIGN_PX.height;
  setText(element.children[0], room ? slice.name : "");
  setText(element.children[1], room && height >= MORE_PX ? slice.amount : "");
  element.title = `${slice.name} · ${slice.amount}`;
  element.dataset.ink = ink(getComputedStyle(element).backgroundColor);
}

/** What can be read on a colour: of black and white one always has a contrast of 4.5 : 1. */
function ink(colour) {
  const [red, green, blue] = colour.match(/[\d.]+/g).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 0.179 ? "dark" : "light";
}
