"use strict";
// Asks the process for its state once a second and draws it.

const $ = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const three = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });
const share = new Intl.NumberFormat("en-GB", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const rate = (r) => (r >= 1000 ? whole.format(r) : three.format(r));
const lag = (ms) => (ms >= 1000 ? three.format(ms / 1000) + " s" : three.format(ms) + " ms");
const seconds = (s) => (s >= 100 ? whole.format(s) : s.toFixed(1)) + " s";
const classOf = (state) => state.replaceAll(" ", "-");

function set(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function svg(parent, name, attributes, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  parent.append(e);
  return e;
}

function html(parent, name, className, text) {
  const e = document.createElement(name);
  e.className = className;
  if (text !== undefined) e.textContent = text;
  parent.append(e);
  return e;
}

// canvas empties a drawing and returns its size in pixels.
function canvas(e) {
  const { width, height } = e.getBoundingClientRect();
  e.setAttribute("viewBox", `0 0 ${width} ${height}`);
  e.replaceChildren();
  return { width, height };
}

// The scales of a chart: y is 0 at the bottom and 1 at the top.
function linear(values) {
  const most = Math.max(1e-3, ...values) * 1.08;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [0.2, 0.25, 0.5, 1, 2, 2.5, 5].map((k) => k * power).find((s) => most / s <= 5) || 2 * power;
  const top = Math.ceil(most / step) * step;
  const ticks = [];
  for (let i = 0; i * step <= top * 1.0001; i++) ticks.push(i * step);
  return { ticks, y: (v) => v / top, label: (v) => (v >= 1000 ? whole.format(v) : String(+v.toPrecision(3))) };
}

function logarithmic(values) {
  const positive = values.filter((v) => v > 0);
  let low = Math.floor(Math.log10(Math.min(...positive, 10)));
  const high = Math.max(low + 2, Math.ceil(Math.log10(Math.max(...positive, 10))));
  low = Math.max(low, high - 5);
  const ticks = [];
  for (let i = low; i <= high; i++) ticks.push(10 ** i);
  return { ticks, y: (v) => Math.max(0, (Math.log10(Math.max(v, 1e-9)) - low) / (high - low)), label: lag };
}

// chart draws lines over time; a value that is null interrupts its line. Where
// the stream was not running, the ground is coloured.
function chart(e, samples, lines, scale, pointer) {
  const { width, height } = canvas(e);
  if (width < 100) return samples.at(-1); // not laid out yet
  const left = 56, right = width - 8, top = 8, bottom = height - 22;
  const first = samples[0].time, span = Math.max(30000, samples.at(-1).time - first);
  const x = (t) => left + ((t - first) / span) * (right - left);
  const s = scale(lines.flatMap((l) => samples.map(l.value)).filter((v) => v !== null));
  const y = (v) => bottom - s.y(v) * (bottom - top);
  samples.forEach((p, i) => {
    if (p.state !== "waiting" && p.state !== "catching up") return;
    const from = i > 0 ? x(samples[i - 1].time) : left;
    svg(e, "rect", { class: "band " + classOf(p.state), x: from, y: top, width: x(p.time) - from + 0.5, height: bottom - top });
  });
  for (const t of s.ticks) {
    svg(e, "line", { class: "grid", x1: left, x2: right, y1: y(t), y2: y(t) });
    svg(e, "text", { x: left - 8, y: y(t) + 4, "text-anchor": "end" }, s.label(t));
  }
  const marks = width < 500 ? 2 : 4;
  for (let i = 0; i <= marks; i++) {
    const t = first + (span * i) / marks;
    const anchor = i === 0 ? "start" : i === marks ? "end" : "middle";
    svg(e, "text", { x: x(t), y: height - 4, "text-anchor": anchor }, clock.format(t));
  }
  for (const l of lines) {
    let d = "", open = false;
    for (const p of samples) {
      const v = l.value(p);
      if (v !== null) d += `${open ? "L" : "M"}${x(p.time).toFixed(1)} ${y(v).toFixed(1)}`;
      open = v !== null;
    }
    if (l.filled && d) svg(e, "path", { class: "under", d: `${d}L${x(samples.at(-1).time)} ${bottom}L${x(first)} ${bottom}Z` });
    svg(e, "path", { class: l.class, d });
  }
  if (pointer === undefined) return samples.at(-1);
  const near = samples.reduce((a, b) => (Math.abs(x(b.time) - pointer) < Math.abs(x(a.time) - pointer) ? b : a));
  svg(e, "line", { class: "cursor", x1: x(near.time), x2: x(near.time), y1: top, y2: bottom });
  return near;
}

// columns draws counts side by side with their shares.
function columns(e, counts, total) {
  const { width, height } = canvas(e);
  const bottom = height - 20, most = Math.max(1, ...counts.map((c) => c.count)), step = width / counts.length;
  counts.forEach((c, i) => {
    const tall = (c.count / most) * (bottom - 20), middle = (i + 0.5) * step;
    svg(e, "rect", { class: "column", x: i * step + step * 0.14, y: bottom - tall, width: step * 0.72, height: tall, rx: 3 });
    const percent = total ? (100 * c.count) / total : 0;
    svg(e, "text", { class: "value", x: middle, y: bottom - tall - 5, "text-anchor": "middle" }, percent < 10 ? percent.toFixed(1) : percent.toFixed(0));
    svg(e, "text", { x: middle, y: height - 4, "text-anchor": "middle" }, c.name);
  });
  e.setAttribute("aria-label", "Ratings so far: " + counts.map((c) => `${c.name} stars ${share.format(total ? c.count / total : 0)}`).join(", "));
}

// bars draws counts below each other, with their shares of all events.
function bars(e, counts, total) {
  const most = Math.max(1, ...counts.map((c) => c.count));
  e.replaceChildren();
  for (const c of counts) {
    const row = html(e, "li", "");
    html(row, "span", "name", c.name);
    html(html(row, "span", "track"), "span", "fill").style.width = (100 * c.count) / most + "%";
    html(row, "span", "share", share.format(total ? c.count / total : 0));
    row.title = `${c.name}: ${whole.format(c.count)} events`;
  }
}

function rows(e, list) {
  e.replaceChildren();
  for (const [name, q] of list) {
    const row = html(e, "tr", "");
    html(row, "th", "", name).scope = "row";
    for (const key of ["p50", "p99", "p99.9", "max"]) html(row, "td", "", q ? three.format(q[key]) : "–");
  }
}

function pairs(e, list) {
  e.replaceChildren();
  for (const [name, value] of list) {
    if (value === "") continue;
    html(e, "dt", "", name);
    html(e, "dd", "", value);
  }
}

const pointers = {};
let live = null;

function drawCharts() {
  const samples = live.samples;
  if (!samples.length) return;
  const paced = live.due > 0;
  const lines = [{ class: "a", filled: true, value: (p) => p.rate }];
  if (paced) lines.push({ class: "b", value: (p) => p.wanted });
  let at = chart($("rate-chart"), samples, lines, linear, pointers["rate-chart"]);
  const text = `${rate(at.rate)}/s` + (paced ? ` of ${rate(at.wanted)}/s` : "");
  set("rate-read", `${clock.format(at.time)}: ${text}`);
  $("rate-chart").setAttribute("aria-label", `Rate against schedule over time; at ${clock.format(at.time)} ${text}`);
  const of = (key) => (p) => (p.lag ? p.lag[key] : null);
  at = chart($("lag-chart"), samples, [{ class: "e", value: of("p99.9") }, { class: "d", value: of("p99") }, { class: "c", value: of("p50") }], logarithmic, pointers["lag-chart"]);
  const lags = at.lag ? `p50 ${lag(at.lag.p50)}, p99 ${lag(at.lag.p99)}, p99.9 ${lag(at.lag["p99.9"])}` : "nothing committed";
  set("lag-read", `${clock.format(at.time)}: ${lags}`);
  $("lag-chart").setAttribute("aria-label", `Lag percentiles over time; at ${clock.format(at.time)} ${lags}`);
}

function draw() {
  const paced = live.due > 0, last = live.samples.at(-1), done = live.events;
  document.title = `${live.state} · ${live.run || "gen"}`;
  set("run", live.run);
  set("state", live.state);
  $("state").className = "state " + classOf(live.state);
  set("target", live.target);
  set("events", whole.format(done));
  set("total", live.total ? `of ${whole.format(live.total)} events, ${share.format((live.next - live.from) / live.total)}` : "events by this process");
  set("rate", last ? rate(last.rate) : "–");
  set("wanted", paced ? `of ${rate(live.wanted)} events/s` : "events/s");
  set("lag", last && last.lag ? lag(last.lag.p99) : "–");
  set("behind", live.behind_seconds > 1 ? `${seconds(live.behind_seconds)} behind` : "on time");
  if (!paced) set("behind", "as fast as possible");
  set("next", whole.format(live.next));
  set("restarts", whole.format(live.restarts));
  set("skipped", live.skipped_seconds > 0 ? `${seconds(live.skipped_seconds)} skipped` : "of the connection");
  drawCharts();
  rows($("lags"), [["Due to sent", live.lag_sent], ["Due to committed", live.lag_committed], ["Event to event", live.interval]]);
  columns($("ratings"), live.ratings || [], live.counted);
  set("counted", `Stars; per cent of ${whole.format(live.counted)} events` + (live.counted < done ? ", the first of them" : ""));
  bars($("genres"), (live.genres || []).toSorted((a, b) => b.count - a.count), live.counted);
  $("partition-section").hidden = !live.partitions;
  bars($("partitions"), (live.partitions || []).map((p) => ({ name: "Partition " + p.name, count: p.count })), live.counted);
  pairs($("identity"), [
    ["Run", live.run], ["Seed", String(live.seed)], ["Snapshot", live.snapshot], ["Profile", live.profile],
    ["Schedule", live.schedule], ["First event", whole.format(live.from)], ["Target", live.target], ["Running for", seconds(live.seconds)],
  ]);
}

async function ask() {
  try {
    const response = await fetch("live.json", { signal: AbortSignal.timeout(5000) });
    live = await response.json();
    draw();
  } catch {
    set("state", live ? "no answer: the process has ended" : "no answer");
    $("state").className = "state gone";
  }
  setTimeout(ask, 1000);
}

for (const id of ["rate-chart", "lag-chart"]) {
  $(id).addEventListener("pointermove", (event) => {
    pointers[id] = event.clientX - $(id).getBoundingClientRect().left;
    if (live) drawCharts();
  });
  $(id).addEventListener("pointerleave", () => {
    delete pointers[id];
    if (live) drawCharts();
  });
}
addEventListener("resize", () => live && draw());
ask();
