// The lanes: one row for each object that can matter to the subject, grouped by
// what it is to it. Only rows that can be seen are drawn.
const groupNames = { cause: "What caused it", service: "The Service", workloads: "Workloads", pods: "Pods", nodes: "Nodes", config: "Configuration", network: "Network", other: "Other objects" };
const lanes = { rows: [], folded: new Set(), seen: new Set(), loaded: "" };

function filters() {
  const classes = ["write", "created", "deleted", "warning", "event"].concat(S.controllers ? ["controller", "status", "listed", "stream", "heartbeat"] : []);
  return { q: S.q, ns: S.ns, kind: S.kind, who: S.who, only: S.only && S.view === "incident" ? S.subject : "", classes: classes.join(",") };
}

const loadLanes = later(80, async () => {
  if (S.view !== "incident" || !S.subject) return;
  const whole = S.lanes && S.lanes.o === S.subject && S.lanes.exact && lanes.loaded === S.subject + " " + S.overview.last;
  if (whole) return;
  const seen = S.lanes && S.lanes.o === S.subject;
  try {
    const wide = S.to - S.from, from = seen ? S.from - wide / 2 : S.overview.from, to = seen ? S.to + wide / 2 : S.overview.to;
    const at = outageAt();
    S.lanes = await source.get("lanes", { o: S.subject, t: at ? at.worstAt : S.t, from: Math.round(Math.max(from, S.overview.from)), to: Math.round(Math.min(to, S.overview.to)) }, "lanes");
    lanes.loaded = S.lanes.from <= S.overview.from && S.lanes.to >= S.overview.to ? S.subject + " " + S.overview.last : "";
    changed("lanes");
  } catch (e) { complain(e); }
});

const watcher = new IntersectionObserver((entries) => {
  for (const e of entries) {
    const row = lanes.rows.find((r) => r.picture === e.target);
    if (!row) continue;
    if (e.isIntersecting) { lanes.seen.add(row); drawLane(row); } else lanes.seen.delete(row);
  }
});

function laneMatches(l) {
  if (S.ns && l.ns && l.ns !== S.ns) return false;
  if (S.kind && l.kind !== S.kind) return false;
  return !S.q || (l.o + " " + l.markers.map((m) => m.text + " " + m.who).join(" ") + " " + l.spans.map((s) => s.state + " " + s.note).join(" ")).toLowerCase().includes(S.q.toLowerCase());
}

function buildLanes() {
  const grid = byId("lanes");
  watcher.disconnect();
  lanes.rows = [];
  lanes.seen.clear();
  if (!S.lanes || S.view !== "incident") { grid.replaceChildren(); return; }
  const parts = [];
  let group = "";
  for (const l of S.lanes.lanes.filter(laneMatches)) {
    if (l.group !== group) {
      group = l.group;
      const name = group, n = S.lanes.lanes.filter((x) => x.group === name).length;
      parts.push(el("div", { role: "row", class: "group" }, el("div", { role: "rowheader", "aria-colspan": 2 },
        button((lanes.folded.has(name) ? "▸ " : "▾ ") + groupNames[name] + " (" + n + ")", () => { lanes.folded.has(name) ? lanes.folded.delete(name) : lanes.folded.add(name); buildLanes(); }, { "aria-expanded": String(!lanes.folded.has(name)) }))));
    }
    if (lanes.folded.has(group)) continue;
    const row = { lane: l };
    row.state = el("span", { class: "now" });
    row.head = el("div", { role: "rowheader", class: "name", title: nameOf(l.o) },
      el("span", { class: "title" }, l.role ? el("span", { class: "role " + l.role }, l.role) : null, el("span", { class: "kind" }, (kindNames[l.o.split("/")[0]] || l.kind) + " "), el("b", {}, l.name)), row.state);
    row.picture = el("div", { role: "gridcell", class: "picture", tabindex: -1, on: { click: (e) => laneClick(e, row), focus: () => { if (S.selected !== l.o) select(l.o); } } });
    row.node = el("div", { role: "row", class: "lane" + (l.group === "cause" ? " culprit" : ""), "data-o": l.o }, row.head, row.picture);
    row.head.addEventListener("click", () => { select(l.o); });
    lanes.rows.push(row);
    parts.push(row.node);
  }
  if (S.lanes.more) parts.push(el("p", { class: "note" }, many(S.lanes.more, "more object") + " without a lane: filter for them in the log"));
  if (!lanes.rows.length) parts.push(el("p", { class: "note" }, "No lane passes the filters."));
  grid.replaceChildren(...parts);
  measure();
  lanes.rows.forEach((r, i) => {
    drawCursor(r);
    if (i < 40) { lanes.seen.add(r); drawLane(r); } // at once; the watcher sees to the others
    watcher.observe(r.picture);
  });
  markSelected();
}

