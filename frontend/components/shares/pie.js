// The ring of slices: SVG, drawn anew with each answer.

import { svg } from "../../lib/dom.js";

const RADIUS = 96;
const HOLE = 60;

/** The ring's arcs; a slice is `{share, colour}`, its share a part of 1. */
export function arcs(slices) {
  let from = 0;
  return slices.map((slice, at) => {
    const to = from + slice.share;
    const path = svg("path", { d: arc(from, to), "data-slice": at, class: slice.colour });
    from = to;
    return path;
  });
}

/** A ring's part, from and to as parts of 1, clockwise from the top. */
function arc(from, to) {
  if (to - from >= 0.9999) to = from + 0.9999; // a whole circle has no two ends to draw between
  const at = (part, radius) => {
    const angle = part * 2 * Math.PI;
    return `${(Math.sin(angle) * radius).toFixed(3)} ${(-Math.cos(angle) * radius).toFixed(3)}`;
  };
  const far = to - from > 0.5 ? 1 : 0;
  const outside = `M${at(from, RADIUS)}A${RADIUS} ${RADIUS} 0 ${far} 1 ${at(to, RADIUS)}`;
  const inside = `L${at(to, HOLE)}A${HOLE} ${HOLE} 0 ${far} 0 ${at(from, HOLE)}Z`;
  return outside + inside;
}
