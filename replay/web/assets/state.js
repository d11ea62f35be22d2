// What is looked at, and its address. Everything that draws listens here.
const S = {
  view: "outages", // or incident, changes
  subject: "", selected: "", tab: "why", change: 0,
  t: 0, from: 0, to: 0, ref: null,
  q: "", ns: "", kind: "", who: "", only: true, controllers: false,
  follow: false, playing: false, speed: 1,
  overview: null, lanes: null,
};
let source = remote;
const listeners = [];
const listen = (what, draw) => listeners.push([what, draw]);

// changed redraws what depends on the given parts of the state: view, time
// (window), cursor, selection, filters, lanes, overview.
const dirty = new Set();
function changed(...parts) {
  if (!dirty.size) requestAnimationFrame(redraw);
  parts.forEach((p) => dirty.add(p));
}
function redraw() {
  const parts = new Set(dirty);
  dirty.clear();
  const began = performance.now();
  measure();
  for (const [what, draw] of listeners) if (what.some((w) => parts.has(w))) draw(parts);
  frames.push(performance.now() - began);
  if (frames.length > 500) frames.shift();
  remember();
}
// sizes are the widths of what is drawn. They are read before a drawing changes
// anything: to read one after a change makes the browser lay the page out again.
const sizes = { axis: 0, minimap: 0, lanes: 0 };
function measure() {
  sizes.axis = byId("axis").clientWidth;
  sizes.minimap = byId("minimap").clientWidth;
  if (lanes.rows.length) sizes.lanes = lanes.rows[0].picture.clientWidth;
}
const frames = []; // how long the last drawings took, for tests

function say(text) {
  const live = byId("live");
  if (live && live.textContent !== text) live.textContent = text;
}
function complain(error) {
  if (error.name === "AbortError") return;
  const toast = byId("toast");
  toast.textContent = String(error.message || error);
  toast.hidden = false;
  clearTimeout(complain.timer);
  complain.timer = setTimeout(() => { toast.hidden = true; }, 6000);
}

function setCursor(t, options) {
  t = Math.round(clamp(t, S.overview.from, S.overview.to));
  if (t === S.t) return;
  S.t = t;
  if (!(options && options.follow)) S.follow = false;
  if (t < S.from || t > S.to) {
    const half = (S.to - S.from) / 2;
    setWindow(t - half, t + half);
  }
  changed("cursor");
}

function setWindow(from, to) {
  const least = S.overview.from, most = S.overview.to;
  let length = clamp(to - from, Math.min(20000, most - least), most - least);
  from = clamp(from, least, most - length);
  S.from = Math.round(from);
  S.to = Math.round(from + length);
  changed("time");
}

function zoom(factor, around) {
  const at = around === undefined ? clamp(S.t, S.from, S.to) : around;
  setWindow(at - (at - S.from) * factor, at + (S.to - at) * factor);
}

// fit shows an outage with some of the time around it.
function fit(outage) {
  const length = Math.max(outage.to - outage.from, SECOND);
  setWindow(outage.from - length * 0.6, outage.to + length * 0.6);
}

function select(key, tab) {
  S.selected = key;
  if (tab) S.tab = tab;
  changed("selection");
}

function openIncident(outage) {
  S.view = "incident";
  S.subject = outage.o;
  S.selected = outage.o;
  S.tab = "why";
  S.change = outage.trigger ? outage.trigger.seq : 0;
  S.t = outage.worstAt;
  fit(outage);
  changed("view", "time", "cursor", "selection", "filters");
}

const outagesOf = (key) => S.overview.outages.flatMap((o) => [o, ...(o.also || []).map((a) => ({ ...a, what: o.what, trigger: o.trigger, recovery: o.recovery }))]).filter((o) => o.o === key);

// outageAt is the outage of the subject that the cursor is in, or the nearest.
function outageAt() {
  const all = outagesOf(S.subject);
  const away = (o) => S.t < o.from ? o.from - S.t : Math.max(0, S.t - o.to);
  return all.sort((a, b) => away(a) - away(b))[0];
}

// The address holds what is looked at, so that it can be sent to somebody.
function address() {
  const p = new URLSearchParams();
  if (S.view !== "incident") p.set("v", S.view);
  if (S.subject) p.set("o", S.subject);
  if (S.view !== "outages") {
    p.set("t", iso(S.t));
    if (S.from > S.overview.from || S.to < S.overview.to) p.set("w", iso(S.from) + "~" + iso(S.to));
    if (S.ref !== null) p.set("r", iso(S.ref));
    if (S.selected && S.selected !== S.subject) p.set("s", S.selected);
    if (S.tab !== "why") p.set("tab", S.tab);
    if (S.tab === "change" && S.change) p.set("e", S.change);
    for (const name of ["q", "ns", "kind", "who"]) if (S[name]) p.set(name, S[name]);
    if (!S.only) p.set("all", "1");
    if (S.controllers) p.set("c", "1");
  }
  return "#" + p.toString().replaceAll("%2F", "/").replaceAll("%3A", ":");
}
const remember = later(150, () => {
  if (S.overview && S.overview.surveyed && location.hash !== address()) history.replaceState(null, "", address());
});

// readAddress goes where the address says; false if it names nothing that is here.
function readAddress() {
  const p = new URLSearchParams(location.hash.slice(1));
  const t = instant(p.get("t"));
  if (!p.get("o") && !p.get("v")) return false;
  S.view = ["outages", "changes"].includes(p.get("v")) ? p.get("v") : "incident";
  S.subject = (p.get("o") || "").replace(/^services?\//, "svc/");
  if (S.view === "incident" && !S.subject) return false;
  S.from = S.overview.from;
  S.to = S.overview.to;
  const worst = outagesOf(S.subject)[0];
  S.t = clamp(t ?? (worst ? worst.worstAt : S.overview.to), S.overview.from, S.overview.to);
  S.follow = t === undefined && !worst && !S.overview.recording.closed;
  const w = (p.get("w") || "").split("~").map(instant);
  if (w.length === 2 && w[0] !== undefined && w[1] !== undefined) setWindow(w[0], w[1]);
  else if (worst) fit(worst);
  if (S.t < S.from || S.t > S.to) setWindow(S.overview.from, S.overview.to);
  S.ref = instant(p.get("r")) ?? null;
  S.selected = p.get("s") || S.subject;
  S.tab = ["change", "manifest", "events", "compare", "coverage"].includes(p.get("tab")) ? p.get("tab") : "why";
  S.change = Number(p.get("e")) || 0;
  for (const name of ["q", "ns", "kind", "who"]) S[name] = p.get(name) || "";
  S.only = p.get("all") !== "1";
  S.controllers = p.get("c") === "1";
  changed("view", "time", "cursor", "selection", "filters");
  return true;
}
