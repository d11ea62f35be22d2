// Manifests: an object at the cursor, and what differs from another moment.
async function manifestPanel(key) {
  const o = await source.get("object", { o: key, t: S.t }, "drawer");
  const parts = [];
  const changes = o.versions.filter((v) => ["write", "created", "deleted"].includes(v.class));
  const listed = (changes.length ? changes : o.versions).slice(-40);
  if (listed.length) parts.push(el("details", {}, el("summary", {}, many(o.versions.length, "version") + ", " + changes.length + " by people and tools"), el("ul", { class: "versions" }, listed.map((v) => el("li", {}, button(clock(v.at), () => setCursor(v.at), { class: "link" }), " ", v.text, v.who ? el("span", { class: "soft" }, " by " + v.who) : null)))));
  if (o.owners.length) parts.push(el("p", {}, "Owned by ", o.owners.map((k) => [button(nameOf(k), () => select(k), { class: "link" }), " "])));
  if (!o.exists) return [el("p", { class: "note" }, o.error || "It does not exist at " + clock(S.t) + "."), ...parts];
  if (o.error) return [el("p", { class: "note" }, o.error), ...parts];
  if (S.ref !== null) {
    const then = await source.get("object", { o: key, t: S.ref }, "drawer2");
    parts.push(el("p", { class: "soft" }, `Compared with ${clock(S.ref)} (the reference). `, button("Show it whole", () => { S.ref = null; changed("cursor", "selection", "time"); }, { class: "small" })), diffView(then.exists ? then.yaml : "", o.yaml));
    return parts;
  }
  const b = button("copy", () => copy(o.yaml, b), { class: "small" });
  parts.push(el("p", { class: "soft" }, "As of " + exact(o.at) + " (#" + o.seq + "), without managedFields ", b, " ", button("Compare with here (R)", setReference, { class: "small" })), el("pre", { class: "yaml", tabindex: 0 }, o.yaml));
  return parts;
}

// diffView shows the lines that differ, with some around them.
function diffView(before, after) {
  const all = lineDiff(before, after), near = new Set();
  all.forEach(([sign], i) => { if (sign !== " ") for (let n = i - 3; n <= i + 3; n++) near.add(n); });
  if (!near.size) return el("p", { class: "note" }, "Nothing is different.");
  const rows = [];
  let left = false;
  all.forEach(([sign, text], i) => {
    if (!near.has(i)) { left = true; return; }
    if (left && rows.length) rows.push(el("span", { class: "hunk" }, "···\n"));
    left = false;
    rows.push(sign === " " ? text + "\n" : el(sign === "-" ? "del" : "ins", {}, sign + " " + text + "\n"));
  });
  return el("pre", { class: "yaml diff", tabindex: 0 }, rows);
}

function setReference() {
  S.ref = S.t;
  say("The reference is set at " + clock(S.t));
  changed("cursor", "selection", "time");
}

// comparePanel says what differs between the reference and the cursor, and matters
// to the subject.
async function comparePanel() {
  if (S.ref === null) {
    const o = outageAt();
    return [el("p", {}, "Two cursors are compared: the reference (R sets it where the cursor is) and the cursor."), o ? el("p", {}, button("Compare before the outage with its worst moment", () => { S.ref = Math.max(S.overview.from, o.from - 2 * SECOND); setCursor(o.worstAt); changed("selection", "cursor", "time"); })) : null];
  }
  const c = await source.get("compare", { o: S.subject, a: S.ref, b: S.t }, "drawer");
  const parts = [el("p", { class: "lead" }, `${clock(c.a)} and ${clock(c.b)}: `, c.items.length ? many(c.items.length + (c.more || 0), "object") + " differ" : "nothing differs that matters to " + nameOf(S.subject))];
  for (const i of c.items) {
    parts.push(el("h3", {}, button(nameOf(i.o), () => select(i.o, "manifest"), { class: "link" }), " ", i.verb, i.who ? el("span", { class: "soft" }, " by " + i.who) : null), fieldTable(i.fields, i.more));
  }
  parts.push(el("p", {}, button("Forget the reference", () => { S.ref = null; changed("cursor", "selection", "time"); }, { class: "small" })), command("diff", "--since", iso(c.a), "--until", iso(c.b)));
  return parts;
}
