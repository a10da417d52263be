// uPlot, dressed: two lines over time, bytes per second, colours taken from the style sheet.

import uPlot from "../../vendor/uplot/uplot.js";
import { tick } from "../../lib/format.js";
import { locale } from "../../lib/language.js";

const POWERS_OF_2 = Array.from({ length: 70 }, (_, power) => 2 ** power);

/**
 * A chart in `place`. `colours()`, `text()`, `grid()` give colours of now; `point(index)` is told the second that is
 * pointed at, null for none. Returns {show([seconds, a, b]), restyle()}.
 */
export function lineChart(place, { colours, text, grid, point }) {
  let chart = null;
  let data = [[], [], []];
  let em = 0; // px of the chart's text

  const make = () => {
    chart?.destroy();
    chart = new uPlot(options(), data, place);
  };

  function options() {
    const [first, second] = colours();
    em = textSize();
    const axis = {
      stroke: text,
      font: `${em}px "Inter", system-ui, sans-serif`,
      ticks: { show: false },
      grid: { stroke: grid, width: 1 },
    };
    return {
      ...size(),
      padding: [em, em * 2.4, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { y: { range: (_, low, high) => [0, Math.max(high, 1) * 1.06] } },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: em * 2.5,
          space: em * 6.4,
          values: (_, seconds) => times(seconds),
        },
        {
          ...axis,
          size: em * 6,
          space: em * 2.6,
          incrs: POWERS_OF_2,
          values: (_, values) => values.map(tick),
        },
      ],
      series: [
        {},
        { stroke: first, width: 1.75, fill: faded(first, 0.14), points: { show: false } },
        { stroke: second, width: 1.75, points: { show: false } },
      ],
      hooks: { setCursor: [({ cursor }) => point(cursor.idx ?? null)] },
    };
  }

  function textSize() {
    return parseFloat(getComputedStyle(place).fontSize);
  }

  function size() {
    return { width: Math.max(place.clientWidth, 200), height: Math.max(place.clientHeight, 120) };
  }

  new ResizeObserver(() => {
    if (!chart) return;
    if (textSize() === em) chart.setSize(size());
    else make();
  }).observe(place);
  document.fonts?.ready.then(() => chart && make());
  return {
    show(columns) {
      data = columns;
      if (chart) chart.setData(data);
      else make();
    },
    restyle() {
      if (chart) make();
    },
  };
}

function times(seconds) {
  const format = new Intl.DateTimeFormat(locale(), {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  return seconds.map((second) => format.format(second * 1000));
}

/** An rgb() colour with less of it. */
function faded(colour, part) {
  return colour.replace(/^rgb\(/, "rgba(").replace(/\)$/, `, ${part})`);
}
