// The selected process, with its history: asked for once, whoever shows it.

import { feed } from "./feed.js";
import { Resource } from "./resource.js";
import { view } from "./view.js";

export const chosen = new Resource(() => {
  const process = view.get("process");
  return process ? [`api/v1/processes/${encodeURIComponent(process)}`, {}] : null;
});

feed.addEventListener("data", () => chosen.refresh());
view.on(["process"], () => chosen.reset());