const glyphs = {
  write: (x) => svg("path", { class: "glyph write", d: `M${x - 5} 1h10l-5 8z` }),
  created: (x) => svg("path", { class: "glyph created", d: `M${x - 5} 9h10l-5 -8z` }),
  deleted: (x) => svg("path", { class: "glyph deleted", d: `M${x - 4} 1l8 8M${x + 4} 1l-8 8` }),
  warning: (x) => svg("path", { class: "glyph warning", d: `M${x} 0l5 9h-10z` }),
  controller: (x) => svg("line", { class: "glyph controller", x1: x, x2: x, y1: 4, y2: 9 }),
};

function drawLane(row) {
  const width = sizes.lanes;
  if (!width) return;
  const { from, to } = S, l = row.lane, x = (t) => across(t, from, to, width);
  const parts = [], top = 11, height = 15;
  for (const s of l.spans) {
    if (s.to < from || s.from > to) continue;
    const left = Math.max(-2, x(s.from)), w = Math.max(1.5, Math.min(width + 2, x(s.to)) - left);
    parts.push(svg("rect", { class: s.tone, x: left, width: w, y: top, height }, svg("title", {}, `${clock(s.from)} to ${clock(s.to)} ${s.state}${s.note ? " (" + s.note + ")" : ""}`)));
    if (s.gap) parts.push(svg("rect", { class: "gap", x: left, width: w, y: top, height }));
    const words = s.note && s.tone !== "good" && s.tone !== "change" ? s.state + ": " + s.note : s.state;
    const text = w > 7 * words.length ? words : w > 7 * s.state.length ? s.state : "";
    if (text && s.tone !== "plain") parts.push(svg("text", { class: s.tone + "-ink", x: Math.max(left, 0) + 5, y: top + 11.5 }, text));
  }
  let last = -100;
  for (const m of l.markers) {
    if (m.at < from || m.at > to || m.class === "controller" && !S.controllers) continue;
    const at = x(m.at), draw = glyphs[m.class];
    if (!draw || m.class === "controller" && at - last < 3) continue;
    last = at;
    const g = draw(at);
    g.append(svg("title", {}, `${clock(m.at)} ${m.text || m.class}${m.who ? " by " + m.who : ""}${m.n > 1 ? " (" + m.n + " here)" : ""}`));
    g.dataset.seq = m.seq;
    parts.push(g);
  }
  row.lines = [svg("line", { class: "cursor", y1: 0, y2: 30 }), svg("line", { class: "reference", y1: 0, y2: 30 })];
  row.picture.replaceChildren(svg("svg", { width, height: 30, "aria-hidden": "true" }, parts, row.lines));
  drawCursor(row);
}

const spanAt = (l, t) => l.spans.findLast((s) => s.from <= t && t <= s.to && (t < s.to || s === l.spans[l.spans.length - 1]));

function drawCursor(row) {
  const width = sizes.lanes, span = spanAt(row.lane, S.t);
  const words = span ? span.state + (span.note && span.tone !== "good" ? ": " + span.note : "") : "not there";
  if (row.words !== words) {
    row.words = words;
    row.state.textContent = words;
    row.state.className = "now " + (span ? span.tone : "absent");
  }
  const label = `${nameOf(row.lane.o)}: ${words} at ${clock(S.t)}`;
  if (row.label !== label) row.picture.setAttribute("aria-label", row.label = label);
  if (!row.lines) return;
  const place = (line, t) => {
    const x = t === null ? -10 : across(t, S.from, S.to, width);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  };
  place(row.lines[0], S.t);
  place(row.lines[1], S.ref);
}

