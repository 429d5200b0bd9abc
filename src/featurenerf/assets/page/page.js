"use strict";
// Each object is a list of surface points with descriptors of 8 bits, and pictures whose pixels name the point they show.

const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function loaded(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = source;
  });
}

async function read(record) {
  const shown = new Uint16Array(await unpacked(record.shown));
  const codes = new Int8Array(await unpacked(record.codes));
  const count = codes.length / record.components;
  const lengths = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let k = 0; k < record.components; k++) sum += codes[i * record.components + k] ** 2;
    lengths[i] = Math.max(Math.sqrt(sum), 1e-6);
  }
  const pictures = await Promise.all(record.pictures.map(loaded));
  return { ...record, shown, codes, count, lengths, pictures, turn: 1, scores: null, mark: -1, canvases: [], pointers: [null, null] };
}

// Cosine similarity of a point of one object to every point of another.
function similarities(from, point, to) {
  const k = from.components;
  const scores = new Float32Array(to.count);
  for (let i = 0; i < to.count; i++) {
    let sum = 0;
    for (let j = 0; j < k; j++) sum += from.codes[point * k + j] * to.codes[i * k + j];
    scores[i] = sum / (from.lengths[point] * to.lengths[i]);
  }
  return scores;
}

function best(scores) {
  let index = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i] > scores[index]) index = i;
  return index;
}

// Where a view shows a point: the pixel nearest to the middle of those that do, or null.
function place(object, view, point) {
  const size = object.size;
  const found = [];
  for (let p = 0; p < size * size; p++) {
    if (object.shown[view * size * size + p] === point + 1) found.push([(p % size) + 0.5, Math.floor(p / size) + 0.5]);
  }
  if (!found.length) return null;
  const middle = [0, 1].map((axis) => found.reduce((sum, xy) => sum + xy[axis], 0) / found.length);
  const away = (xy) => (xy[0] - middle[0]) ** 2 + (xy[1] - middle[1]) ** 2;
  return found.reduce((a, b) => (away(b) < away(a) ? b : a));
}

// The turned view that shows most of a point, the present one where it shows any of it.
function turnTo(object, point) {
  const area = object.size ** 2;
  const seen = object.pictures.map((_, view) => {
    let pixels = 0;
    for (let p = 0; p < area; p++) pixels += object.shown[view * area + p] === point + 1;
    return pixels;
  });
  if (seen[object.turn]) return object.turn;
  let view = object.turn;
  for (let v = 1; v < seen.length; v++) if (seen[v] > seen[view]) view = v;
  return view;
}

// Red, green, blue and opacity: what is unlike is hardly covered.
function color(score, least) {
  const share = Math.min(Math.max((score - least + 0.2) / (1.2 - least), 0), 1);
  const t = share * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(t), CIVIDIS.length - 2);
  return [...CIVIDIS[low].map((c, i) => c + (CIVIDIS[low + 1][i] - c) * (t - low)), 70 + 150 * share];
}

function draw(object, least) {
  const size = object.size;
  object.canvases.forEach((canvas, slot) => {
    const view = slot ? object.turn : 0;
    const context = canvas.getContext("2d");
    const scale = canvas.width / size;
    context.imageSmoothingEnabled = true;
    context.drawImage(object.pictures[view], 0, 0, canvas.width, canvas.height);
    if (object.scores) {
      const heat = new ImageData(size, size);
      for (let p = 0; p < size * size; p++) {
        const point = object.shown[view * size * size + p];
        if (!point) continue;
        heat.data.set(color(object.scores[point - 1], least), p * 4);
      }
      const layer = new OffscreenCanvas(size, size);
      layer.getContext("2d").putImageData(heat, 0, 0);
      context.drawImage(layer, 0, 0, canvas.width, canvas.height);
    }
    const pointer = object.pointers[slot];
    if (pointer) {
      const [x, y] = pointer.map((v) => v * scale);
      for (const [width, style] of [[5, "#ffffff"], [2, "#202226"]]) {
        context.beginPath();
        for (const [dx, dy] of [[12, 0], [-12, 0], [0, 12], [0, -12]]) {
          context.moveTo(x + dx / 3, y + dy / 3);
          context.lineTo(x + dx, y + dy);
        }
        context.lineWidth = width;
        context.strokeStyle = style;
        context.stroke();
      }
    }
    const at = object.mark < 0 ? null : place(object, view, object.mark);
    if (at) {
      for (const [radius, width, style] of [[9, 6, "#202226"], [9, 3, "#ffffff"]]) {
        context.beginPath();
        context.arc(at[0] * scale, at[1] * scale, radius, 0, 2 * Math.PI);
        context.lineWidth = width;
        context.strokeStyle = style;
        context.stroke();
      }
    }
  });
}

