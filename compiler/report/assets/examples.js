// Row by row: one candidate beside another, and on opening a row what was sent and what came back.

const examples = { candidate: null, baseline: null, pages: null };

function setUpExamples() {
  const list = document.getElementById("examples-list");
  if (!list) return;
  const { candidates, scores, student, finalist, rows, strings } = report.index;
  const best = candidates.number.map((_, place) => place).filter((place) => scores[place])
    .sort((a, b) => candidates.whole[b] - candidates.whole[a] || candidates.mean[b] - candidates.mean[a] || a - b);
  const first = [...new Set([finalist, student, ...best.slice(0, 200)])].filter((place) => place !== null);
  for (const id of ["candidate", "baseline"]) {
    const select = document.getElementById(`examples-${id}`);
    select.append(...first.map(option));
    select.addEventListener("change", () => { examples[id] = Number(select.value); listExamples(); });
  }
  const split = document.getElementById("examples-split");
  const splits = [...new Set(rows.split.map((number) => strings[number]))];
  const titles = { dev: "dev, searched on", holdout: "held out" };
  split.append(element("option", { value: "", textContent: "all" }), ...splits.map((name) => element("option", { value: name, textContent: titles[name] ?? name })));
  if (splits.includes("holdout")) split.value = "holdout";
  for (const id of ["split", "result"]) document.getElementById(`examples-${id}`).addEventListener("change", listExamples);
  document.getElementById("examples-find").addEventListener("input", listExamples);
  examples.pages = paged(document.getElementById("examples-pages"), 50, drawExamples);
  compare(finalist ?? student ?? best[0], student ?? best[0]);
}

function option(place) {
  const { candidates, student, finalist } = report.index;
  const name = place === finalist ? "the finalist" : place === student ? "the student" : `#${candidates.number[place]}`;
  return element("option", { value: place, textContent: `${name}, ${points(candidates.mean[place])} on dev` });
}

function compare(candidate, baseline) {
  for (const [id, place] of [["candidate", candidate], ["baseline", baseline]]) {
    const select = document.getElementById(`examples-${id}`);
    if (![...select.options].some((one) => Number(one.value) === place)) select.append(option(place));
    select.value = place;
    examples[id] = place;
  }
  listExamples();
}

function compareExamples(place) {
  const { student, rows, scores, strings } = report.index;
  const split = document.getElementById("examples-split");
  const isHeldOut = scores[place].some((score, row) => score !== null && strings[rows.split[row]] === "holdout");
  if (!isHeldOut && split.value === "holdout") split.value = "dev";
  compare(place, student ?? place);
  document.getElementById("examples").scrollIntoView();
  document.getElementById("examples-candidate").focus({ preventScroll: true });
}

function result(row) {
  const { scores, range } = report.index;
  const [now, before] = [scores[examples.candidate]?.[row] ?? null, scores[examples.baseline]?.[row] ?? null];
  if (now === null && before === null) return null;
  if (now === null || before === null) return "one only";
  if (now > before) return "win";
  if (now < before) return "loss";
  return now >= range[1] ? "both right" : now <= range[0] ? "both wrong" : "equal";
}

async function failedRows() {
  const { runs, strings } = await texts();
  const of = (place) => runs[place] ?? [];
  return (row) => [examples.candidate, examples.baseline].some((place) => of(place)[row] && strings[of(place)[row][0]]);
}

