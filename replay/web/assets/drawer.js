// The drawer: details of what is selected, at the cursor.
const tabs = [["why", "Why"], ["change", "Change"], ["manifest", "Manifest"], ["events", "Events"], ["compare", "Compare"], ["coverage", "Coverage"]];

function buildDrawer() {
  const list = el("div", { role: "tablist", "aria-label": "Details" }, tabs.map(([id, name]) => button(name, () => { S.tab = id; changed("selection"); }, { role: "tab", id: "tab-" + id, "aria-controls": "details", "aria-selected": "false", tabindex: -1 })));
  list.addEventListener("keydown", (e) => {
    const i = tabs.findIndex(([id]) => id === S.tab), by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!by) return;
    S.tab = tabs[(i + by + tabs.length) % tabs.length][0];
    changed("selection");
    byId("tab-" + S.tab).focus();
    e.preventDefault();
    e.stopPropagation();
  });
  return el("aside", { id: "drawer", "aria-label": "Details" }, list, el("h2", { id: "chosen" }), el("div", { role: "tabpanel", id: "details", tabindex: 0, "aria-live": "off" }));
}

const drawDrawer = later(90, async () => {
  if (S.view !== "incident" || !S.selected) return;
  for (const [id] of tabs) {
    byId("tab-" + id).setAttribute("aria-selected", String(id === S.tab));
    byId("tab-" + id).tabIndex = id === S.tab ? 0 : -1;
  }
  byId("details").setAttribute("aria-labelledby", "tab-" + S.tab);
  const panel = byId("details"), tab = S.tab, key = S.selected;
  const draw = { why: whyPanel, change: changePanel, manifest: manifestPanel, events: eventsPanel, compare: comparePanel, coverage: coveragePanel }[tab];
  byId("chosen").textContent = nameOf(tab === "why" ? whySubject() : tab === "compare" ? S.subject : key);
  try {
    const nodes = await draw(key);
    if (S.tab !== tab || S.selected !== key) return;
    panel.replaceChildren(...nodes.flat().filter(Boolean));
    byId("drawer").dataset.ready = tab;
  } catch (e) {
    if (e.name === "AbortError") return;
    panel.replaceChildren(el("p", { class: "note" }, String(e.message || e)));
  }
});
listen(["cursor", "selection", "view", "lanes"], drawDrawer);

function fieldTable(fields, more) {
  if (!fields.length) return null;
  const paths = fields.some((f) => f.path);
  return el("table", { class: "fields" }, el("thead", {}, el("tr", {}, (paths ? ["Field", "Before", "After"] : ["Before", "After"]).map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, fields.map((f) => el("tr", {}, paths ? el("td", { class: "path" }, f.path || "") : null, el("td", { class: "old" }, f.old === undefined ? "–" : f.old), el("td", { class: "new" }, f.new === undefined ? "–" : f.new))),
      more ? el("tr", {}, el("td", { colspan: 3 }, many(more, "more field"))) : null));
}

async function changePanel(key) {
  let seq = S.change;
  const lane = S.lanes && S.lanes.lanes.find((l) => l.o === key);
  const inLane = lane && lane.markers.some((m) => m.seq === seq);
  if (!seq || lane && !inLane && !log.lines.some((l) => l.seq === seq && (l.o === key || l.about === key))) {
    const m = lane && (lane.markers.findLast((x) => x.at <= S.t) || lane.markers[0]);
    if (!m) return [el("p", { class: "note" }, "Nothing was changed here while it was recorded.")];
    seq = m.seq;
  }
  const c = await source.get("change", { seq }, "drawer");
  return [
    el("p", { class: "lead" }, el("b", {}, nameOf(c.o || "")), " ", c.text),
    facts([
      ["When", exact(c.at) + (c.since ? ", at some time after " + clock(c.since) + ": nobody was listening" : "")],
      ["Who", c.who ? c.who + (c.how ? " (" + c.how + ")" : "") : c.verb === "Warning" || c.verb === "Normal" ? "" : "unknown: not in managedFields; the audit log has it"],
      ["Message", c.message], ["Event", "#" + c.seq],
    ]),
    fieldTable(c.fields, c.more),
    el("p", {}, button("Compare before and after", () => { S.ref = Math.max(S.overview.from, c.at - SECOND); setCursor(Math.min(S.overview.to, c.at + SECOND)); S.tab = "compare"; changed("selection", "cursor"); })),
    command("replay", "--at", "#" + c.seq),
  ];
}

const facts = (rows) => el("dl", { class: "facts" }, rows.filter((r) => r[1]).map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v))));

// word quotes an argument for a shell, if it needs it.
const word = (s) => /^[\w@%+=:,./-]+$/.test(s) ? s : "'" + s.replaceAll("'", "'\\''") + "'";
function command(...words) {
  const [kind, namespace, name] = S.subject.split("/");
  const line = ["svcspy", words[0], S.overview.file || "FILE", kind + "/" + (name || namespace), ...(name ? ["-n", namespace] : []), ...words.slice(1)].map(word).join(" ");
  return commandLine(line);
}
function commandLine(line) {
  const b = button("copy", () => copy(line, b), { class: "small" });
  return el("p", { class: "command" }, el("code", {}, line), " ", b);
}

async function eventsPanel(key) {
  const o = await source.get("object", { o: key, t: S.t }, "drawer");
  if (!o.events.length) return [el("p", { class: "note" }, "No Kubernetes Event about it was recorded up to " + clock(S.t) + ".")];
  return [el("table", { class: "events" }, el("thead", {}, el("tr", {}, ["Time", "Type", "Event"].map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, o.events.map((l) => el("tr", { class: "c-" + l.class }, el("td", {}, button(clock(l.at), () => setCursor(l.at), { class: "link" })), el("td", {}, l.class === "warning" ? "Warning" : "Normal"), el("td", {}, l.text)))))];
}

async function coveragePanel(key) {
  const o = await source.get("object", { o: key, t: S.t }, "drawer");
  const gaps = S.overview.gaps;
  return [
    facts([["Now", o.coverage]]),
    gaps.length ? el("table", {}, el("thead", {}, el("tr", {}, ["From", "To", "Not recorded"].map((h) => el("th", { scope: "col" }, h)))),
      el("tbody", {}, gaps.map((g) => el("tr", {}, el("td", {}, button(clock(g.from), () => setCursor(g.from), { class: "link" })), el("td", {}, clock(g.to)), el("td", {}, g.resources.join(", ") + (g.reason ? ": " + g.reason : ""))))))
      : el("p", {}, "The recording has no gap."),
    el("p", { class: "note" }, "A gap is shown hatched. What was not recorded is unknown, never absent."),
  ];
}
