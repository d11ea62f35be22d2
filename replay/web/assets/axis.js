// The axis: times that are round in the zone of the page, at a readable distance.
const steps = [1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY];

function ticks(from, to, width) {
  const most = Math.max(2, Math.floor(width / 90));
  const step = steps.find((s) => (to - from) / s <= most) || 30 * DAY;
  const all = [];
  for (let local = Math.ceil((from + ahead(from)) / step) * step; all.length < 100; local += step) {
    const guess = local - ahead(from), t = local - ahead(guess); // clocks may be changed between
    if (t > to) break;
    if (t >= from) all.push(t);
  }
  return { step, all };
}

// tickText is no longer than the distance of the ticks asks for.
function tickText(t, step) {
  if (step < SECOND) return exact(t);
  const text = clock(t);
  if (step >= DAY || step >= MINUTE && text === "00:00:00") return day(t).slice(5);
  return step >= MINUTE ? text.slice(0, 5) : text;
}

const across = (t, from, to, width) => (t - from) / Math.max(1, to - from) * width;

function drawAxis() {
  const node = byId("axis");
  const width = sizes.axis;
  if (!width) return;
  const { step, all } = ticks(S.from, S.to, width);
  const parts = [];
  for (const t of all) {
    const x = across(t, S.from, S.to, width);
    parts.push(svg("line", { class: "tick", x1: x, x2: x, y1: 18, y2: 24 }));
    parts.push(svg("text", { x: clamp(x, 26, width - 26), y: 13, "text-anchor": "middle" }, tickText(t, step)));
  }
  for (const m of S.overview.marks) {
    if (m.at < S.from || m.at > S.to) continue;
    const x = across(m.at, S.from, S.to, width);
    parts.push(svg("path", { class: "mark", d: `M${x} 14l5 5l-5 5l-5 -5z` }, svg("title", {}, clock(m.at) + " " + m.text + (m.by ? ` (${m.by})` : ""))));
  }
  node.replaceChildren(svg("svg", { width, height: 24, role: "presentation" }, parts));
}
listen(["time", "overview", "view"], drawAxis);

// wheel zooms around the pointer, and pans when it is turned sideways or with
// shift.
function wheelZoom(event, node) {
  const box = node.getBoundingClientRect();
  const at = S.from + (event.clientX - box.left) / box.width * (S.to - S.from);
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    const by = (event.deltaX || event.deltaY) / box.width * (S.to - S.from);
    setWindow(S.from + by, S.to + by);
  } else {
    zoom(Math.exp(clamp(event.deltaY, -200, 200) / 400), at);
  }
  event.preventDefault();
}
