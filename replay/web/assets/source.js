// Where answers come from: the server, or the data inside an exported page.
const remote = {
  pending: {},
  // get asks the API; a later question in the same slot ends an earlier one.
  async get(name, parameters, slot) {
    const query = new URLSearchParams();
    for (const [k, v] of Object.entries(parameters || {})) if (v !== undefined && v !== null && v !== "") query.set(k, v);
    const control = new AbortController();
    if (slot) {
      this.pending[slot]?.abort();
      this.pending[slot] = control;
    }
    const response = await fetch("api/" + name + "?" + query, { signal: control.signal, credentials: "omit" });
    const value = await response.json();
    if (!response.ok) throw new Error(value.error || response.statusText);
    return value;
  },
  async mark(at, text) {
    const response = await fetch("api/marks", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ At: at, Text: text }) });
    const value = await response.json();
    if (!response.ok) throw new Error(value.error || response.statusText);
  },
};

// inside answers from the data of an exported page.
function inside(data) {
  const matches = (p) => {
    const text = (p.q || "").toLowerCase(), classes = p.classes ? p.classes.split(",") : null;
    const only = p.only && data.related[p.only] ? new Set(data.related[p.only]) : null;
    return (l) => {
      if (l.at < p.from || l.at > p.to) return false;
      if (classes && !classes.includes(l.class)) return false;
      if (p.o && l.o !== p.o && l.about !== p.o) return false;
      if (only && !only.has(l.o) && !only.has(l.about)) return false;
      if (p.who && l.who !== p.who) return false;
      if (p.kind && l.kind !== p.kind) return false;
      if (p.ns && (l.o || "").split("/").length === 3 && l.o.split("/")[1] !== p.ns) return false;
      return !text || [l.o, l.about, l.who, l.text].some((s) => s && s.toLowerCase().includes(text));
    };
  };
  const window = (p) => ({ ...p, from: p.from ?? data.overview.from, to: p.to ?? data.overview.to });
  const answers = {
    recording: () => data.overview,
    bins(p) {
      p = window(p);
      const n = p.n || 300, match = matches(p), b = { from: p.from, to: p.to, all: new Array(n).fill(0), writes: new Array(n).fill(0), warnings: new Array(n).fill(0), total: 0, ready: true };
      for (const l of data.lines) {
        if (!match(l)) continue;
        const i = Math.min(n - 1, Math.floor((l.at - p.from) * n / Math.max(1, p.to - p.from)));
        b.all[i]++;
        b.total++;
        if (l.class === "write" || l.class === "created" || l.class === "deleted") b.writes[i]++;
        if (l.class === "warning") b.warnings[i]++;
      }
      return b;
    },
    log(p) {
      p = window(p);
      let all = data.lines.filter(matches(p));
      if (p.after) all = all.filter((l) => l.seq > p.after);
      if (p.before) all = all.filter((l) => l.seq < p.before);
      const limit = p.limit || 100;
      return { lines: p.after ? all.slice(0, limit) : all.slice(-limit), more: all.length > limit };
    },
    lanes(p) {
      if (!data.lanes[p.o]) throw new Error("this page holds no lanes of " + p.o);
      return data.lanes[p.o];
    },
    why(p) {
      const list = data.why[p.o];
      if (!list) throw new Error("this page holds no reports on " + p.o);
      return (list.findLast((w) => w.from <= p.t) || list[0]).report;
    },
    change(p) {
      const c = data.changes[p.seq];
      if (c) return c;
      const l = data.lines.find((x) => x.seq === p.seq);
      if (!l) throw new Error("this page does not hold #" + p.seq);
      return { seq: l.seq, at: l.at, o: l.o, text: l.text, who: l.who, fields: [] };
    },
    object(p) {
      const lines = data.lines.filter((l) => l.o === p.o), o = data.objects[p.o];
      const events = data.lines.filter((l) => l.about === p.o && l.at <= p.t).reverse();
      events.sort((a, b) => (a.class === "warning" ? 0 : 1) - (b.class === "warning" ? 0 : 1));
      const v = { o: p.o, exists: false, versions: lines.slice(0, 120), events: events.slice(0, 60), owners: o ? o.owners : [], coverage: "" };
      if (!o) return { ...v, error: "this page does not hold the manifests of " + p.o };
      let text = [];
      for (const version of o.versions) {
        if (version.at > p.t) break;
        text = patch(text, version.ops);
        Object.assign(v, { exists: !version.gone, seq: version.seq, at: version.at, yaml: text.join("\n") });
      }
      return v;
    },
    compare(p) {
      const items = [];
      for (const key of Object.keys(data.objects)) {
        const a = answers.object({ o: key, t: Math.min(p.a, p.b) }), b = answers.object({ o: key, t: Math.max(p.a, p.b) });
        if (a.exists === b.exists && a.seq === b.seq) continue;
        const fields = changedLines(a.exists ? a.yaml : "", b.exists ? b.yaml : "").filter((f) => !/resourceVersion:|lastTransitionTime:|generation:|Generation:|renewTime:/.test((f.old || "") + (f.new || "")));
        if (a.exists === b.exists && !fields.length) continue;
        items.push({ o: key, verb: !a.exists ? "created" : !b.exists ? "deleted" : "updated", fields: a.exists && b.exists ? fields.slice(0, 60) : [], intent: data.lines.some((l) => l.o === key && l.class === "write" && l.at > Math.min(p.a, p.b) && l.at <= Math.max(p.a, p.b)) });
      }
      items.sort((a, b) => (a.intent ? 0 : 1) - (b.intent ? 0 : 1));
      return { a: Math.min(p.a, p.b), b: Math.max(p.a, p.b), items: items.slice(0, 100) };
    },
    find(p) {
      const text = p.q.toLowerCase();
      const match = (l) => [l.o, l.about, l.who, l.text].some((s) => s && s.toLowerCase().includes(text)) || JSON.stringify(data.changes[l.seq] || "").toLowerCase().includes(text);
      const line = p.back ? data.lines.findLast((l) => l.seq <= p.from && match(l)) : data.lines.find((l) => l.seq >= p.from && match(l));
      return { line, to: 0, more: false };
    },
  };
  return {
    async get(name, parameters) { return structuredClone(answers[name](parameters || {})); },
    async mark() { throw new Error("an exported page takes no marks"); },
  };
}

