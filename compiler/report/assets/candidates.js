// The table of candidates: sorted, searched, paged; and what one of them says. The table of rejections.

const COLUMNS = [
  { name: "number", title: "#", number: true },
  { name: "mean", title: "score", number: false },
  { name: "calls", title: "after calls", number: true },
  { name: "demos", title: "demos", number: true },
  { name: "failures", title: "unusable", number: true },
  { name: "origin", title: "from", number: false },
  { name: "text", title: "instruction", number: false },
];

const shown = { by: "mean", down: true, find: "", chosen: null, pages: null };

function said(column, place) {
  return report.index.strings[report.index.candidates[column][place]];
}

function setUpCandidates() {
  const box = document.getElementById("candidates-table");
  if (!box) return;
  const find = document.getElementById("candidates-find");
  find.addEventListener("input", () => { shown.find = find.value.toLowerCase(); listCandidates(); });
  shown.pages = paged(document.getElementById("candidates-pages"), 25, drawTable);
  listCandidates();
}

function sorted() {
  const { candidates } = report.index;
  const places = candidates.number.map((_, place) => place).filter((place) => !shown.find
    || said("text", place).toLowerCase().includes(shown.find) || said("detail", place).toLowerCase().includes(shown.find)
    || candidates.digest[place].startsWith(shown.find));
  const isText = shown.by === "origin" || shown.by === "text";
  const value = (place) => (isText ? said(shown.by, place) : candidates[shown.by][place]);
  const sign = shown.down ? -1 : 1;
  return places.sort((a, b) => {
    // Of a part of dev the mean cannot be compared with those of all of it.
    if (shown.by === "mean" && candidates.whole[a] !== candidates.whole[b]) return candidates.whole[b] - candidates.whole[a];
    const [x, y] = [value(a), value(b)];
    return x === y ? a - b : sign * (x < y ? -1 : 1);
  });
}

function listCandidates(at = 0) {
  const places = sorted();
  const total = report.index.candidates.number.length;
  document.getElementById("candidates-count").textContent = places.length === total ? "" : `${places.length} of ${total}`;
  shown.pages.show(places, at);
}

function drawTable(places) {
  const { candidates, student, finalist } = report.index;
  const heads = COLUMNS.map(({ name, title, number }) => {
    const head = element("th", { scope: "col", className: number ? "number" : "" });
    const is = shown.by === name;
    const sort = () => {
      shown.down = is ? !shown.down : name === "mean";
      shown.by = name;
      listCandidates();
      document.querySelector("#candidates-table th[aria-sort] button").focus();
    };
    head.append(element("button", { type: "button", textContent: title + (is ? (shown.down ? " ↓" : " ↑") : ""), onclick: sort }));
    if (is) head.setAttribute("aria-sort", shown.down ? "descending" : "ascending");
    return head;
  });
  const rows = places.map((place) => {
    const open = element("button", { type: "button", className: "link", textContent: candidates.number[place], onclick: () => chooseCandidate(place) });
    open.setAttribute("aria-label", `Candidate ${candidates.number[place]}: open`);
    const marks = [place === student ? "student" : null, place === finalist ? "finalist" : null, candidates.whole[place] ? null : `on ${candidates.rows[place]} rows`]
      .filter((mark) => mark !== null)
      .flatMap((mark) => [" ", element("span", { className: mark === "finalist" ? "mark winner" : "mark", textContent: mark })]);
    const cells = [
      element("th", { scope: "row", className: "number" }, open),
      element("td", {}, scoreBar(candidates.mean[place]), marks),
      ...["calls", "demos", "failures"].map((name) => {
        const { title } = COLUMNS.find((column) => column.name === name);
        return element("td", { className: candidates[name][place] ? "number" : "number nil", textContent: candidates[name][place].toLocaleString("en"), "data-label": title });
      }),
      element("td", { className: "whole" }, element("div", { className: "clip", textContent: said("detail", place) })),
      element("td", { className: "whole" }, element("div", { className: "clip", textContent: said("text", place) })),
    ];
    return element("tr", { className: place === shown.chosen ? "chosen" : "" }, cells);
  });
  const caption = element("caption", { textContent: "All candidates. Choose a number to read one." });
  const table = element("table", { className: "cards" }, caption, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows));
  keepRoles(table);
  document.getElementById("candidates-table").replaceChildren(table);
}

// On a narrow screen rows are set as cards; the roles keep them a table for those who listen.
function keepRoles(table) {
  table.setAttribute("role", "table");
  for (const [name, role] of [["thead", "rowgroup"], ["tbody", "rowgroup"], ["tr", "row"], ["td", "cell"], ["thead th", "columnheader"], ["tbody th", "rowheader"]]) {
    for (const one of table.querySelectorAll(name)) one.setAttribute("role", role);
  }
}

function chooseCandidate(place) {
  const { candidates } = report.index;
  shown.chosen = place;
  listCandidates(sorted().indexOf(place));
  const panel = document.getElementById("candidate");
  const parent = candidates.parent[place];
  const number = candidates.number[place];
  const buttons = [];
  if (parent !== null && parent !== place) {
    buttons.push(element("button", { type: "button", textContent: `Its parent, #${candidates.number[parent]}`, onclick: () => chooseCandidate(parent) }));
  }
  if (report.index.scores[place]) {
    buttons.push(element("button", { type: "button", textContent: "Its examples", onclick: () => compareExamples(place) }));
  }
  const close = () => { panel.hidden = true; shown.chosen = null; listCandidates(); };
  buttons.push(element("button", { type: "button", textContent: "Close", onclick: close }));
  const rejected = said("rejected", place);
  panel.replaceChildren(
    element("h3", { textContent: `Candidate ${number}` }),
    element("div", { className: "row" }, scoreBar(candidates.mean[place]), element("span", { textContent: `on ${candidates.rows[place]} rows, ${said("detail", place)}` }), element("code", { textContent: candidates.digest[place] })),
    ...(rejected ? [element("p", { className: "failure", textContent: `Ruled out: ${rejected}` })] : []),
    element("div", { className: "prompt", textContent: said("text", place) || "(no instruction)" }),
    element("p", { className: "quiet", textContent: `${candidates.demos[place]} demonstrations` }),
    element("div", { className: "row" }, buttons),
  );
  panel.hidden = false;
  panel.focus({ preventScroll: true });
  panel.scrollIntoView({ block: "nearest" });
}

function setUpRejections() {
  const box = document.getElementById("rejected-table");
  if (!box) return;
  const { rejections, strings } = report.index;
  const text = (column, place) => strings[rejections[column][place]];
  const pages = paged(document.getElementById("rejected-pages"), 25, (places) => {
    const rows = places.map((place) => element("tr", {},
      element("th", { scope: "row", textContent: text("reason", place) }),
      element("td", { textContent: text("sentence", place) }),
      element("td", {}, element("div", { className: "clip", textContent: text("text", place) }))));
    box.querySelector("tbody").replaceChildren(...rows);
    keepRoles(box.querySelector("table"));
  });
  const find = document.getElementById("rejected-find");
  const list = () => {
    const wanted = find.value.toLowerCase();
    const found = rejections.reason.map((_, place) => place).filter((place) => !wanted
      || ["reason", "sentence", "text"].some((column) => text(column, place).toLowerCase().includes(wanted)));
    document.getElementById("rejected-count").textContent = `${found.length} of ${rejections.reason.length}`;
    pages.show(found);
  };
  find.addEventListener("input", list);
  list();
}
