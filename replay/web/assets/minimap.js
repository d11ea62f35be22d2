// The minimap: the whole recording with the density of events, what people and
// tools changed, outages and gaps, and the window (brush).
const minimap = { bins: null, drag: null };

const loadBins = later(60, async () => {
  const node = byId("minimap");
  if (!node || !node.clientWidth) return;
  try {
    minimap.bins = await source.get("bins", { n: clamp(Math.round(node.clientWidth / 4), 50, 400), ...filters(), from: S.overview.from, to: S.overview.to }, "bins");
    drawMinimap();
    if (!minimap.bins.ready) setTimeout(loadBins, 500);
  } catch (e) { complain(e); }
});

const mapHeight = 46;
function drawMinimap() {
  const node = byId("minimap");
  const width = node.clientWidth, o = S.overview;
  if (!width || S.view === "outages") return;
  const x = (t) => across(t, o.from, o.to, width);
  const parts = [];
  const b = minimap.bins;
  if (b) {
    const most = Math.max(1, ...b.all), w = width / b.all.length;
    for (let i = 0; i < b.all.length; i++) {
      if (!b.all[i]) continue;
      const bar = (n, cls) => n && parts.push(svg("rect", { class: cls, x: i * w, width: Math.max(1, w - 0.5), y: mapHeight - 8 - barHeight(n, most), height: barHeight(n, most) }));
      bar(b.all[i], "density");
      bar(b.warnings[i], "warnings");
      bar(b.writes[i], "writes");
    }
  }
  for (const g of o.gaps) parts.push(svg("rect", { class: "gap", x: x(g.from), width: Math.max(1, x(g.to) - x(g.from)), y: 0, height: mapHeight }, svg("title", {}, "not recorded: " + g.resources.join(", ") + " " + (g.reason || ""))));
  for (const s of o.outages.flatMap((i) => [i, ...(i.also || [])])) parts.push(svg("rect", { class: "down", x: x(s.from), width: Math.max(2, x(s.to) - x(s.from)), y: mapHeight - 7, height: 7 }, svg("title", {}, nameOf(s.o) + " " + s.state)));
  for (const m of o.marks) parts.push(svg("path", { class: "mark", d: `M${x(m.at)} 2l4 4l-4 4l-4 -4z` }, svg("title", {}, m.by ? `${m.text} (${m.by})` : m.text)));
  const left = x(S.from), right = x(S.to);
  parts.push(svg("rect", { class: "outside", x: 0, width: left, y: 0, height: mapHeight }), svg("rect", { class: "outside", x: right, width: Math.max(0, width - right), y: 0, height: mapHeight }));
  parts.push(svg("rect", { class: "brush", x: left, width: Math.max(2, right - left), y: 0.5, height: mapHeight - 1 }));
  parts.push(svg("rect", { class: "handle", x: left - 3, width: 6, y: 12, height: 20, rx: 2 }), svg("rect", { class: "handle", x: right - 3, width: 6, y: 12, height: 20, rx: 2 }));
  parts.push(svg("line", { class: "cursor", x1: x(S.t), x2: x(S.t), y1: 0, y2: mapHeight }));
  node.replaceChildren(svg("svg", { width, height: mapHeight, role: "img", "aria-label": "Minimap" }, svg("title", {}, "Minimap"), svg("desc", {}, mapWords()), parts));
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
