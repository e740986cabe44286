"use strict";
// The web map of a run. What it shows is described by the JSON in the page; nothing in it is trusted to be HTML.
const D = JSON.parse(document.getElementById("facts-of-the-map").textContent);
const $ = (id) => document.getElementById(id);
const text = (parent, tag, words, kind) => {
  const e = document.createElement(tag);
  if (kind) e.className = kind;
  if (words !== undefined) e.textContent = words;
  parent.append(e);
  return e;
};
const number = (v, digits = 0) => v.toLocaleString("en", { maximumFractionDigits: digits }).replaceAll(",", "\u202f");
const area = (m2) => (m2 >= 100000 ? `${number(m2 / 10000, 1)} ha` : `${number(m2)} m²`);
const stop = (title, words, command) => {
  $("stop").hidden = false;
  $("stop").querySelector("h1").textContent = title;
  $("stop").querySelector("p").textContent = words;
  $("stop").querySelector("pre").textContent = command || "";
};

// --- where tiles come from: files beside the page, read in ranges, or text in the page itself

class InPage {
  constructor(name) { this.name = name; }
  getKey() { return this.name; }
  async getBytes(offset, length) {
    if (!this.bytes) {
      const coded = document.getElementById(`file-${this.name}`);
      const raw = atob(coded.textContent.trim());
      this.bytes = new Uint8Array(raw.length);
      for (let i = 0; i < raw.length; i++) this.bytes[i] = raw.charCodeAt(i);
      coded.textContent = "";
    }
    return { data: this.bytes.slice(offset, offset + length).buffer };
  }
}
const rasters = new Set(D.pictures.map((p) => p.file));
const archives = {};
const archive = (name) => (archives[name] ||= new pmtiles.PMTiles(D.inside ? new InPage(name) : new pmtiles.FetchSource(new URL(name, location.href).href)));
const tile = async (name, z, x, y) => {
  const found = await archive(name).getZxy(z, x, y);
  return found ? found.data : null;
};
let seen; // objects wait until there is a first picture to look at, or for three seconds
const first = new Promise((done) => { seen = done; setTimeout(done, 3000); });
const NOTHING = Uint8Array.from(atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="), (c) => c.charCodeAt(0));
maplibregl.addProtocol("tiles", async ({ url }) => {
  const [name, z, x, y] = url.slice("tiles://".length).split("/");
  try {
    if (!rasters.has(name)) await first;
    const data = await tile(name, +z, +x, +y);
    return { data: data || (rasters.has(name) ? NOTHING.slice().buffer : new ArrayBuffer(0)) };
  } catch (error) {
    noRanges(error);
    throw error;
  }
});
function noRanges(error) {
  if (!D.inside && /content-length|byte serving|Failed to fetch|Bad response/i.test(String(error && error.message)))
    stop("The tiles cannot be read", `The server gave no parts of files (HTTP range requests): ${error.message} Any web server that knows ranges will do (nginx, Apache, object stores), or geoseg's own:`, D.serve);
}

// --- the style

const shown = {}, opacity = {};
for (const layer of [...D.pictures, ...D.objects]) { shown[layer.id] = layer.shown; opacity[layer.id] = layer.opacity; }
const home = { ...shown };
const hash = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
function showAsked(now) {
  const picked = (now.pick || "").split(":")[0];
  if (now.show !== undefined) for (const id of Object.keys(shown)) shown[id] = now.show.split(",").includes(id);
  if (picked in shown) shown[picked] = true;
}
showAsked(hash());
const [west, south, east, north] = D.bounds;
const sources = {}, layers = [{ id: "ground", type: "background", paint: { "background-color": getComputedStyle(document.documentElement).getPropertyValue("--ground").trim() } }];
for (const p of D.pictures) {
  sources[p.id] = { type: "raster", tiles: [`tiles://${p.file}/{z}/{x}/{y}`], tileSize: 512, minzoom: D.zooms[0], maxzoom: D.zooms[1], bounds: D.bounds };
  layers.push({ id: p.id, type: "raster", source: p.id, layout: { visibility: shown[p.id] ? "visible" : "none" },
    paint: { "raster-opacity": p.opacity, "raster-fade-duration": 0, "raster-resampling": p.id === "photo" ? "linear" : "nearest" } });
}
let chosen = null; // {layer, id, properties}
const parts = {}; // layers of the style by layer of the page: [id, property, opacity]
for (const o of D.objects) {
  sources[o.id] = { type: "vector", tiles: [`tiles://${o.file}/{z}/{x}/{y}`], minzoom: o.zooms[0], maxzoom: o.zooms[1], bounds: D.bounds };
  const base = { source: o.id, "source-layer": o.id, layout: { visibility: shown[o.id] ? "visible" : "none" } };
  const colour = (one, by) => (o.by ? ["match", ["get", o.by.column], ...o.by.values.flatMap((v) => [v[0], v[by]]), one] : one);
  const width = (least, most) => ["interpolate", ["exponential", 1.6], ["zoom"], D.zooms[1] - 4, least, D.zooms[1] + 1, most];
  const list = (parts[o.id] = []);
  const add = (suffix, type, paint, dims, more = {}) => {
    layers.push({ ...base, ...more, id: `${o.id}${suffix}`, type, paint, layout: { ...base.layout, ...(type === "line" ? { "line-join": o.kind === "LineString" ? "round" : "miter", "line-cap": o.kind === "LineString" ? "round" : "butt" } : {}) } });
    for (const [property, strength] of dims) list.push([`${o.id}${suffix}`, property, strength]);
  };
  if (o.kind === "Polygon") {
    if (o.fill > 0) add("", "fill", { "fill-color": colour(o.colour, 1), "fill-opacity": o.fill, "fill-antialias": false }, [["fill-opacity", o.fill]]);
    add("-line", "line", { "line-color": colour(o.edge, 2), "line-width": width(0.8, 2.2), "line-opacity": o.line }, [["line-opacity", o.line]], o.fill > 0 ? { minzoom: D.zooms[1] - 3 } : {}); // further out, outlines are mud
  } else if (o.kind === "LineString") {
    add("", "line", { "line-color": o.edge, "line-width": width(1.8, 7), "line-opacity": o.line }, [["line-opacity", o.line]]);
    add("-line", "line", { "line-color": o.inside, "line-width": width(0.8, 3.6), "line-opacity": o.line }, [["line-opacity", o.line]]);
  } else
    add("", "circle", { "circle-color": o.colour, "circle-stroke-color": o.edge, "circle-stroke-width": 1, "circle-radius": width(1.5, 5), "circle-opacity": o.fill, "circle-stroke-opacity": o.line }, [["circle-opacity", o.fill], ["circle-stroke-opacity", o.line]]);
  const chosen = { ...base, layout: { visibility: "none" }, filter: ["==", ["get", "id"], ""] };
  if (o.kind === "Point") layers.push({ ...chosen, id: `${o.id}-chosen`, type: "circle", paint: { "circle-radius": width(5, 10), "circle-color": "#fff0", "circle-stroke-color": "#00e5ff", "circle-stroke-width": 3 } });
  else layers.push({ ...chosen, id: `${o.id}-chosen`, type: "line", paint: { "line-color": "#00e5ff", "line-width": width(2.4, 4.5) } });
}

// --- the map

const asked = (at) => {
  const v = (at || "").split("/").map(Number);
  return v.length === 3 && v.every(Number.isFinite) && Math.abs(v[1]) <= 90 && Math.abs(v[2]) <= 180 ? { zoom: v[0], center: [v[2], v[1]] } : null;
};
const narrow = matchMedia("(max-width:640px)");
const around = () => (narrow.matches ? { top: 60, bottom: 30, left: 20, right: 20 } : { top: 30, bottom: 30, left: 340, right: 50 });
let map;
function start() {
  const wide = east - west, high = north - south;
  map = new maplibregl.Map({
    container: "map", style: { version: 8, sources, layers }, attributionControl: false, fadeDuration: 0, dragRotate: false, pitchWithRotate: false,
    touchPitch: false, maxPitch: 0, minZoom: Math.max(0, D.zooms[0] - 1), maxZoom: Math.min(24, D.zooms[1] + 4), renderWorldCopies: false, refreshExpiredTiles: false,
    maxBounds: [west - 2 * wide, Math.max(-85, south - 2 * high), east + 2 * wide, Math.min(85, north + 2 * high)], locale: { "Map.Title": "Map" },
    bounds: D.bounds, fitBoundsOptions: { padding: around() }, ...(asked(hash().at) || {}),
  });
  if (!D.pictures.some((p) => shown[p.id])) seen();
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl({ onAdd: homeButton, onRemove() {} }, "top-right");
  if (!D.local) map.addControl(new maplibregl.ScaleControl({ maxWidth: 120 }), "bottom-right");
  map.once("idle", () => { document.documentElement.dataset.ready = String(Math.round(performance.now())); });
  map.on("mousemove", (e) => { $("where").textContent = place(e.lngLat); });
  map.on("click", (e) => pick(e.point, e.lngLat));
  map.on("moveend", write);
  map.on("zoom", hints);
  map.on("load", () => { hints(); recall(); });
  map.on("sourcedata", (e) => {
    const lowest = D.pictures.find((p) => shown[p.id]) || D.objects[0]; // when there is something to see
    if (lowest && e.sourceId === lowest.id && map.isSourceLoaded(lowest.id) && !document.documentElement.dataset.first)
      map.once("render", () => { document.documentElement.dataset.first ||= String(Math.round(performance.now())); seen(); });
  });
  const canvas = map.getCanvas();
  let look = 0;
  map.on("mousemove", (e) => {
    cancelAnimationFrame(look);
    if (!map.isMoving()) look = requestAnimationFrame(() => { canvas.style.cursor = at(e.point).length ? "pointer" : ""; });
  });
}
function homeButton() {
  const box = document.createElement("div");
  box.className = "maplibregl-ctrl maplibregl-ctrl-group";
  const b = text(box, "button", "⤢");
  b.title = "Show all of it";
  b.setAttribute("aria-label", b.title);
  b.onclick = () => map.fitBounds(D.bounds, { padding: around() });
  return box;
}
const EARTH = 6378137;
function place(p) {
  if (!D.local) return `${p.lat.toFixed(6)}°, ${p.lng.toFixed(6)}°`;
  const x = (EARTH * p.lng * Math.PI) / 180, y = EARTH * Math.log(Math.tan(Math.PI / 4 + (p.lat * Math.PI) / 360));
  return `x ${(x - D.local[0]).toFixed(1)}, y ${(y - D.local[1]).toFixed(1)}`;
}

// --- the panel

function row(list, layer, swatch) {
  const li = text(list, "li", undefined, "row"), label = text(li, "label"), box = text(label, "input");
  box.type = "checkbox";
  box.id = `show-${layer.id}`;
  label.append(swatch);
  text(label, "span", layer.name, "name").title = layer.name;
  const many = layer.count === undefined ? null : text(li, "span", "", "many");
  const dim = text(li, "input");
  Object.assign(dim, { type: "range", min: 10, max: 100, value: Math.round(100 * opacity[layer.id]), title: `Opacity of ${layer.name}` });
  dim.setAttribute("aria-label", dim.title);
  box.onchange = () => { shown[layer.id] = box.checked; apply(layer); write(); };
  dim.oninput = () => { opacity[layer.id] = dim.value / 100; apply(layer); };
  box.checked = shown[layer.id]; // before the map has loaded, too
  li.classList.toggle("on", shown[layer.id]);
  rows[layer.id] = { li, box, many };
}
const rows = {};
function swatch(layer) {
  const s = document.createElement("span");
  s.className = "sw";
  if (layer.kind === "LineString") s.classList.add("line");
  if (layer.kind === "Point") s.classList.add("point");
  if (layer.colour) { s.style.background = layer.kind === "LineString" ? layer.inside : layer.see; s.style.borderColor = layer.edge; }
  else {
    s.classList.add("many-coloured");
    for (const c of layer.sample) text(s, "i").style.background = c;
  }
  return s;
}
const styled = (layer) => (layer.kind ? [...new Set(parts[layer.id].map((p) => p[0]))] : [layer.id]);
function apply(layer) {
  const on = shown[layer.id], { li, box } = rows[layer.id];
  box.checked = on;
  li.classList.toggle("on", on);
  for (const id of styled(layer)) map.setLayoutProperty(id, "visibility", on ? "visible" : "none");
  if (layer.kind) for (const [id, property, strength] of parts[layer.id]) map.setPaintProperty(id, property, strength * opacity[layer.id]);
  else map.setPaintProperty(layer.id, "raster-opacity", opacity[layer.id]);
  if (chosen && chosen.layer === layer.id && !on) choose(null);
  legend();
  hints();
}
function hints() {
  for (const o of D.objects) rows[o.id].many.textContent = shown[o.id] && map.getZoom() < o.zooms[0] ? "zoom in" : number(o.count);
}
function legend() {
  const box = $("legend");
  box.textContent = "";
  if (shown.classes || shown.landcover)
    for (const c of D.classes) {
      const e = text(box, "div", undefined, "entry");
      text(e, "span", undefined, "sw").style.background = c.colour;
      text(e, "span", c.name, "name");
      if (c.area !== null) text(e, "span", area(c.area), "many");
    }
  if (shown.confidence) {
    text(box, "h3", `Confidence, in steps of ${D.step} %`);
    text(box, "div", undefined, "ramp").style.background = `linear-gradient(90deg,${D.ramp.filter((_, i) => i % 10 === 0).join()})`;
    const ends = text(box, "div", undefined, "ends");
    for (const v of ["0 %", "50 %", "100 %"]) text(ends, "span", v);
  }
  const keys = $("keys");
  keys.textContent = "";
  for (const o of D.objects.filter((o) => o.by && shown[o.id])) {
    text(keys, "h3", o.name);
    for (const [value, fill, edge] of o.by.values) {
      const e = text(keys, "div", undefined, "entry"), s = text(e, "span", undefined, "sw");
      s.style.background = fill + "55";
      s.style.borderColor = edge;
      text(e, "span", value, "name");
    }
  }
}
function strange(now) { // a link of a report names the run that it is of
  const other = now.run && D.run && now.run !== D.run;
  $("other").hidden = !other;
  $("other").textContent = other ? `This map shows run ${D.run}. The link that led here is of another one, ${now.run}: what it means may have changed. Make the map of that run with geoseg view RUN --web.` : "";
}
function panel() {
  strange(hash());
  $("panel").querySelector("h1").textContent = D.title;
  $("about").textContent = D.about;
  for (const note of D.notes) text($("notes"), "p", note);
  for (const [name, value] of D.facts) { text($("facts"), "dt", name); text($("facts"), "dd", value); }
  for (const o of [...D.objects].reverse()) row($("objects"), o, swatch(o));
  for (const p of [...D.pictures].reverse()) row($("pictures"), p, swatch(p));
  if (!D.objects.length) $("objects").parentElement.hidden = true;
  fold(narrow.matches);
  $("fold").onclick = () => fold(!$("panel").classList.contains("folded"));
  $("close").onclick = () => choose(null);
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "Escape") choose(null);
    if (e.key === "l" || e.key === "L") $("fold").click();
  });
  let wait = 0;
  $("confidence").oninput = () => { cancelAnimationFrame(wait); wait = requestAnimationFrame(filter); };
  $("licences").onclick = () => { $("licence").textContent = $("licence-texts").textContent; $("licence").hidden = !$("licence").hidden; };
  $("link").onclick = async () => {
    write();
    try { await navigator.clipboard.writeText(location.href); $("said").textContent = "copied"; }
    catch { $("said").textContent = "it is the address of this page"; }
    setTimeout(() => { $("said").textContent = ""; }, 2500);
  };
}
function fold(folded) {
  $("panel").classList.toggle("folded", folded);
  $("fold").setAttribute("aria-expanded", String(!folded));
  $("fold").setAttribute("aria-label", folded ? "Unfold the panel" : "Fold the panel");
}
function filter() {
  const least = Number($("confidence").value);
  $("least").textContent = `${least} %`;
  for (const o of D.objects)
    if (o.sure) for (const id of styled(o)) map.setFilter(id, least ? ["any", ["!", ["has", "confidence"]], [">=", ["to-number", ["get", "confidence"]], least]] : null);
}