function choose(page, from, point) {
  for (const object of page.objects) {
    object.scores = similarities(from, point, object);
    object.mark = object === from ? point : best(object.scores);
    object.best = object.scores[object.mark];
    const known = object === from || object.best >= page.least;
    if (!known) object.mark = -1;
    else if (object !== from) object.turn = turnTo(object, object.mark);
    object.slider.value = object.turn;
    object.said.textContent = object === from ? "chosen" : known ? object.best.toFixed(2) : `no match (${object.best.toFixed(2)})`;
    object.figure.classList.toggle("chosen", object === from);
    draw(object, page.least);
  }
  document.getElementById("said").textContent = `A point of ${from.title} is chosen; the numbers are cosine similarities.`;
}

// What a click on a view of an object chooses: the point that is shown there, or none beside the object.
function pointAt(object, slot, x, y) {
  const view = slot ? object.turn : 0;
  const inside = x >= 0 && y >= 0 && x < object.size && y < object.size;
  return inside ? object.shown[(view * object.size + Math.floor(y)) * object.size + Math.floor(x)] - 1 : -1;
}

function add(page, object) {
  object.figure = document.createElement("figure");
  const views = document.createElement("div");
  views.className = "views";
  for (const slot of [0, 1]) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 384;
    canvas.setAttribute("role", "img");
    const keys = "arrow keys move a pointer, Enter chooses the point under it";
    canvas.setAttribute("aria-label", `${slot ? "turned view" : "picture"} of ${object.title}: ${keys}`);
    canvas.tabIndex = 0;
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const at = object.pointers[slot] || [object.size / 2, object.size / 2];
      if (step) {
        const far = event.shiftKey ? 1 : object.size / 32;
        object.pointers[slot] = at.map((v, i) => Math.min(Math.max(v + far * step[i], 0.5), object.size - 0.5));
        draw(object, page.least);
      } else if (event.key === "Enter" || event.key === " ") {
        const point = pointAt(object, slot, ...at);
        if (point >= 0) choose(page, object, point);
      } else return;
      event.preventDefault();
    });
    canvas.addEventListener("blur", () => {
      object.pointers[slot] = null;
      draw(object, page.least);
    });
    let start = null;
    canvas.addEventListener("pointerdown", (event) => {
      start = { x: event.clientX, turn: object.turn, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!start || !slot || Math.abs(event.clientX - start.x) < 6) return;
      start.moved = true;
      const count = object.pictures.length - 1;
      const steps = Math.round(((event.clientX - start.x) / canvas.clientWidth) * count);
      object.turn = 1 + ((((start.turn - 1 - steps) % count) + count) % count);
      object.slider.value = object.turn;
      draw(object, page.least);
    });
    canvas.addEventListener("pointerup", (event) => {
      const moved = start && start.moved;
      start = null;
      if (moved) return;
      const box = canvas.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      const point = pointAt(object, slot, x * object.size, y * object.size);
      if (point >= 0) choose(page, object, point);
    });
    canvas.addEventListener("pointercancel", () => { start = null; });
    views.append(canvas);
    object.canvases.push(canvas);
  }
  object.slider = document.createElement("input");
  Object.assign(object.slider, { type: "range", min: 1, max: object.pictures.length - 1, value: 1 });
  object.slider.setAttribute("aria-label", `turn ${object.title}`);
  object.slider.addEventListener("input", () => {
    object.turn = Number(object.slider.value);
    draw(object, page.least);
  });
  const caption = document.createElement("figcaption");
  const title = document.createElement("b");
  title.textContent = object.title;
  object.said = document.createElement("span");
  caption.append(title, object.said);
  object.figure.append(views, object.slider, caption);
  document.getElementById("objects").append(object.figure);
  draw(object, page.least);
}

async function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = { least: data.least, objects: await Promise.all(data.objects.map(read)) };
  document.title = document.getElementById("heading").textContent = data.heading;
  for (const object of page.objects) add(page, object);
  // For programs that drive the page: the best matches of what a view of an object shows at a place.
  window.featurenerf = {
    matches(number, slot, x, y) {
      const from = page.objects[number];
      const point = pointAt(from, slot, x, y);
      return page.objects.map((object) => {
        const scores = similarities(from, point, object);
        const index = object === from ? point : best(scores);
        return { point: index, score: scores[index] };
      });
    },
  };
  document.body.dataset.ready = "yes";
}

start();
