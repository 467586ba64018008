// Sign-in pages follow the console's appearance switch, before anything is painted.
(() => {
  "use strict";
  let chosen = "auto";
  try { chosen = JSON.parse(localStorage.getItem("adminTheme")) || "auto"; } catch { chosen = "auto"; }
  const isDark = chosen === "dark" || (chosen === "auto" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  if (isDark) document.documentElement.classList.add("dark");
})();