// --- what lies at a point

const at = (point) => map.queryRenderedFeatures([[point.x - 4, point.y - 4], [point.x + 4, point.y + 4]], { layers: D.objects.filter((o) => shown[o.id]).flatMap(styled) });
async function pick(point, lngLat) {
  const found = at(point)[0];
  choose(found ? { layer: found.source, id: found.properties.id, properties: found.properties } : null);
  const box = $("card").getBoundingClientRect(); // what was clicked shall not lie under its own card
  if (found && point.x > box.left - 20 && point.y > box.top - 20 && point.y < box.bottom + 20)
    map.panBy(narrow.matches ? [0, point.y - box.top + 50] : [point.x - box.left + 60, 0]);
  const mine = chosen, ground = await underfoot(lngLat);
  if (mine !== chosen) return;
  if (!found && ground) card("Ground", []);
  $("ground").textContent = "";
  if (!ground) return;
  text($("ground"), "span", undefined, "sw").style.background = ground.colour;
  text($("ground"), "span", `Class here: ${ground.name}${ground.sure === null ? "" : `, about ${ground.sure} % sure`}`);
}
function mark(layer, id) {
  for (const o of D.objects) {
    map.setLayoutProperty(`${o.id}-chosen`, "visibility", o.id === layer && shown[o.id] ? "visible" : "none");
    if (o.id === layer) map.setFilter(`${o.id}-chosen`, ["==", ["get", "id"], id]);
  }
}
function choose(feature) {
  mark(feature && feature.layer, feature && feature.id);
  chosen = feature;
  $("card").hidden = true;
  document.body.classList.remove("carded");
  $("ground").textContent = "";
  if (feature) {
    const o = D.objects.find((o) => o.id === feature.layer);
    card(o.one, Object.entries(o.columns).filter(([c]) => feature.properties[c] !== undefined && feature.properties[c] !== null).map(([c, name]) => [name, said(feature.properties[c])]));
  }
  write();
}
function card(title, pairs) {
  if (narrow.matches) fold(true);
  $("card").hidden = false;
  document.body.classList.add("carded");
  $("card").querySelector("h2").textContent = title;
  const table = $("card").querySelector("table");
  table.textContent = "";
  for (const [name, value] of pairs) {
    const r = text(table, "tr");
    text(r, "th", name).scope = "row";
    text(r, "td", value);
  }
}
const said = (v) => (v === true ? "yes" : v === false ? "no" : typeof v === "number" ? number(v, 2) : String(v));
const pixel = async (name, lngLat) => {
  const p = D.pictures.find((p) => p.id === name);
  if (!p) return null;
  const z = D.zooms[1], n = 2 ** z, m = maplibregl.MercatorCoordinate.fromLngLat(lngLat);
  const data = await tile(p.file, z, Math.floor(m.x * n), Math.floor(m.y * n));
  if (!data) return null;
  const image = await createImageBitmap(new Blob([data], { type: "image/png" }), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(1, 1), g = canvas.getContext("2d");
  g.drawImage(image, Math.floor(((m.x * n) % 1) * 512), Math.floor(((m.y * n) % 1) * 512), 1, 1, 0, 0, 1, 1);
  const [r, gr, b, a] = g.getImageData(0, 0, 1, 1).data;
  return a ? "#" + [r, gr, b].map((v) => v.toString(16).padStart(2, "0")).join("") : null;
};
async function underfoot(lngLat) {
  try {
    const seen = await pixel("classes", lngLat), one = D.classes.find((c) => c.colour === seen);
    if (!one) return null;
    const sure = D.ramp.indexOf(await pixel("confidence", lngLat));
    return { name: one.name, colour: one.colour, sure: sure < 0 ? null : sure };
  } catch (error) { noRanges(error); return null; }
}

// --- the address says where the map is, what it shows, and what is chosen

let written = "", recalled = false;
function write() {
  if (!recalled) return;
  const c = map.getCenter(), order = [...D.pictures, ...D.objects].map((l) => l.id);
  const on = order.some((id) => shown[id] !== home[id]) ? `&show=${order.filter((id) => shown[id]).map(encodeURIComponent).join()}` : "";
  const pick = chosen ? `&pick=${encodeURIComponent(chosen.layer)}:${encodeURIComponent(chosen.id)}` : "";
  written = `#at=${map.getZoom().toFixed(2)}/${c.lat.toFixed(7)}/${c.lng.toFixed(7)}${on}${pick}`;
  if (written !== location.hash) history.replaceState(null, "", written);
}
function recall() {
  const now = hash(), place = asked(now.at), [layer, ...rest] = (now.pick || "").split(":"), id = rest.join(":");
  if (place) map.jumpTo(place);
  showAsked(now);
  strange(now);
  const o = D.objects.find((o) => o.id === layer);
  for (const l of [...D.pictures, ...D.objects]) apply(l);
  recalled = true;
  if (!o || !id) return;
  mark(layer, id);
  map.once("idle", () => {
    const found = map.querySourceFeatures(layer, { sourceLayer: layer, filter: ["==", ["get", "id"], id] })[0];
    if (found) choose({ layer, id, properties: found.properties });
  });
}
addEventListener("hashchange", () => { if (location.hash !== written) recall(); });

if (location.protocol === "file:" && !D.inside)
  stop("This map needs a server", "Its tiles are read in parts, which a browser does not do with files on a disk. Any web server that knows ranges will do (nginx, Apache, object stores), or geoseg's own, for this machine alone:", D.serve);
else {
  try {
    panel();
    start();
    map.on("error", (e) => { document.documentElement.dataset.error = String(e.error && e.error.message); });
  } catch (error) {
    stop("This browser cannot draw the map", String(error.message).includes("WebGL") ? "It needs WebGL 2, which is switched off or missing here." : String(error.message));
    throw error;
  }
}
