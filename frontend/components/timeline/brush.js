// Choosing a span of the time line with mouse, pen or finger: from where it goes down to where it is lifted.

const LEAST_PX = 4; // less is a click
const EDGE_PX = 12; // beyond the plot's edge that still begin or end at the edge

/**
 * Brush in `area`. `span()`: where the plot begins and ends, px from the page's left; `choose(from, to)` is told what was
 * brushed, in the same px; Escape gives it up. What `area` shows must stand still meanwhile: `letGo()` is called in the end.
 * Returns whether a brush is under way, as a function.
 */
export function brush(area, { span, choose, letGo }) {
  const band = document.createElement("div");
  band.className = "band";
  band.hidden = true;
  area.append(band);
  let from = null;

  const clamp = (x) => {
    const [left, right] = span();
    return Math.min(Math.max(x, left), right);
  };

  const draw = (to) => {
    const origin = area.getBoundingClientRect().left;
    band.style.left = `${Math.min(from, to) - origin}px`;
    band.style.width = `${Math.abs(to - from)}px`;
    band.hidden = Math.abs(to - from) < LEAST_PX;
  };

  const end = () => {
    if (from === null) return;
    from = null;
    band.hidden = true;
    letGo();
  };

  area.addEventListener("pointerdown", (event) => {
    const [left, right] = span();
    const outside = event.clientX < left - EDGE_PX || event.clientX > right + EDGE_PX;
    if (event.button !== 0 || !event.isPrimary || outside) return;
    from = clamp(event.clientX);
    area.setPointerCapture(event.pointerId);
  });
  area.addEventListener("pointermove", ({ clientX }) => from !== null && draw(clamp(clientX)));
  area.addEventListener("pointerup", ({ clientX }) => {
    if (from === null) return;
    const to = clamp(clientX);
    if (Math.abs(to - from) >= LEAST_PX) choose(Math.min(from, to), Math.max(from, to));
    end();
  });
  area.addEventListener("pointercancel", end);
  area.addEventListener("lostpointercapture", end);
  area.addEventListener("keydown", ({ key }) => key === "Escape" && end());
  return () => from !== null;
}
