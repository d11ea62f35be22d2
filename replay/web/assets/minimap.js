// The minimap: the whole recording with the density of events, what people and
// tools changed, outages and gaps, and the window (brush).
const minimap = { bins: null, drag: null, key: null, parts: null };

const loadBins = later(60, async () => {
  const node = byId("minimap");
  if (!node || !node.clientWidth) return;
  try {
    minimap.bins = await source.get("bins", { n: clamp(Math.round(node.clientWidth / 4), 50, 400), ...filters(), from: S.overview.from, to: S.overview.to }, "bins");
    measure();
    drawMinimap();
    if (!minimap.bins.ready) setTimeout(loadBins, 500);
  } catch (e) { complain(e); }
});

const mapHeight = 46;
// What does not change while the window moves is drawn once: what moves is placed.
function drawMinimap() {
  const width = sizes.minimap, o = S.overview, b = minimap.bins;
  if (!width || S.view === "outages") return;
  const key = [width, b, o, zones.name];
  if (!minimap.key || key.some((k, i) => k !== minimap.key[i])) {
    minimap.key = key;
    buildMinimap(width);
  }
  const x = (t) => across(t, o.from, o.to, width), left = x(S.from), right = x(S.to), now = x(S.t);
  const place = (part, values) => { for (const [name, value] of Object.entries(values)) minimap.parts[part].setAttribute(name, value); };
  place("before", { width: Math.max(0, left) });
  place("after", { x: right, width: Math.max(0, width - right) });
  place("brush", { x: left, width: Math.max(2, right - left) });
  place("first", { x: left - 3 });
  place("last", { x: right - 3 });
  place("cursor", { x1: now, x2: now });
  minimap.parts.words.textContent = mapWords();
}

function buildMinimap(width) {
  const o = S.overview, b = minimap.bins, x = (t) => across(t, o.from, o.to, width), parts = [];
  if (b) {
    const most = Math.max(1, ...b.all), w = width / b.all.length, wide = Math.max(1, w - 0.5);
    const bars = (counts, kind) => {
      let d = "";
      counts.forEach((n, i) => { if (n) d += `M${(i * w).toFixed(2)} ${mapHeight - 8}v${(-barHeight(n, most)).toFixed(1)}h${wide.toFixed(2)}V${mapHeight - 8}z`; });
      if (d) parts.push(svg("path", { class: kind, d }));
    };
    bars(b.all, "density");
    bars(b.warnings, "warnings");
    bars(b.writes, "writes");
  }
  for (const g of o.gaps) parts.push(svg("rect", { class: "gap", x: x(g.from), width: Math.max(1, x(g.to) - x(g.from)), y: 0, height: mapHeight }, svg("title", {}, "not recorded: " + g.resources.join(", ") + " " + (g.reason || ""))));
  for (const s of o.outages.flatMap((i) => [i, ...(i.also || [])])) parts.push(svg("rect", { class: "down", x: x(s.from), width: Math.max(2, x(s.to) - x(s.from)), y: mapHeight - 7, height: 7 }, svg("title", {}, nameOf(s.o) + " " + s.state)));
  for (const m of o.marks) parts.push(svg("path", { class: "mark", d: `M${x(m.at)} 2l4 4l-4 4l-4 -4z` }, svg("title", {}, m.by ? `${m.text} (${m.by})` : m.text)));
  const p = minimap.parts = {
    before: svg("rect", { class: "outside", x: 0, y: 0, height: mapHeight }), after: svg("rect", { class: "outside", y: 0, height: mapHeight }),
    brush: svg("rect", { class: "brush", y: 0.5, height: mapHeight - 1 }),
    first: svg("rect", { class: "handle", width: 6, y: 12, height: 20, rx: 2 }), last: svg("rect", { class: "handle", width: 6, y: 12, height: 20, rx: 2 }),
    cursor: svg("line", { class: "cursor", y1: 0, y2: mapHeight }), words: svg("desc", {}),
  };
  byId("minimap").replaceChildren(svg("svg", { width, height: mapHeight, role: "img", "aria-label": "Minimap" }, svg("title", {}, "Minimap"), p.words, parts, p.before, p.after, p.brush, p.first, p.last, p.cursor));
}
// A single event is to be seen beside thousands: the height is logarithmic.
const barHeight = (n, most) => 3 + (mapHeight - 14) * Math.log1p(n) / Math.log1p(most);

function mapWords() {
  const o = S.overview;
  return `The whole recording, ${clock(o.from)} to ${clock(o.to)}; shown below is ${clock(S.from)} to ${clock(S.to)}. ${many(o.outages.length, "outage")}.`;
}

function mapPointer(event) {
  const node = byId("minimap"), box = node.getBoundingClientRect(), o = S.overview;
  const at = o.from + clamp((event.clientX - box.left) / box.width, 0, 1) * (o.to - o.from);
  const x = (t) => box.left + across(t, o.from, o.to, box.width);
  if (event.type === "pointerdown") {
    node.setPointerCapture(event.pointerId);
    const part = Math.abs(event.clientX - x(S.from)) < 8 ? "from" : Math.abs(event.clientX - x(S.to)) < 8 ? "to" : at > S.from && at < S.to && S.to - S.from < o.to - o.from ? "pan" : "new";
    minimap.drag = { part, at, from: S.from, to: S.to, moved: false };
    event.preventDefault();
    return;
  }
  const d = minimap.drag;
  if (!d) return;
  if (event.type === "pointermove") {
    if (!d.moved && Math.abs(event.clientX - x(d.at)) < 3) return;
    d.moved = true;
    if (d.part === "from") setWindow(Math.min(at, d.to - 20000), d.to);
    else if (d.part === "to") setWindow(d.from, Math.max(at, d.from + 20000));
    else if (d.part === "pan") setWindow(d.from + at - d.at, d.to + at - d.at);
    else setWindow(Math.min(d.at, at), Math.max(d.at, at));
    return;
  }
  minimap.drag = null;
  if (!d.moved) setCursor(at);
}

listen(["time", "cursor", "overview", "view"], drawMinimap);
listen(["filters", "overview", "view"], loadBins);
