// Charts by uPlot, drawn anew when the theme or the width changes. What they show is in the tables too.

const charts = [];
const WHOLE = [1, 2, 5].flatMap((one) => [0, 1, 2, 3, 4, 5, 6, 7, 8].map((power) => one * 10 ** power)).sort((a, b) => a - b);

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axis(label, extra) {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const line = { stroke: colour("line"), width: 1 };
  return { label, stroke: colour("quiet"), font, labelFont: font, grid: line, ticks: line, ...extra };
}

// Without the legend below it.
function size(place) {
  const width = place.clientWidth;
  return { width, height: width < 600 ? 250 : 300 };
}

// say: what is told below the chart of the place that is pointed at.
function drawn(place, xs, series, xAxis, say, onChoose) {
  place.replaceChildren();
  const pointed = place.parentElement.querySelector(".pointed");
  const tell = (plot) => { if (plot.cursor.idx != null) pointed.textContent = say(plot.cursor.idx); };
  const options = {
    ...size(place),
    scales: { x: { time: false }, y: { range: (_, low, high) => padded(low, high) } },
    axes: [axis(xAxis, { size: 30, labelSize: 20, incrs: WHOLE }), axis("score on dev", { size: 58, values: (_, values) => values.map((v) => +(100 * v).toFixed(1)) })],
    cursor: { y: false, drag: { x: true, y: false }, points: { size: 9 }, focus: { prox: 24 } },
    legend: { live: false, markers: { fill: (plot, at) => plot.series[at].stroke(plot, at), width: 0 } },
    series: [{ label: xAxis }, ...series.map((one) => one.options)],
    hooks: { setCursor: [tell] },
  };
  const plot = new uPlot(options, [xs, ...series.map((one) => one.values)], place);
  if (onChoose) plot.over.addEventListener("click", () => plot.cursor.idx != null && onChoose(plot.cursor.idx));
  charts.push({ plot, place });
}

function padded(low, high) {
  if (low === null || high === null) return [0, 1];
  const room = Math.max(0.02, 0.08 * (high - low));
  return [Math.max(-0.02, low - room), Math.min(1.02, high + room)];
}

function scatter(label, paint, size) {
  return { label, stroke: paint, paths: () => null, points: { show: true, size, stroke: paint, fill: paint, width: 0 } };
}

function line(label, paint, extra) {
  return { label, stroke: paint, width: 2, points: { show: false }, ...extra };
}

function bestSoFar(values) {
  let best = null;
  return values.map((value) => (best = value === null ? best : best === null ? value : Math.max(best, value)));
}

function drawCandidates(place) {
  const { candidates, student, finalist } = report.index;
  const order = candidates.calls.map((_, place) => place).sort((a, b) => candidates.calls[a] - candidates.calls[b] || a - b);
  const xs = order.map((place) => candidates.calls[place]);
  const whole = order.map((place) => (candidates.whole[place] ? fraction(candidates.mean[place]) : null));
  const part = order.map((place) => (candidates.whole[place] ? null : fraction(candidates.mean[place])));
  const many = order.length > 400;
  const best = bestSoFar(whole);
  const series = [
    { options: line("best so far", colour("best"), { paths: uPlot.paths.stepped({ align: 1 }) }), values: best },
  ];
  if (student !== null) {
    const start = fraction(candidates.mean[student]);
    series.push({ options: line("student", colour("quiet"), { dash: [4, 4], width: 1.5 }), values: xs.map(() => start) });
  }
  if (part.some((value) => value !== null)) {
    series.push({ options: scatter("on a part of dev", `${colour("quiet")}88`, 4), values: part });
  }
  series.push({ options: scatter("candidate", `${colour("accent")}${many ? "99" : ""}`, many ? 4 : 7), values: whole });
  if (finalist !== null) {
    series.push({ options: scatter("finalist", colour("good"), 11), values: order.map((place, at) => (place === finalist ? whole[at] : null)) });
  }
  const say = (at) => {
    const place = order[at];
    const which = place === finalist ? ", the finalist," : place === student ? ", the student," : "";
    const part = candidates.whole[place] ? "" : ` on ${candidates.rows[place]} rows`;
    const ahead = best[at] === null ? "" : `; the best so far ${(100 * best[at]).toFixed(1)}`;
    return `After ${xs[at].toLocaleString("en")} calls: candidate ${candidates.number[place]}${which} scored ${points(candidates.mean[place])}${part}${ahead}.`;
  };
  drawn(place, xs, series, "calls", say, (at) => chooseCandidate(order[at]));
}

function drawSteps(place) {
  const values = JSON.parse(place.dataset.steps).map(fraction);
  const best = bestSoFar(values);
  const series = [
    { options: line("best so far", colour("best"), { paths: uPlot.paths.stepped({ align: 1 }) }), values: best },
    { options: scatter("instruction", colour("accent"), 7), values },
  ];
  const say = (at) => `Instruction ${at + 1} scored ${(100 * values[at]).toFixed(1)}; the best so far ${(100 * best[at]).toFixed(1)}.`;
  drawn(place, values.map((_, step) => step + 1), series, "instruction", say);
}

function drawCharts() {
  for (const { plot } of charts.splice(0)) plot.destroy();
  const candidates = document.getElementById("candidates-chart");
  if (candidates) drawCandidates(candidates);
  for (const place of document.querySelectorAll("[data-steps]")) drawSteps(place);
}

let resizing = 0;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => {
    for (const { plot, place } of charts) plot.setSize(size(place));
  }, 120);
});
matchMedia("print").addEventListener("change", drawCharts);
