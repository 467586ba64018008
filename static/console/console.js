// Small helps: copy buttons, local times on hover, printing, shortcuts, forms that are sent once.
// Pages work without them.
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

  // Alt and a letter do what the element with this data-key does; the page says which there are.
  document.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    // With Option a Mac types another letter; there the key's place counts.
    const letter = /^[a-z]$/i.test(event.key) ? event.key : event.code.replace("Key", "");
    const target = /^[a-z]$/i.test(letter) && document.querySelector(`[data-key="${letter.toLowerCase()}"]`);
    if (!target) return;
    event.preventDefault();
    target.focus();
    target.click();
  });

  // Who presses twice sends once: a second proof would be refused while the first is at work.
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-once]");
    if (!form || event.defaultPrevented) return;
    if (form.dataset.isSent) event.preventDefault();
    form.dataset.isSent = "yes";
  });
  // Who came back or stopped the page, and types again, may send again.
  document.addEventListener("input", (event) => {
    delete event.target.closest("form[data-once]")?.dataset.isSent;
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-once]")) delete form.dataset.isSent;
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
    // unfold writes the name of a chosen file into the next text field, and fails where there is none;
    // it leaves alone what it has marked like this.
    for (const input of document.querySelectorAll("input[type=file]")) input.hasChangeListener = true;
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
