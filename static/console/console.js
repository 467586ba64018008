// Small helps: copy buttons, local times on hover, printing. Pages work without them.
(() => {
  "use strict";

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      await navigator.clipboard.writeText(copy.dataset.copy);
      const icon = copy.querySelector(".fm-icon");
      icon.textContent = "check";
      setTimeout(() => { icon.textContent = "content_copy"; }, 1500);
    }
    if (event.target.closest("[data-print]")) window.print();
  });

  const withLocalTime = (root) => {
    for (const time of root.querySelectorAll("time.fm-when:not([data-local])")) {
      time.dataset.local = "yes";
      time.title += ` · ${new Date(time.dateTime).toLocaleString()} local`;
    }
  };
  window.formularyLocalTimes = withLocalTime;
  document.addEventListener("DOMContentLoaded", () => {
    withLocalTime(document);
    const openTarget = () => {
      const target = location.hash && document.getElementById(location.hash.slice(1));
      for (const fold of target ? target.querySelectorAll("details") : []) fold.open = true;
    };
    openTarget();
    window.addEventListener("hashchange", openTarget);
    const refusal = document.getElementById("refusal");
    if (refusal) { refusal.tabIndex = -1; refusal.focus(); }
  });
})();