function laneClick(event, row) {
  const box = row.picture.getBoundingClientRect();
  const seq = Number(event.target.closest?.("[data-seq]")?.dataset.seq || 0);
  const marker = seq && row.lane.markers.find((m) => m.seq === seq);
  row.picture.focus({ preventScroll: true });
  if (marker) { showChange(row.lane.o, marker.seq, marker.at); return; }
  setCursor(S.from + (event.clientX - box.left) / box.width * (S.to - S.from));
  select(row.lane.o);
}

function showChange(key, seq, at) {
  S.change = seq;
  setCursor(at);
  select(key, "change");
  if (innerWidth <= 700) byId("drawer").scrollIntoView({ block: "start" });
}

function markSelected() {
  let any = false;
  for (const r of lanes.rows) {
    const is = r.lane.o === S.selected;
    any = any || is;
    r.node.setAttribute("aria-selected", String(is));
    r.picture.tabIndex = is ? 0 : -1;
  }
  if (!any && lanes.rows.length) lanes.rows[0].picture.tabIndex = 0;
}

// Arrow keys: up and down go to other lanes, left and right move the cursor, with
// ctrl to what happened to this object.
function laneKey(event) {
  const i = lanes.rows.findIndex((r) => r.picture === document.activeElement);
  if (i < 0) return;
  const go = (n) => { const r = lanes.rows[clamp(n, 0, lanes.rows.length - 1)]; r.picture.focus(); r.node.scrollIntoView({ block: "nearest" }); };
  const l = lanes.rows[i].lane, step = (S.to - S.from) / 100;
  const edges = [...l.spans.map((s) => s.from), ...l.markers.map((m) => m.at)].sort((a, b) => a - b);
  const keys = {
    ArrowUp: () => go(i - 1), ArrowDown: () => go(i + 1), PageUp: () => go(i - 10), PageDown: () => go(i + 10),
    ArrowLeft: () => setCursor(event.ctrlKey ? edges.findLast((t) => t < S.t) ?? S.t : S.t - step),
    ArrowRight: () => setCursor(event.ctrlKey ? edges.find((t) => t > S.t) ?? S.t : S.t + step),
    Enter: () => {
      const m = l.markers.filter((x) => Math.abs(x.at - S.t) <= step * 2).sort((a, b) => Math.abs(a.at - S.t) - Math.abs(b.at - S.t))[0];
      if (m) showChange(l.o, m.seq, m.at); else select(l.o, "manifest");
      byId("drawer").querySelector("[role=tabpanel]").focus();
    },
  };
  if (!keys[event.key] || event.altKey || event.metaKey || event.shiftKey) return;
  keys[event.key]();
  event.preventDefault();
  event.stopPropagation();
}

function drawLanes() { lanes.seen.forEach(drawLane); }
listen(["lanes"], buildLanes);
listen(["filters", "view"], () => { if (S.lanes) buildLanes(); });
listen(["time"], drawLanes);
listen(["cursor"], () => { lanes.rows.forEach(drawCursor); announce(); });
listen(["selection"], () => { markSelected(); announce(); });
listen(["time", "view"], loadLanes);

// The live region says what the cursor is on.
const announce = later(250, () => {
  if (S.view !== "incident" || !S.lanes) return;
  const subject = S.lanes.lanes.find((l) => l.o === S.subject), chosen = S.lanes.lanes.find((l) => l.o === S.selected);
  const words = (l) => { const s = l && spanAt(l, S.t); return l ? nameOf(l.o) + " " + (s ? s.state : "not there") : ""; };
  say(clock(S.t) + ": " + [words(subject), chosen !== subject ? words(chosen) : ""].filter(Boolean).join(", "));
});