// patch applies a list of copied (n), skipped (-n) and new (text) lines.
function patch(lines, ops) {
  const out = [];
  let at = 0;
  for (const op of ops) {
    if (typeof op === "string") out.push(op);
    else if (op < 0) at -= op;
    else { out.push(...lines.slice(at, at + op)); at += op; }
  }
  return out;
}

// unpack reads the data of an exported page: gzip in base64.
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// lineDiff compares two texts: [" "|"-"|"+", line] in order.
function lineDiff(before, after) {
  const a = before.split("\n"), b = after.split("\n");
  let head = 0, tail = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail);
  const out = a.slice(0, head).map((l) => [" ", l]);
  if (x.length * y.length > 4e6) { // too large to be aligned
    out.push(...x.map((l) => ["-", l]), ...y.map((l) => ["+", l]));
  } else {
    const w = y.length + 1, table = new Uint32Array((x.length + 1) * w);
    for (let i = x.length - 1; i >= 0; i--)
      for (let j = y.length - 1; j >= 0; j--)
        table[i * w + j] = x[i] === y[j] ? table[(i + 1) * w + j + 1] + 1 : Math.max(table[(i + 1) * w + j], table[i * w + j + 1]);
    let i = 0, j = 0;
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) { out.push([" ", x[i]]); i++; j++; }
      else if (i < x.length && (j >= y.length || table[(i + 1) * w + j] >= table[i * w + j + 1])) out.push(["-", x[i++]]);
      else out.push(["+", y[j++]]);
    }
  }
  return out.concat(a.slice(a.length - tail).map((l) => [" ", l]));
}

// changedLines are the differing lines of two texts as fields.
function changedLines(before, after) {
  const fields = [];
  for (const [sign, text] of lineDiff(before, after)) {
    if (sign === "-") fields.push({ path: "", old: text.trim() });
    if (sign === "+") {
      const last = fields[fields.length - 1];
      const name = text.trim().split(":")[0];
      if (last && last.old && last.new === undefined && last.old.split(":")[0] === name) last.new = text.trim();
      else fields.push({ path: "", new: text.trim() });
    }
  }
  return fields;
}
