"use strict";
// What the page holds: read once, packed as the Python side writes it (columns.py).

const report = { index: null, texts: null };

async function unpacked(id) {
  const text = document.getElementById(id).textContent;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function texts() {
  report.texts ??= unpacked("texts-data");
  return report.texts;
}

// An element with properties and children; text becomes text, never markup.
function element(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

function fraction(score) {
  const [low, high] = report.index.range;
  return high > low ? (score - low) / (high - low) : score;
}

function points(score) {
  return (100 * fraction(score)).toFixed(1);
}

function scoreBar(score) {
  const share = Math.max(0, Math.min(1, fraction(score)));
  const filled = element("i");
  filled.style.width = `${100 * share}%`;
  const bar = element("span", { className: "bar" }, filled);
  bar.setAttribute("aria-hidden", "true");
  return element("span", { className: "score" }, bar, points(score));
}

// Shows `items` a page at a time: draw(items of the page). Returns a function that shows other items.
function paged(place, size, draw) {
  let items = [];
  let first = 0;
  const say = element("span", { role: "status" });
  const back = element("button", { type: "button", textContent: "Previous", onclick: () => go(first - size) });
  const on = element("button", { type: "button", textContent: "Next", onclick: () => go(first + size) });
  place.append(back, on, say);
  function go(to) {
    first = Math.max(0, Math.min(to, Math.floor(Math.max(0, items.length - 1) / size) * size));
    back.disabled = first === 0;
    on.disabled = first + size >= items.length;
    place.hidden = items.length <= size;
    const last = Math.min(items.length, first + size);
    say.textContent = `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${items.length.toLocaleString("en")}`;
    draw(items.slice(first, last));
  }
  return { show(found, at = 0) { items = found; go(Math.floor(at / size) * size); } };
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function setUpTheme() {
  const button = document.getElementById("theme");
  const say = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Use the light theme" : "Use the dark theme");
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    say();
    drawCharts();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { say(); drawCharts(); });
  say();
}

function setUpCopying() {
  for (const button of document.querySelectorAll("button.copy")) {
    const text = button.parentElement.querySelector("pre");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(text); // a browser that lets no page write there: Ctrl-C takes it
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}

function setUpNavigation() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  for (const link of links.values()) link.addEventListener("focus", () => bringIntoSight(link));
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
    const now = [...links.keys()].find((name) => seen.has(name));
    for (const [name, link] of links) {
      if (name === now) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    if (now) bringIntoSight(links.get(now));
  }, { rootMargin: "-10% 0px -60% 0px" });
  for (const part of document.querySelectorAll("main > section")) watch.observe(part);
}

// In the row of links that a narrow screen scrolls; the page itself stays where it is.
function bringIntoSight(link) {
  const [row, place] = [link.parentElement, link.getBoundingClientRect()];
  const { left, right } = row.getBoundingClientRect();
  if (place.left < left || place.right > right - 24) row.scrollLeft += place.left - left - 24;
}

document.documentElement.classList.add("script");
addEventListener("DOMContentLoaded", async () => {
  setUpTheme();
  setUpNavigation();
  setUpCopying();
  report.index = await unpacked("index-data");
  setUpCandidates();
  setUpExamples();
  setUpRejections();
  drawCharts();
  document.documentElement.dataset.ready = "true";
});
