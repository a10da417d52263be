// Figures for people. MB is 2^20 bytes, as the original memtap had it; the page says so in its notes.

import { locale } from "./language.js";

const MB = 2 ** 20;
const UNITS = ["bytes", "KB", "MB", "GB", "TB", "PB", "EB", "ZB"];
const made = new Map();

function number(options) {
  const key = locale() + JSON.stringify(options);
  if (!made.has(key)) made.set(key, new Intl.NumberFormat(locale(), { useGrouping: "always", ...options }));
  return made.get(key);
}

function clock(options) {
  const key = locale() + JSON.stringify(options);
  if (!made.has(key)) made.set(key, new Intl.DateTimeFormat(locale(), { hourCycle: "h23", ...options }));
  return made.get(key);
}

// A real minus sign is as wide as a figure: columns stay aligned.
const minus = (text) => text.replace("-", "−");

/** A count; number or BigInt. */
export function count(value) {
  return minus(number({ maximumFractionDigits: 0 }).format(value));
}

/** A count per second: small ones with one decimal. */
export function rate(value) {
  return number({ maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}

/** Bytes as MB of 2^20 with two decimals, without the unit. */
export function megabytes(bytes) {
  const value = Number(bytes) / MB;
  return minus(number({ minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value || 0));
}

/** The same, and nothing where nobody knows. */
export function megabytesIfKnown(bytes) {
  return bytes === null ? "" : megabytes(bytes);
}

/** Bytes to the byte: "12,345 bytes". */
export function exactBytes(bytes) {
  return `${count(bytes)} bytes`;
}

/** Bytes with the unit that leaves one to four digits before the point: ["1.38", "GB"]. */
export function sized(bytes, digits = 3) {
  let value = Number(bytes);
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const decimals = unit === 0 ? 0 : Math.max(0, digits - String(Math.trunc(Math.abs(value))).length);
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return [minus(number(options).format(value)), UNITS[unit]];
}

/** Bytes on an axis: "1.5 GB", "0". */
export function tick(bytes) {
  if (!bytes) return "0";
  const unit = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(bytes) / 10)));
  return `${number({ maximumFractionDigits: 1 }).format(bytes / 1024 ** unit)}\u00a0${UNITS[unit]}`;
}

/** A count on an axis: "12 k". */
export function tickCount(value) {
  if (value < 10_000) return minus(number({ maximumFractionDigits: 1 }).format(value));
  return number({ notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** A percentage of 100 with two decimals, without the sign. */
export function percent(value, decimals = 2) {
  return minus(
    number({ minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value || 0),
  );
}

/** A share of 1 as "12.3%", small ones told apart from none. */
export function share(value) {
  if (value > 0 && value < 0.001) return `<${number({ maximumFractionDigits: 1 }).format(0.1)}\u00a0%`;
  return `${percent(value * 100, 1)}\u00a0%`;
}

/** Time of day to the second; on another day the date and the minute. */
export function moment(us) {
  const date = new Date(Number(us) / 1000);
  const today = date.toDateString() === new Date().toDateString();
  if (today) return clock({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(date);
  const day = clock({ day: "numeric", month: "short" }).format(date);
  return `${day} ${clock({ hour: "2-digit", minute: "2-digit" }).format(date)}`;
}

/** Time of day to the millisecond. */
export function timeOfDay(us) {
  return precise(us, { hour: "2-digit", minute: "2-digit", second: "2-digit" }, 3);
}

/** Date and time to the microsecond, for tooltips. */
export function fullTime(us) {
  return precise(us, { dateStyle: "medium", timeStyle: "medium" }, 6);
}

/** A second on an axis whose marks are `apart` seconds from each other. */
export function clockTime(second, apart) {
  const date = new Date(second * 1000);
  if (apart >= 86_400) return clock({ day: "numeric", month: "short" }).format(date);
  if (apart < 60) return clock({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(date);
  const time = clock({ hour: "2-digit", minute: "2-digit" }).format(date);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0;
  return midnight ? clock({ day: "numeric", month: "short" }).format(date) : time;
}

/** "1 h 2 min", "67 s". */
export function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return `0\u00a0s`;
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${count(value)}\u00a0${unit}`)
    .join(" ");
}

function precise(us, options, digits) {
  const fraction = String(Number(us) % 1_000_000)
    .padStart(6, "0")
    .slice(0, digits);
  return `${clock(options).format(new Date(Number(us) / 1000))}.${fraction}`;
}
