// The page before the first call: what will be here and how to get it there.

import { el, say, svg } from "../../lib/dom.js";
import { feed } from "../../lib/feed.js";

export class Empty extends HTMLElement {
  connectedCallback() {
    this.heading = el("h2", { say: "empty.waiting" });
    this.text = el("p", { say: "empty.waiting-text" });
    this.commands = el(
      "dl",
      {},
      ...["memtap run", "memtap ingest FILE", "memtap doctor"].flatMap((command) => [
        el("dt", {}, el("code", { text: command })),
        el("dd", { say: `empty.${command.split(" ")[1]}` }),
      ]),
    );
    this.append(
      el("section", { sayLabel: "empty.region" }, picture(), this.heading, this.text, this.commands),
    );
    feed.addEventListener("status", () => this.#update());
  }

  #update() {
    const waiting = ["starting", "running", "restarting"].includes(feed.status.tap.state);
    this.hidden = feed.hasCalls;
    document.body.classList.toggle("without-calls", !feed.hasCalls);
    say(this.heading, waiting ? "empty.waiting" : "empty.nothing");
    say(this.text, waiting ? "empty.waiting-text" : "empty.nothing-text");
    this.commands.hidden = waiting;
  }
}

function picture() {
  const bars = [18, 34, 26, 52, 40, 64, 30, 46, 22].map((height, at) =>
    svg("rect", { x: 8 + at * 16, y: 76 - height, width: 10, height, rx: 2 }),
  );
  return svg(
    "svg",
    { viewBox: "0 0 156 84", class: "picture", "aria-hidden": "true" },
    ...bars,
    svg("path", { d: "M2 78.5h152" }),
  );
}
