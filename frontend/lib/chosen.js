// The selected process: asked for once, whoever shows it.

import { feed } from "./feed.js";
import { Resource } from "./resource.js";
import { view } from "./view.js";
import { WINDOW_KEYS, onWindowData, windowQuery } from "./window.js";

const of = (more, query = () => ({})) =>
  new Resource(() => {
    const process = view.get("process");
    return process ? [`api/v1/processes/${encodeURIComponent(process)}${more}`, query()] : null;
  });

/** Its facts. */
export const chosen = of("");

/** What it asked for in the chosen window, by kind of mapping. */
export const kinds = of("/kinds", windowQuery);

/** What /proc says of it now. */
export const proc = of("/proc");

feed.addEventListener("data", () => {
  chosen.refresh();
  proc.refresh();
});
onWindowData(() => kinds.refresh());
view.on(WINDOW_KEYS, () => kinds.reset());
view.on(["process"], () => [chosen, kinds, proc].forEach((resource) => resource.reset()));
