// Registers the components and starts the feed; nothing else.

import { Banners } from "./components/banners/banners.js";
import { Calls } from "./components/calls/calls.js";
import { Compare } from "./components/compare/compare.js";
import { Empty } from "./components/empty/empty.js";
import { Figures } from "./components/figures/figures.js";
import { Header } from "./components/header/header.js";
import { Losses } from "./components/losses/losses.js";
import { Notes } from "./components/notes/notes.js";
import { Process } from "./components/process/process.js";
import { Processes } from "./components/processes/processes.js";
import { Shares } from "./components/shares/shares.js";
import { State } from "./components/state/state.js";
import { Timeline } from "./components/timeline/timeline.js";
import { tell } from "./lib/dom.js";
import { feed } from "./lib/feed.js";
import { language } from "./lib/language.js";
import { applyTheme, onTheme } from "./lib/theme.js";
import { view } from "./lib/view.js";

function applyLanguage() {
  document.documentElement.lang = language();
  tell(document);
}

applyTheme();
onTheme(applyTheme);
applyLanguage();
view.on(["lang"], applyLanguage);

customElements.define("memtap-header", Header);
customElements.define("memtap-banners", Banners);
customElements.define("memtap-empty", Empty);
customElements.define("memtap-figures", Figures);
customElements.define("memtap-timeline", Timeline);
customElements.define("memtap-shares", Shares);
customElements.define("memtap-processes", Processes);
customElements.define("memtap-compare", Compare);
customElements.define("memtap-process", Process);
customElements.define("memtap-calls", Calls);
customElements.define("memtap-notes", Notes);
customElements.define("memtap-losses", Losses);
customElements.define("memtap-state", State);

feed.start();
