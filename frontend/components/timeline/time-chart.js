// uPlot, dressed: lines over time, spans shaded behind them, all but a chosen window veiled. Colours come from the style
// sheet.

import uPlot from "../../vendor/uplot/uplot.js";
import { clockTime } from "../../lib/format.js";

const HATCH_PX = 6; // between the strokes of a hatched span
const LEAST_SPAN_PX = 3; // a shorter one could not be seen
const KEY = "timeline"; // charts of one key have one cursor

/**
 * A chart in `place`. `series()`: `[{stroke, fill, width, bars}]` in colours of now; `colours()`: of text, grid, window,
 * lost and failed spans; `tick`: a value of the y axis as text; `increments`: its steps; `times`: whether the x axis is
 * told. `point(index)` is told the point under the cursor, null for none.
 * Returns {show(columns, spans), restyle(), move(index), secondAt(clientX), span()}: `columns` are seconds and then each
 * series' values, `spans` {lost, failed: [[from, to]], window: [from, to] or null}, in seconds; `span()` is where the
 * plot itself begins and ends, px from the page's left.
 */
export function timeChart(place, { series, colours, tick, increments, times, point }) {
  let chart = null;
  let data = [[]];
  let spans = { lost: [], failed: [], window: null };
  let em = 0; // px of the chart's text

  const make = () => {
    chart?.destroy();
    chart = new uPlot(options(), data, place);
  };

  function options() {
    const { text, grid } = colours();
    em = textSize();
    const axis = {
      stroke: text,
      font: `${em}px "Inter", system-ui, sans-serif`,
      ticks: { show: false },
      grid: { stroke: grid, width: 1 },
    };
    return {
      ...size(),
      padding: [em, em * 2.4, times ? 0 : em * 0.5, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { size: 7 },
        sync: { key: KEY, setSeries: false },
      },
      select: { show: false },
      scales: { y: { range: (_, low, high) => [0, Math.max(high ?? 0, 1) * 1.06] } },
      axes: [
        times
          ? {
              ...axis,
              grid: { show: false },
              size: em * 2.5,
              space: em * 6.4,
              values: (_, seconds) => told(seconds),
            }
          : { show: false },
        {
          ...axis,
          size: em * 6,
          space: em * 1.7,
          incrs: increments,
          values: (_, values) => values.map(tick),
        },
      ],
      series: [{}, ...series().map(line)],
      hooks: {
        drawClear: [shade],
        draw: [veil],
        setCursor: [({ cursor }) => point(cursor.idx ?? null)],
      },
    };
  }

  function line({ stroke, fill, width = 1.75, bars }) {
    const paths = bars ? uPlot.paths.bars({ size: [1, Infinity, 1] }) : undefined;
    return { stroke, width, fill, paths, points: { show: false }, spanGaps: false };
  }

  /** What was lost is hatched, what failed is tinted: told apart without their colours. */
  function shade(u) {
    const { lost, failed } = colours();
    const { ctx } = u;
    for (const span of spans.failed) {
      ctx.fillStyle = failed;
      ctx.fillRect(...box(u, span));
    }
    for (const span of spans.lost) hatch(ctx, box(u, span), lost);
  }

  function box(u, [from, to]) {
    const { left, top, width, height } = u.bbox;
    const clamp = (x) => Math.min(Math.max(x, left), left + width);
    const [x0, x1] = [from, to].map((second) => clamp(u.valToPos(second, "x", true)));
    const least = LEAST_SPAN_PX * devicePixelRatio;
    const x = Math.max(left, Math.min(x0, left + width - least));
    return [x, top, Math.max(x1 - x0, least), height];
  }

  /** What is outside the chosen window steps back. */
  function veil(u) {
    if (!spans.window) return;
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const [x, , wide] = box(u, spans.window);
    const { veiled, window: edge } = colours();
    ctx.fillStyle = veiled;
    ctx.fillRect(left, top, x - left, height);
    ctx.fillRect(x + wide, top, left + width - x - wide, height);
    ctx.fillStyle = edge;
    for (const at of [x, x + wide]) ctx.fillRect(at - devicePixelRatio, top, 2 * devicePixelRatio, height);
  }

  function textSize() {
    return parseFloat(getComputedStyle(place).fontSize);
  }

  function size() {
    return { width: Math.max(place.clientWidth, 160), height: Math.max(place.clientHeight, 60) };
  }

  new ResizeObserver(() => {
    if (!chart) return;
    if (textSize() === em) chart.setSize(size());
    else make();
  }).observe(place);
  document.fonts?.ready.then(() => chart && make());
  return {
    show(columns, shaded) {
      data = columns;
      spans = shaded;
      if (chart && chart.series.length === columns.length) chart.setData(data);
      else make();
    },
    restyle() {
      if (chart) make();
    },
    /** Put the cursor on a point. */
    move(index) {
      if (!chart || !(index in data[0])) return;
      chart.setCursor({ left: chart.valToPos(data[0][index], "x"), top: 10 });
    },
    secondAt: (clientX) => chart?.posToVal(clientX - chart.over.getBoundingClientRect().left, "x"),
    span() {
      if (!chart) return [Infinity, -Infinity]; // nothing is drawn yet, and nowhere is inside
      const { left, right } = chart.over.getBoundingClientRect();
      return [left, right];
    },
  };
}

function hatch(ctx, [x, y, width, height], colour) {
  const step = HATCH_PX * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  for (let at = x - height; at < x + width; at += step) {
    ctx.moveTo(at, y + height);
    ctx.lineTo(at + height, y);
  }
  ctx.stroke();
  ctx.restore();
}

/** Seconds on the axis: with the date where they are more than a day apart, without seconds where they are minutes. */
function told(seconds) {
  const apart = seconds.length > 1 ? seconds[1] - seconds[0] : 1;
  return seconds.map((second) => clockTime(second, apart));
}
