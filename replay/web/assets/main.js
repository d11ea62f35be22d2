// The page, and how it comes to life.
function build() {
  const choice = (id, label, name) => el("label", {}, el("span", {}, label), el("select", { id, on: { change: (e) => { S[name] = e.target.value; changed("filters"); } } }));
  const check = (id, label, name) => el("label", { class: "check" }, el("input", { type: "checkbox", id, on: { change: (e) => { S[name] = e.target.checked; changed("filters", "time"); } } }), label);
  const setText = later(200, () => { S.q = byId("q").value.trim(); log.found = 0; byId("found").textContent = ""; changed("filters"); });
  const go = (view, label) => button(label, () => {
    S.view = view;
    if (view === "incident" && !S.subject) { const o = S.overview.outages[0] || S.overview.services[0]; if (!o) return; S.overview.outages[0] ? openIncident(o) : openService(o.o); }
    if (view === "changes" && S.to <= S.from) setWindow(S.overview.from, S.overview.to);
    changed("view", "time", "filters", "cursor");
  }, { id: "go-" + view });
  byId("app").replaceChildren(
    el("header", { id: "top" }, el("h1", { id: "file" }), el("nav", { "aria-label": "Views" }, go("outages", "Outages"), go("incident", "Timeline"), go("changes", "What changed")),
      el("div", { class: "badges", id: "badges" }), el("div", { class: "tools" }, button("UTC", cycleZone, { id: "zone", title: "Time zone (z)" }), button("copy link", () => copy(location.href, byId("link")), { id: "link" }), button("?", () => byId("help").showModal(), { "aria-label": "Keys and symbols" }))),
    el("section", { id: "overview", "aria-label": "Outages" }), el("section", { id: "hero", "aria-label": "The outage", hidden: true }),
    el("section", { id: "time", "aria-label": "Time", hidden: true },
      el("div", { id: "minimap" }), el("div", { class: "zoom" }, button("Zoom in", () => zoom(0.6)), button("Zoom out", () => zoom(1 / 0.6)), button("Outage", () => { const o = outageAt(); if (o) fit(o); }), button("Whole recording", () => setWindow(S.overview.from, S.overview.to)), el("span", { id: "window", class: "soft" }))),
    el("section", { id: "filters", "aria-label": "Filters", hidden: true },
      el("label", { class: "search" }, el("span", {}, "Search"), el("input", { id: "q", type: "search", placeholder: "OOMKilled, web-1, kubectl…", on: { input: setText, keydown: (e) => { if (e.key === "Enter") { S.q = e.target.value.trim(); changed("filters"); find(e.shiftKey); } if (e.key === "Escape") e.target.blur(); } } })),
      button("Next hit", () => find(false)), button("Previous hit", () => find(true)), el("span", { id: "found", role: "status", class: "soft" }),
      choice("ns", "Namespace", "ns"), choice("kind", "Kind", "kind"), choice("who", "Who", "who"), check("only", "only what matters to the subject", "only"), check("controllers", "controllers, too", "controllers")),
    el("div", { id: "split", hidden: true }, el("div", { id: "board" }, el("div", { id: "picture" }, el("div", { class: "scale" }, el("span", { class: "soft" }, "Objects"), el("div", { id: "axis" })),
      el("div", { id: "lanes", role: "grid", "aria-label": "Objects over time", on: { keydown: laneKey } })),
    el("section", { id: "log", "aria-labelledby": "log-title" }, el("h2", { id: "log-title" }), el("div", { id: "log-pane", tabindex: 0, role: "region", "aria-labelledby": "log-title" }, button("Earlier events", loadEarlier, { id: "earlier", hidden: true }),
      el("table", {}, el("thead", {}, el("tr", {}, ["Time", "Kind", "Object", "What", "Who", "Event"].map((h) => el("th", { scope: "col" }, h)))), el("tbody", { id: "log-rows" }))))), buildDrawer()),
    el("footer", { id: "play", hidden: true }, button("▶ Play", togglePlay, { id: "playing" }), button("−", () => faster(0.5), { "aria-label": "Slower" }), el("span", { id: "speed" }, "1×"), button("+", () => faster(2), { "aria-label": "Faster" }),
      button("◀ change", () => previous(edges(true))), button("change ▶", () => next(edges(true))), button("◀ verdict", () => previous(edges(false)), { class: "more" }), button("verdict ▶", () => next(edges(false)), { class: "more" }), button("Set reference", setReference, { class: "more" }), button("Mark", askMark, { id: "add-mark" }), el("span", { id: "now" })),
    el("div", { id: "live", role: "status", "aria-live": "polite", class: "unseen" }), el("p", { id: "toast", role: "alert", hidden: true }),
    el("dialog", { id: "help", "aria-labelledby": "help-title" }, el("h2", { id: "help-title" }, "Keys and symbols"), el("ul", { class: "legend" }, ["good", "poor", "bad", "change", "unknown", "gap"].map((t) => el("li", {}, el("span", { class: "swatch " + t }), { good: "serving, ready", poor: "degraded, not ready", bad: "not serving, failing", change: "coming or going", unknown: "unknown", gap: "not recorded" }[t])), [["▼", "a person or a tool changed it"], ["▲", "created"], ["✕", "deleted"], ["⚠", "Kubernetes Warning"], ["◆", "mark"]].map(([s, t]) => el("li", {}, s + " " + t))),
      el("dl", { class: "keys" }, keys.map(([k, what]) => el("div", {}, el("dt", {}, el("kbd", {}, { " ": "space", ArrowRight: "→", ArrowLeft: "←" }[k] || k)), el("dd", {}, what)))), el("p", {}, "In the lanes: arrows go to other objects and move the cursor, with ctrl to what happened to this one; Enter opens its details. The wheel zooms over the minimap and the axis, and with ctrl over the lanes."), el("form", { method: "dialog" }, el("button", {}, "Close"))),
    el("dialog", { id: "mark-dialog", "aria-labelledby": "mark-when" }, el("form", { on: { submit: addMark } }, el("h2", { id: "mark-when" }), el("label", {}, "What happened ", el("input", { id: "mark-text", maxlength: 500, required: true, autocomplete: "off" })), el("p", {}, el("button", { class: "primary" }, "Add the mark"), " ", button("Cancel", () => byId("mark-dialog").close())))));
  const map = byId("minimap");
  for (const e of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) map.addEventListener(e, mapPointer);
  map.addEventListener("wheel", (e) => wheelZoom(e, byId("axis").clientWidth ? byId("axis") : map), { passive: false });
  byId("axis").addEventListener("wheel", (e) => wheelZoom(e, byId("axis")), { passive: false });
  byId("axis").addEventListener("click", (e) => { const b = byId("axis").getBoundingClientRect(); setCursor(S.from + (e.clientX - b.left) / b.width * (S.to - S.from)); });
  byId("lanes").addEventListener("wheel", (e) => { if (e.ctrlKey || e.metaKey || e.shiftKey) wheelZoom(e, byId("axis")); }, { passive: false });
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", () => { if (location.hash !== address()) readAddress(); });
  new ResizeObserver(() => changed("time")).observe(byId("app"));
}

