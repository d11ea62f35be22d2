// Elements and times. Text from the recording reaches the page only as text
// nodes and attribute values, never as markup.
const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

// el makes an element, svg one of a drawing.
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function button(label, action, attributes) {
  return el("button", { type: "button", on: { click: action }, ...attributes }, label);
}

const clamp = (x, least, most) => Math.max(least, Math.min(most, x));
const SECOND = 1e6, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

// iso is an instant as it is copied: RFC 3339 with Z, to the microsecond.
function iso(t) {
  const millis = Math.floor(t / 1000), rest = t - millis * 1000;
  const text = new Date(millis).toISOString();
  const digits = (text.slice(20, 23) + String(rest).padStart(3, "0")).replace(/0+$/, "");
  return text.slice(0, 19) + (digits ? "." + digits : "") + "Z";
}

// instant reads what iso writes; undefined for anything else.
function instant(text) {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text || "");
  if (!parts) return undefined;
  const millis = Date.parse(parts[1] + parts[3]);
  return Number.isNaN(millis) ? undefined : millis * 1000 + Math.floor(Number("0." + (parts[2] || "0")) * 1e6 + 0.5);
}

const zones = { name: "UTC", formats: {}, known: { of: "", times: new Map() } };
function format(kind, options) {
  const key = kind + zones.name;
  if (!zones.formats[key]) zones.formats[key] = new Intl.DateTimeFormat("en-GB", { timeZone: zones.name, hourCycle: "h23", ...options });
  return zones.formats[key];
}
const day = (t) => format("day", { year: "numeric", month: "2-digit", day: "2-digit" }).format(t / 1000).split("/").reverse().join("-");
// clock is asked for thousands of times by one drawing, and Intl is slow.
function clock(t) {
  const second = Math.floor(t / SECOND);
  if (zones.known.of !== zones.name || zones.known.times.size > 20000) zones.known = { of: zones.name, times: new Map() };
  let text = zones.known.times.get(second);
  if (text === undefined) {
    text = format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(second * 1000);
    zones.known.times.set(second, text);
  }
  return text;
}
// ahead is how far the zone's clocks are ahead of UTC at an instant.
const ahead = (t) => zones.name === "UTC" ? 0 : Date.parse(day(t) + "T" + clock(t) + "Z") * 1000 - Math.floor(t / SECOND) * SECOND;
// told is a sentence of the analyzer about instant t, whose times of day are UTC, with
// its times as all others on the page.
const told = (text, t) => text.replace(/\b(\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\dZ/g, (at, day) => clock(Date.parse((day ? "" : new Date(t / 1000).toISOString().slice(0, 11)) + at) * 1000));
const exact = (t) => clock(t) + "." + String(Math.floor(t / 1000) % 1000).padStart(3, "0");

// lasting writes a duration as the terminal and the document do: a second more or
// less in one of them would be another outage.
function lasting(micros) {
  const s = Math.floor(micros / SECOND), units = (a, au, b, bu) => a + au + (b ? b + bu : "");
  if (micros < 10 * SECOND) return (micros / SECOND).toFixed(1) + "s";
  if (s < 120) return s + "s";
  if (s < 600) return units(Math.floor(s / 60), "m", s % 60, "s");
  if (s < 10800) return Math.floor(s / 60) + "m";
  if (s < 28800) return units(Math.floor(s / 3600), "h", Math.floor(s % 3600 / 60), "m");
  if (s < 172800) return Math.floor(s / 3600) + "h";
  if (s < 691200) return units(Math.floor(s / 86400), "d", Math.floor(s % 86400 / 3600), "h");
  return Math.floor(s / 86400) + "d";
}
const many = (n, noun) => n + " " + noun + (n === 1 ? "" : "s");

// nameOf is an object as people say it: Pod shop/web-1.
const kindNames = { svc: "Service", pods: "Pod", nodes: "Node", "deployments.apps": "Deployment", "replicasets.apps": "ReplicaSet", "statefulsets.apps": "StatefulSet", "daemonsets.apps": "DaemonSet", "jobs.batch": "Job", secrets: "Secret", configmaps: "ConfigMap", events: "Event", namespaces: "Namespace", "endpointslices.discovery.k8s.io": "EndpointSlice", "networkpolicies.networking.k8s.io": "NetworkPolicy", "ingresses.networking.k8s.io": "Ingress" };
function nameOf(key) {
  const i = key.indexOf("/");
  return i < 0 ? key : (kindNames[key.slice(0, i)] || key.slice(0, i)) + " " + key.slice(i + 1);
}

// later runs a function once, when nothing asked for it for a while.
function later(wait, action) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(action, wait); };
}

async function copy(text, control) {
  const before = control.textContent;
  try {
    await navigator.clipboard.writeText(text);
    control.textContent = "copied";
  } catch {
    control.textContent = "copying is not allowed here";
  }
  setTimeout(() => { control.textContent = before; }, 1500);
}
