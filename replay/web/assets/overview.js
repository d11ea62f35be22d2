// The first screen: what broke, when and for how long, who, and what now.
function cardOf(o, hero) {
  const range = o.over ? `${clock(o.from)}–${clock(o.to)} ${zones.name}` : `since ${clock(o.from)} ${zones.name}, until the recording ends`;
  const length = o.times > 1 ? `${o.times} times, ${lasting(o.seconds * SECOND)} in all` : lasting((o.worst || o.seconds) * SECOND) + (o.worst && lasting(o.worst * SECOND) !== lasting(o.seconds * SECOND) ? " of " + lasting(o.seconds * SECOND) : "");
  const title = [nameOf(o.o), " ", el("span", { class: "pill " + toneOf(o.state) }, o.state), (o.times > 1 ? " " : " for ") + length];
  const link = (d) => [el("span", {}, clock(d.at) + " " + d.text), " ", hero ? button("show", () => showChange(S.lanes?.lanes.find((l) => l.markers.some((m) => m.seq === d.seq))?.o || S.subject, d.seq, d.at), { class: "small" }) : null];
  const rows = [
    ["What", o.what],
    ["Effect", o.effect || ""],
    ["When", `${day(o.from)} ${range}`],
    ["Trigger", o.trigger ? link(o.trigger) : o.explained ? "no recorded change explains it" : ""],
    ["Who", o.trigger ? (o.trigger.who || "unknown: not in managedFields; the audit log has it") + ({ counterfactual: " · proved: without this change the verdict is another", structural: " · by mechanism: what fails has the change, what works does not", correlated: " · only close in time" }[o.trigger.link] || "") : ""],
    ["Recovery", o.recovery ? [link(o.recovery), o.recovery.who ? " by " + o.recovery.who : ""] : o.explained ? (o.over ? `${clock(o.to)} without a recorded change` : "none in this recording") : ""],
    ["Undo", o.undo ? [commandLine(o.undo)] : ""],
    ["Then", o.then ? [commandLine(o.then)] : ""],
    ["Also hurt", (o.also || []).map((a) => nameOf(a.o) + " " + a.state).join(", ")],
  ];
  return { title, rows, next: o.next && o.next.length ? el("div", { class: "next" }, el("b", {}, "Next "), commandLine(o.next[0]), hero && o.o.startsWith("svc/") ? commandLine("svcspy trace " + word("svc/" + o.o.split("/")[2]) + " -n " + word(o.o.split("/")[1])) : null) : null };
}

function drawHero() {
  const hero = byId("hero");
  hero.hidden = S.view !== "incident";
  if (hero.hidden) return;
  const o = outageAt();
  if (!o) { hero.replaceChildren(el("h2", {}, nameOf(S.subject) + " had no outage in this recording")); return; }
  const c = cardOf(o, true);
  hero.replaceChildren(el("h2", {}, c.title), facts(c.rows), c.next || "");
}

function drawOverview() {
  const page = byId("overview");
  page.hidden = S.view !== "outages";
  for (const id of ["time", "filters", "split"]) byId(id).hidden = S.view === "outages";
  for (const id of ["picture", "drawer", "play"]) byId(id).hidden = S.view !== "incident";
  byId("split").className = S.view;
  byId("log-title").textContent = S.view === "changes" ? "What people and tools changed" : "Events";
  for (const v of ["outages", "incident", "changes"]) byId("go-" + v).setAttribute("aria-current", v === S.view ? "page" : "false");
  if (page.hidden) return;
  const o = S.overview, parts = [];
  const n = o.outages.reduce((sum, x) => sum + 1 + (x.also || []).length, 0);
  if (!o.surveyed) parts.push(el("p", { role: "status" }, o.failed ? "The Services could not be judged: " + o.failed : `Judging Services… ${o.survey.done} of ${o.survey.total || "?"}`));
  else parts.push(el("h2", {}, n ? many(n, "outage") : "No outage was recorded", el("span", { class: "soft" }, ` ${day(o.from)} ${clock(o.from)}–${clock(o.to)} ${zones.name} (${lasting(o.to - o.from)})`)));
  parts.push(el("div", { class: "cards" }, o.outages.map((x) => {
    const c = cardOf(x, false);
    return el("article", { class: "card" }, el("h3", {}, c.title), facts(c.rows), c.next, el("p", {}, button("Open", () => openIncident(x), { class: "primary", "aria-label": "Open the outage of " + nameOf(x.o) })));
  })));
  const hurt = new Set(o.outages.flatMap((x) => [x.o, ...(x.also || []).map((a) => a.o)]));
  const services = o.services.filter((s) => hurt.has(s.o)), quiet = o.services.filter((s) => !hurt.has(s.o));
  const table = (list) => el("table", { class: "services" }, el("thead", {}, el("tr", {}, ["Service", "Course"].map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, list.map((s) => el("tr", {}, el("th", { scope: "row" }, button(s.o.replace(/^svc\//, ""), () => openService(s.o), { class: "link" })), el("td", {}, spark(s))))));
  if (services.length) parts.push(el("h2", {}, "Services that were hurt"), table(services));
  if (quiet.length) parts.push(el("details", { open: !services.length }, el("summary", {}, "quiet: " + many(quiet.length + (o.more || 0), "Service")), table(quiet)));
  page.replaceChildren(...parts.filter(Boolean));
}

function openService(key) {
  const o = outagesOf(key)[0];
  if (o) { openIncident(o); return; }
  Object.assign(S, { view: "incident", subject: key, selected: key, tab: "why", t: S.overview.from });
  setWindow(S.overview.from, S.overview.to);
  changed("view", "cursor", "selection", "filters");
}

function spark(s) {
  const o = S.overview, x = (t) => across(t, o.from, o.to, 100);
  return svg("svg", { class: "spark", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img" }, svg("title", {}, "Course of " + s.o), svg("desc", {}, s.spans.map((p) => clock(p.from) + " " + p.state).slice(0, 20).join(", ")),
    s.spans.map((p) => svg("rect", { class: p.tone, x: x(p.from), width: Math.max(0.3, x(p.to) - x(p.from)), y: 0, height: 10 })));
}
listen(["view", "overview"], () => { drawOverview(); drawHero(); });
listen(["selection"], drawHero);
let heroOutage = null;
listen(["cursor"], () => { const o = S.view === "incident" && outageAt(); if (o !== heroOutage) { heroOutage = o; drawHero(); } });
