// Playback and keys. Keys are those of the screen in the terminal.
const play = { at: 0 };

function edges(all) {
  const subject = S.lanes && S.lanes.lanes.find((l) => l.o === S.subject);
  if (!subject) return [];
  if (!all) return subject.spans.map((s) => s.from);
  return S.lanes.lanes.flatMap((l) => [...l.spans.map((s) => s.from), ...l.markers.filter((m) => m.class !== "controller").map((m) => m.at)]).sort((a, b) => a - b);
}
const next = (list) => { const t = list.find((x) => x > S.t); if (t !== undefined) setCursor(t); else say("nothing later"); };
const previous = (list) => { const t = list.findLast((x) => x < S.t); if (t !== undefined) setCursor(t); else say("nothing earlier"); };

function togglePlay() {
  S.playing = !S.playing;
  byId("playing").textContent = S.playing ? "⏸ Pause" : "▶ Play";
  if (!S.playing) return;
  if (S.t >= S.overview.to) setCursor(S.overview.from);
  play.at = performance.now();
  requestAnimationFrame(frame);
}
function frame(now) {
  if (!S.playing) return;
  const passed = Math.min(now - play.at, 200) * 1000 * S.speed;
  play.at = now;
  let to = S.t + passed;
  const ahead = edges(true).find((t) => t > S.t); // idle stretches are skipped
  if (ahead !== undefined && ahead - to > 10 * SECOND * S.speed) to = ahead - SECOND * S.speed;
  if (to >= S.overview.to) togglePlay();
  setCursor(to);
  if (S.t > S.to) setWindow(S.t - (S.to - S.from) / 2, S.t + (S.to - S.from) / 2);
  if (S.playing) requestAnimationFrame(frame);
}
function faster(by) {
  S.speed = clamp(S.speed * by, 0.25, 64);
  byId("speed").textContent = S.speed + "×";
}

function askMark() {
  if (!S.overview.canMark) { complain(new Error(S.overview.exported ? "an exported page takes no marks" : "this recording takes no marks")); return; }
  const d = byId("mark-dialog");
  d.dataset.at = S.t;
  byId("mark-when").textContent = "Mark at " + exact(S.t);
  byId("mark-text").value = "";
  d.showModal();
}
async function addMark(event) {
  event.preventDefault();
  const d = byId("mark-dialog");
  try {
    await source.mark(Number(d.dataset.at), byId("mark-text").value);
    d.close();
    S.overview = await source.get("recording");
    changed("overview", "time");
    say("marked");
  } catch (e) { d.close(); complain(e); }
}
function askTime() {
  const text = prompt("Go to (such as 14:02:10, 2026-11-23T14:02:00Z, 50%, #812, incident)");
  if (text) goTo(text.trim());
}
async function goTo(text) {
  const o = S.overview;
  const percent = /^(\d{1,3})%$/.exec(text), number = /^#?(\d+)$/.exec(text), time = /^(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?$/.exec(text);
  if (percent) return setCursor(o.from + (o.to - o.from) * percent[1] / 100);
  if (text === "incident") { const x = outageAt(); return x && setCursor(x.from); }
  if (number) {
    try { const c = await source.get("change", { seq: Number(number[1]) }); showChange(c.o, c.seq, c.at); } catch (e) { complain(e); }
    return undefined;
  }
  if (time) { // that time inside the recording, if there is one
    const wanted = time[1] + ":" + time[2] + ":" + (time[3] || "00").slice(0, 2), found = [];
    for (let t = o.from - o.from % MINUTE - DAY; t <= o.to + DAY; t += DAY) for (let h = 0; h < DAY; h += 15 * MINUTE) {
      const guess = t + h, s = clock(guess).split(":").map(Number), at = guess + ((Number(time[1]) - s[0]) * 3600 + (Number(time[2]) - s[1]) * 60 + Number(time[3] || 0) - s[2]) * SECOND;
      if (at >= o.from - SECOND && at <= o.to + SECOND && clock(at) === wanted && !found.includes(at)) found.push(at);
    }
    if (found.length === 1) return setCursor(found[0]);
    return complain(new Error(found.length ? "that time occurs on several days: name the day" : `${text} is not in the recording, which goes from ${clock(o.from)} to ${clock(o.to)}`));
  }
  const t = instant(text);
  return t === undefined ? complain(new Error("cannot read the time " + text)) : setCursor(t);
}

function cycleZone() {
  const local = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const all = [...new Set([S.overview.zone, "UTC", local].filter(Boolean))];
  zones.name = all[(all.indexOf(zones.name) + 1) % all.length];
  byId("zone").textContent = zones.name;
  changed("view", "time", "cursor", "overview", "selection", "lanes");
}

const keys = [
  ["n", "next change of verdict", () => next(edges(false))], ["N", "previous change of verdict", () => previous(edges(false))],
  [".", "next thing that happened", () => next(edges(true))], [",", "previous thing that happened", () => previous(edges(true))],
  ["ArrowRight", "5 s on; with shift 1 min", (e) => setCursor(S.t + (e.shiftKey ? MINUTE : 5 * SECOND))], ["ArrowLeft", "5 s back; with shift 1 min", (e) => setCursor(S.t - (e.shiftKey ? MINUTE : 5 * SECOND))],
  ["Home", "start", () => setCursor(S.overview.from)], ["End", "end; follows a recording that is being written", () => { setCursor(S.overview.to); S.follow = true; }],
  ["i", "zoom in", () => zoom(0.6)], ["o", "zoom out", () => zoom(1 / 0.6)], ["a", "the whole recording", () => setWindow(S.overview.from, S.overview.to)], ["f", "the outage", () => { const o = outageAt(); if (o) fit(o); }],
  ["]", "next mark", () => next(S.overview.marks.map((m) => m.at))], ["[", "previous mark", () => previous(S.overview.marks.map((m) => m.at))],
  [" ", "play and pause", togglePlay], ["+", "faster", () => faster(2)], ["-", "slower", () => faster(0.5)],
  ["e", "why", () => select(S.selected, "why")], ["y", "manifest", () => select(S.selected, "manifest")], ["c", "coverage", () => select(S.selected, "coverage")],
  ["R", "set the reference", setReference], ["D", "compare with the reference", () => select(S.selected, "compare")],
  ["m", "add a mark", askMark], ["g", "go to a time", askTime], ["z", "time zone", cycleZone], ["/", "search", () => byId("q").focus()],
  ["C", "copy the link", () => copy(location.href, byId("link"))], ["?", "these keys", () => byId("help").showModal()],
];

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input,select,textarea,dialog")) return;
  if (event.key === " " && event.target.closest("button,summary,a")) return;
  if (S.view !== "incident" && !["?", "z", "C"].includes(event.key)) return;
  const digit = /^[0-9]$/.test(event.key) ? Number(event.key) : -1;
  if (digit >= 0) { setCursor(S.overview.from + (S.overview.to - S.overview.from) * digit / 10); event.preventDefault(); return; }
  const key = keys.find(([k]) => k === event.key);
  if (!key) return;
  key[2](event);
  event.preventDefault();
}
listen(["cursor", "time", "view"], () => { byId("now").textContent = exact(S.t) + " " + zones.name; });
