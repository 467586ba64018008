// The moving part of a rollout's page, from server-sent events.
(() => {
  "use strict";

  const begin = () => {
    const live = document.getElementById("live");
    if (!live || !live.dataset.events) return;
    const announce = document.getElementById("announce");
    let said = "";

    const allow = (state) => {
      for (const button of document.querySelectorAll("#rollout-acts [data-allowed]")) {
        const isOff = document.getElementById("reason").disabled;
        button.disabled = isOff || !button.dataset.allowed.split(" ").includes(state);
      }
    };

    const source = new EventSource(live.dataset.events);
    source.addEventListener("rollout", (event) => {
      const news = JSON.parse(event.data);
      const open = new Set([...live.querySelectorAll("details[open][data-keep]")].map((d) => d.dataset.keep));
      const isInside = live.contains(document.activeElement);
      const focused = isInside ? document.activeElement.closest("[data-keep]")?.dataset.keep : null;
      live.innerHTML = news.html;
      for (const details of live.querySelectorAll("details[data-keep]")) {
        details.open = open.has(details.dataset.keep);
        if (focused === details.dataset.keep) details.querySelector("summary").focus();
      }
      window.formularyLocalTimes?.(live);
      allow(news.state);
      const line = `${news.state} ${news.weight}`;
      if (said && said !== line) announce.textContent = news.sentence;
      said = line;
      if (["promoted", "rolled_back", "aborted"].includes(news.state)) source.close();
    });
  };
  document.addEventListener("DOMContentLoaded", begin);
})();
