// The log: every event that passes the filters, the newest at the cursor.
const log = { lines: [], earlier: false, found: 0 };

const loadLog = later(120, async () => {
  if (S.view === "outages") return;
  try {
    const limit = S.view === "changes" ? 300 : 120, all = filters();
    if (S.view === "changes") Object.assign(all, { only: "", classes: "write,created,deleted" });
    const to = S.view === "changes" ? S.overview.to : S.t;
    const page = await source.get("log", { ...all, from: S.view === "changes" ? S.overview.from : undefined, to, limit }, "log");
    let after = [];
    if (S.view === "incident" && page.lines.length) after = (await source.get("log", { ...all, after: page.lines[page.lines.length - 1].seq, limit: 15 }, "log2")).lines;
    log.lines = page.lines.concat(after);
    log.earlier = page.more;
    drawLog();
  } catch (e) { complain(e); }
});

async function loadEarlier() {
  const all = filters();
  if (S.view === "changes") Object.assign(all, { only: "", classes: "write,created,deleted" });
  try {
    const page = await source.get("log", { ...all, before: log.lines[0].seq, limit: 300 });
    log.lines = page.lines.concat(log.lines);
    log.earlier = page.more;
    drawLog();
  } catch (e) { complain(e); }
}

const signs = { write: "▼", created: "▲", deleted: "✕", warning: "⚠", event: "·", controller: "⚙", status: "≈", heartbeat: "♥", listed: "☰", stream: "⇄" };

function drawLog() {
  const body = byId("log-rows");
  const rows = log.lines.map((l) => {
    const go = () => {
      const key = l.about || l.o || S.selected;
      S.change = l.seq;
      if (S.view !== "incident") { S.view = "incident"; S.subject = S.subject || (S.overview.outages[0] || S.overview.services[0] || { o: key }).o; changed("view", "filters"); }
      setCursor(l.at);
      select(key, l.class === "warning" || l.class === "event" ? "events" : "change");
    };
    return el("tr", { class: "c-" + l.class + (l.at > S.t ? " later" : "") + (l.seq === log.found ? " found" : ""), on: { click: go } },
      el("td", { class: "when" }, button(clock(l.at), go, { class: "link", "aria-label": "go to " + clock(l.at) + " " + l.text })),
      el("td", { class: "sign", title: l.class }, signs[l.class] || "", el("span", { class: "unseen" }, " " + l.class)),
      el("td", { class: "object" }, nameOf(l.about || l.o || "")),
      el("td", { class: "what" }, l.text),
      el("td", { class: "who" }, l.who || (l.class === "deleted" ? "not recorded" : "")),
      el("td", { class: "seq" }, "#" + l.seq));
  });
  if (!rows.length) rows.push(el("tr", {}, el("td", { colspan: 6, class: "note" }, "Nothing passes the filters here.")));
  body.replaceChildren(...rows);
  byId("earlier").hidden = !log.earlier;
  const now = body.querySelector("tr.found") || [...body.querySelectorAll("tr:not(.later)")].pop();
  if (now && S.view === "incident") { const pane = byId("log-pane"); pane.scrollTop = Math.max(0, now.offsetTop - pane.clientHeight + 60); }
}

// find goes to the next event in which the text of the search stands.
async function find(back) {
  if (!S.q) return;
  const last = log.lines.findLast((l) => l.at <= S.t), note = byId("found");
  let from = log.found && log.lines.some((l) => l.seq === log.found && l.at === S.t) ? log.found : last ? last.seq : S.overview.first;
  from += back ? -1 : 1;
  for (let round = 0; round < 500; round++) {
    note.textContent = "searching…";
    let h;
    try { h = await source.get("find", { q: S.q, from, back: back ? 1 : "" }, "find"); } catch (e) { complain(e); return; }
    if (h.line) {
      note.textContent = "found at " + clock(h.line.at) + " (#" + h.line.seq + ")";
      log.found = h.line.seq;
      S.change = h.line.seq;
      setCursor(h.line.at);
      select(h.line.about || h.line.o, "change");
      loadLog();
      return;
    }
    if (!h.more) break;
    from = back ? h.to - 1 : h.to + 1;
  }
  note.textContent = "no " + (back ? "earlier" : "later") + " event has it";
}

listen(["cursor", "filters", "view", "overview"], loadLog);
