// The report at the cursor: the headline, what to do next, and the evidence.
const diagnosable = ["svc", "pods", "nodes", "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps", "ingresses.networking.k8s.io", "jobs.batch"];
const whySubject = () => diagnosable.includes(S.selected.split("/")[0]) && (!S.overview.exported || S.selected === S.subject) ? S.selected : S.subject;

const toneOf = (state) => ({ Serving: "good", NotSelected: "good", NotServing: "bad", Absent: "bad", PartiallyServing: "poor", Degraded: "poor", Converging: "change" }[state] || "unknown");

async function whyPanel() {
  const r = await source.get("why", { o: whySubject(), t: S.t }, "drawer");
  const since = instant(r.verdict.since);
  const parts = [
    el("p", { class: "lead" }, el("span", { class: "pill " + toneOf(r.verdict.state) }, r.verdict.state), " ",
      since && since <= S.t ? el("span", { class: "soft" }, "since " + clock(since) + (r.verdict.sinceNote ? ", " + r.verdict.sinceNote : "")) : null),
    el("p", { class: "headline" }, told(r.headline.message, S.t)),
  ];
  if (r.next && r.next.length) parts.push(el("h3", {}, "Next"), r.next.map(commandLine));
  parts.push(findingList("Because", r.because), findingList("Also", r.also), findingList("Symptoms", r.symptoms), lastWords(r.lastWords), findingList("Risks", r.risks));
  const marks = { yes: "✔", no: "✘", unknown: "?", "n/a": "–" };
  parts.push(el("h3", {}, "Checklist"), el("ul", { class: "steps" }, r.checklist.map((s) => el("li", { class: "step-" + s.result }, el("span", { class: "mark" }, marks[s.result] || "?"), " ", s.text, s.evidence ? el("span", { class: "soft" }, ": " + s.evidence) : null))));
  if (r.endpoints.items && r.endpoints.items.length) parts.push(el("h3", {}, `Endpoints (${r.endpoints.ready} of ${r.endpoints.desired} ready)`), el("table", {}, el("thead", {}, el("tr", {}, ["State", "Address", "Pod", "Node"].map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, r.endpoints.items.map((e) => el("tr", {}, el("td", {}, e.state + (e.reason ? ": " + e.reason : "")), el("td", {}, e.address || ""), el("td", {}, e.pod || ""), el("td", {}, e.node || ""))))));
  for (const u of r.undecided || []) parts.push(el("p", { class: "note" }, told(u, S.t)));
  parts.push(command("replay", "--at", iso(S.t), "--once"));
  return parts;
}

function findingList(title, list) {
  if (!list || !list.length) return null;
  return [el("h3", {}, title), el("ul", { class: "findings" }, list.map((f) => el("li", {}, el("span", {}, told(f.message, S.t)), el("details", {}, el("summary", {}, f.id + " · " + many(f.evidence.length, "fact")),
    el("ul", {}, f.evidence.map((e) => el("li", {}, e.seq ? button("#" + e.seq, () => evidence(e), { class: "link" }) : null, " ", e.kind + " " + [e.namespace, e.name].filter(Boolean).join("/") + " " + (e.path || "") + (e.old ? " " + e.old + " →" : "") + (e.value ? " " + e.value : "") + (e.note ? " (" + e.note + ")" : ""))))))))].flat();
}

// lastWords is what containers said before they failed, where that was recorded.
function lastWords(list) {
  if (!list || !list.length) return null;
  return [el("h3", {}, "Last words"), list.map((w) => el("div", {}, el("p", { class: "soft" }, `#${w.seq} Pod ${w.namespace}/${w.pod}, container ${w.container}` + (w.ended && w.ended !== "Error" && w.ended !== "Completed" ? `, ${w.ended}` : "") + (w.exitCode === undefined ? "" : `, exit ${w.exitCode}`)),
    w.error ? el("p", { class: "note" }, "no log: " + w.error) : el("pre", { class: "yaml" }, w.lines.join("\n"))))].flat();
}

function evidence(e) {
  S.change = e.seq;
  const lane = S.lanes && S.lanes.lanes.find((l) => l.markers.some((m) => m.seq === e.seq) || (l.name === e.name && (l.ns || "") === (e.namespace || "") && (kindNames[l.o.split("/")[0]] || "") === e.kind));
  const at = instant(e.observedAt);
  if (at) setCursor(at);
  if (lane) select(lane.o, "manifest");
}