async function listExamples() {
  const { rows, strings } = report.index;
  const value = (id) => document.getElementById(`examples-${id}`).value;
  const [split, wanted, find] = [value("split"), value("result"), value("find").toLowerCase()];
  const hasFailed = wanted === "failures" ? await failedRows() : null;
  const kinds = { wins: "win", losses: "loss", "both right": "both right", "both wrong": "both wrong" };
  const counts = { win: 0, loss: 0 };
  const found = rows.split.map((_, row) => row).filter((row) => {
    const how = result(row);
    if (how === null || (split && strings[rows.split[row]] !== split)) return false;
    if (how in counts) counts[how] += 1;
    if (kinds[wanted] && how !== kinds[wanted]) return false;
    if (hasFailed && !hasFailed(row)) return false;
    return !find || strings[rows.input[row]].toLowerCase().includes(find) || strings[rows.label[row]].toLowerCase().includes(find);
  });
  const plural = { win: counts.win === 1 ? "win" : "wins", loss: counts.loss === 1 ? "loss" : "losses" };
  document.getElementById("examples-count").textContent = `${found.length} rows shown; ${counts.win} ${plural.win} and ${counts.loss} ${plural.loss} in all of these rows.`;
  examples.pages.show(found);
}

function drawExamples(found) {
  const { rows, strings, scores } = report.index;
  const items = found.map((row) => {
    const how = result(row);
    const [now, before] = [scores[examples.candidate]?.[row] ?? null, scores[examples.baseline]?.[row] ?? null];
    const shown = (score) => (score === null ? "none" : points(score));
    const badge = element("span", {}, element("span", { className: how === "win" ? "mark win" : how === "loss" ? "mark loss" : "mark", textContent: how }));
    const told = element("span", { className: "scores", textContent: `${shown(before)} → ${shown(now)}` });
    const item = element("details", { className: "example" }, element("summary", {}, badge, element("span", { className: "input", textContent: strings[rows.input[row]] }), told));
    item.addEventListener("toggle", () => { if (item.open && item.childElementCount === 1) openExample(item, row); });
    return item;
  });
  document.getElementById("examples-list").replaceChildren(...items);
}

async function openExample(item, row) {
  const { rows, strings } = report.index;
  const held = await texts();
  if (item.childElementCount > 1) return;
  const place = strings[rows.place[row]];
  const facts = element("p", { className: "quiet", textContent: `${place ? `${place}; ` : ""}expected: ${strings[rows.label[row]]}` });
  const pair = examples.candidate === examples.baseline ? [examples.candidate] : [examples.baseline, examples.candidate];
  item.append(facts, element("div", { className: "sides" }, pair.map((one) => side(one, row, held))));
}

function side(place, row, held) {
  const title = element("h4", { textContent: option(place).textContent });
  const run = held.runs[place]?.[row];
  const score = report.index.scores[place]?.[row] ?? null;
  if (!run) {
    const why = score === null ? "It was not run on this row." : "Its messages are in the run folder, not in this report.";
    return element("div", {}, title, element("p", { className: "quiet", textContent: why }));
  }
  const [failure, reason, feedback, outputs] = run.slice(0, 4).map((number) => held.strings[number]);
  const told = [element("p", {}, "score ", element("strong", { textContent: points(score) }), `, ${run[4]} ${run[4] === 1 ? "call" : "calls"}`)];
  if (failure) told.push(element("p", { className: "failure", textContent: `${failure}: ${reason}` }));
  if (outputs) told.push(element("div", { className: "message" }, element("div", { className: "role", textContent: "outputs" }), element("pre", { textContent: outputs })));
  if (feedback) told.push(element("p", { className: "quiet", textContent: `feedback: ${feedback}` }));
  const steps = run[5].map(([path, messages, reply], step) => {
    const head = run[5].length > 1 ? [element("h5", { textContent: `${step + 1}. ${held.strings[path]}` })] : [];
    const sent = messages === null
      ? [element("p", { className: "quiet", textContent: "What was sent cannot be shown: its demonstrations were picked by vectors." })]
      : messages.map(([role, text]) => message(held.strings[role], held.strings[text], ""));
    return element("div", {}, head, sent, message("reply", held.strings[reply], " reply"));
  });
  return element("div", {}, title, told, steps);
}

function message(role, text, extra) {
  return element("div", { className: `message${extra}` }, element("div", { className: "role", textContent: role }), element("pre", { textContent: text || "(empty)" }));
}
