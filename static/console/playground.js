// The playground: both answers from one stream, a stop that ends both, reports in two clicks.
(() => {
  "use strict";

  const begin = () => {
    const form = document.getElementById("playground");
    if (!form) return;
    const said = form.dataset;
    const byId = (id) => document.getElementById(id);
    const [ask, stop, announce, refusal] = ["ask", "stop", "playground-said", "playground-refusal"].map(byId);
    const sides = new Map();
    for (const root of document.querySelectorAll("[data-side]")) {
      const part = (name) => root.querySelector(`[data-part="${name}"]`);
      sides.set(root.dataset.side, { root, part, name: root.querySelector("h2").textContent.trim() });
    }
    let running = null;

    const post = (url, body, signal) => fetch(url, {
      method: "POST", signal, credentials: "same-origin", referrerPolicy: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: JSON.stringify(body),
    });
    const problemOf = async (answer) => {
      const body = await answer.json().catch(() => ({}));
      return [body.detail || `${answer.status} ${answer.statusText}`, body.fix].filter(Boolean).join(" ");
    };

    const clear = (side, text) => {
      Object.assign(side, { answer: "", id: "", seal: "", isOver: false, asked: text });
      side.part("answer").textContent = "";
      side.part("facts").textContent = said.saidWaits;
      for (const name of ["failure", "report-form"]) side.part(name).hidden = true;
      side.part("open-report").disabled = true;
      side.part("open-report").setAttribute("aria-expanded", "false");
      side.part("reported").textContent = "";
    };
    const fail = (side, message) => {
      side.isOver = true;
      side.part("facts").textContent = "";
      side.part("failure").textContent = message;
      side.part("failure").hidden = false;
      announce.textContent = `${side.name} ${said.saidFailed} ${message}`;
    };
    const acts = {
      begun(side, event) {
        side.id = event.answer_id;
        side.first = event.first_token_ms;
        side.root.querySelector("code").textContent = event.version;
        side.part("facts").textContent = said.saidSpeaks;
      },
      text(side, event) {
        side.answer += event.text;
        side.part("answer").textContent = side.answer;
      },
      ended(side, event) {
        side.isOver = true;
        side.seal = event.seal;
        const facts = [event.finish === "length" ? said.saidLong : said.saidShort, `${event.tokens} ${said.saidTokens}`];
        if (event.tokens_per_second !== null) facts.push(`${event.tokens_per_second} ${said.saidRate}`);
        facts.push(`${said.saidFirst} ${side.first} ms`);
        if (event.failure) facts.push(event.failure === "empty" ? said.saidEmpty : said.saidForm);
        side.part("facts").textContent = facts.join(" · ");
        side.part("open-report").disabled = !side.root.querySelector("form");
        announce.textContent = `${side.name} ${said.saidEnded} ${side.answer.slice(0, 300)}`;
      },
      failed(side, event) { fail(side, [event.message, event.fix].filter(Boolean).join(" ")); },
    };

    const read = async (answer) => {
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          if (!block.startsWith("data: ")) continue;
          const event = JSON.parse(block.slice(6));
          const side = sides.get(event.side);
          if (side) acts[event.type]?.(side, event);
        }
      }
    };

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (running || ask.disabled) return;
      const text = byId("text").value;
      for (const side of sides.values()) clear(side, text);
      refusal.hidden = true;
      announce.textContent = said.saidAsking;
      running = new AbortController();
      ask.disabled = true;
      stop.disabled = false;
      let ended = said.saidLost;
      try {
        const answer = await post(said.stream, {
          deployment: said.deployment, candidate: said.candidate, text, form: byId("form").value,
          max_tokens: byId("max_tokens").valueAsNumber, temperature: byId("temperature").valueAsNumber,
        }, running.signal);
        if (answer.ok) {
          await read(answer);
        } else {
          refusal.textContent = await problemOf(answer);
          refusal.hidden = false;
          ended = "";
        }
      } catch (error) {
        if (error.name === "AbortError") { ended = said.saidCut; announce.textContent = said.saidStopped; }
      }
      for (const side of sides.values()) if (!side.isOver) side.part("facts").textContent = ended;
      const isStopFocused = document.activeElement === stop;
      running = null;
      ask.disabled = false;
      stop.disabled = true;
      if (isStopFocused) ask.focus();
    });
    const end = () => running?.abort();
    stop.addEventListener("click", end);
    window.addEventListener("pagehide", end);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") end();
      if (event.key === "Enter" && event.ctrlKey && event.target === byId("text")) form.requestSubmit();
    });

    for (const side of sides.values()) {
      const [open, reportForm, reported] = ["open-report", "report-form", "reported"].map(side.part);
      open.addEventListener("click", () => {
        reportForm.hidden = !reportForm.hidden;
        open.setAttribute("aria-expanded", String(!reportForm.hidden));
        if (!reportForm.hidden) reportForm.elements.category.focus();
      });
      reportForm.addEventListener("submit", async (event) => {
        event.preventDefault();
        const fields = reportForm.elements;
        const keep = fields.keep.checked;
        const body = { answer_id: side.id, category: fields.category.value, note: fields.note.value, keep };
        if (keep) Object.assign(body, { text: side.asked, answer: side.answer, seal: side.seal });
        const answer = await post(said.report, body).catch(() => null);
        if (answer?.ok) {
          reported.textContent = (await answer.json()).said;
          reportForm.hidden = true;
          reportForm.reset();
          open.disabled = true;
          open.setAttribute("aria-expanded", "false");
        } else {
          reported.textContent = answer ? await problemOf(answer) : said.saidLost;
        }
      });
    }
  };
  document.addEventListener("DOMContentLoaded", begin);
})();