function drawTop() {
  const o = S.overview, r = o.recording;
  byId("file").textContent = o.file || "svcspy";
  document.title = (S.view === "incident" && S.subject ? S.subject.replace(/^svc\//, "") + " · " : "") + (o.file || "svcspy");
  const badges = [r.redaction.policy === "none" ? ["NOT REDACTED", "bad"] : ["REDACTED", "good"], o.gaps.length ? [many(o.gaps.length, "gap"), "poor"] : ["no gaps", "good"]];
  if (!r.closed && !o.exported) badges.push([o.live === false ? "not sealed" : "LIVE", "change"]);
  if (o.exported) badges.push(["exported", "unknown"]);
  if (o.indexed.done < o.indexed.total) badges.push([`reading ${Math.floor(o.indexed.done / o.indexed.total * 100)} %`, "change"]);
  byId("badges").replaceChildren(...badges.map(([text, tone]) => el("span", { class: "pill " + tone }, text)), o.left ? el("span", { class: "soft" }, o.left) : "");
  byId("add-mark").hidden = !o.canMark;
  const options = (id, values, any) => byId(id).replaceChildren(el("option", { value: "" }, any), ...values.map((v) => el("option", { value: v }, v)));
  options("ns", o.namespaces || [], "all");
  options("kind", o.kinds || [], "all");
  options("who", o.who || [], "anybody");
}
function drawFilters() {
  if (document.activeElement !== byId("q")) byId("q").value = S.q;
  for (const id of ["ns", "kind", "who"]) byId(id).value = S[id];
  byId("only").checked = S.only;
  byId("controllers").checked = S.controllers;
}
listen(["overview", "view"], drawTop);
listen(["overview", "filters", "view"], drawFilters);
listen(["time"], () => { byId("window").textContent = `${clock(S.from)}–${clock(S.to)} (${lasting(S.to - S.from)})`; });

// keepUp follows a recording that is being written.
async function keepUp() {
  while (S.overview.indexed.done < S.overview.indexed.total) { // a long recording is still being read
    await new Promise((done) => setTimeout(done, 500));
    try { S.overview = await source.get("recording"); } catch { continue; }
    changed("overview");
  }
  for (;;) {
    let g;
    try { g = await source.get("wait", { after: S.overview.last }); } catch { await new Promise((done) => setTimeout(done, 5000)); continue; }
    if (!g.live && g.last === S.overview.last && g.surveyed >= g.last) { S.overview.live = false; drawTop(); return; }
    const before = new Map(S.overview.outages.map((o) => [o.o, o.state + o.over]));
    const end = S.overview.to;
    try { S.overview = await source.get("recording"); } catch { continue; }
    for (const o of S.overview.outages) if (before.get(o.o) !== o.state + o.over) complain(new Error(nameOf(o.o) + (o.over ? " is well again" : " became " + o.state)));
    if (S.to >= end) setWindow(S.from + (S.follow ? S.overview.to - end : 0), S.overview.to);
    if (S.follow) setCursor(S.overview.to, { follow: true });
    lanes.loaded = "";
    if (S.overview.zone) S.overview.zone = S.overview.zone.replace(/^Etc\//, "");
    changed("overview", "time");
    await new Promise((done) => setTimeout(done, 1000));
  }
}

async function start() {
  const data = byId("data");
  if (data) source = inside(await unpack(data.textContent));
  S.overview = await source.get("recording");
  if (S.overview.zone) zones.name = S.overview.zone = S.overview.zone.replace(/^Etc\//, "");
  build();
  byId("zone").textContent = zones.name;
  byId("app").removeAttribute("aria-busy");
  setWindow(S.overview.from, S.overview.to);
  changed("overview", "view");
  while (!S.overview.surveyed && !S.overview.failed) {
    S.overview = await source.get("recording", { wait: 1 });
    changed("overview");
  }
  if (!readAddress() && S.overview.outages.length === 1) openIncident(S.overview.outages[0]);
  changed("overview", "view");
  byId("app").dataset.ready = "true";
  if (!data) keepUp();
}
start().catch((e) => { byId("app").replaceChildren(el("h1", {}, "svcspy"), el("p", { role: "alert" }, "The recording cannot be shown: " + (e.message || e))); });
