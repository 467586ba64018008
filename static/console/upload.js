// Uploads a folder or a ZIP through the API, with progress; without script the form sends a ZIP.
(() => {
  "use strict";

  const filesOfDrop = async (items) => {
    const files = [];
    const walk = async (entry, path) => {
      if (entry.isFile) {
        const file = await new Promise((done, fail) => entry.file(done, fail));
        files.push({ file, path: path + entry.name });
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const batch = await new Promise((done, fail) => reader.readEntries(done, fail));
        if (!batch.length) return;
        for (const child of batch) await walk(child, `${path}${entry.name}/`);
      }
    };
    for (const entry of [...items].map((item) => item.webkitGetAsEntry()).filter(Boolean)) await walk(entry, "");
    return files;
  };

  const strata = (text) => text.split("\n").filter((line) => line.trim()).map((line) => {
    const [attribute, ...level] = line.split(":");
    return { attribute: attribute.trim(), level: level.join(":").trim() };
  });

  const element = (name, text, parent) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    parent.append(made);
    return made;
  };

  const showRefusal = (box, problem) => {
    box.replaceChildren();
    const inner = element("div", "", box);
    element("p", `${problem.title || "The upload was refused"}. ${problem.detail || ""}`, inner);
    if (problem.fix) element("p", problem.fix, inner);
    if (problem.errors?.length) {
      const list = element("ul", "", inner);
      for (const error of problem.errors) {
        const line = element("li", "", list);
        const where = error.path || error.object || (error.pointer !== "/" && error.pointer) || "";
        if (where) element("strong", `${where} `, line);
        line.append(error.message || "");
        if (error.fix) element("em", ` ${error.fix}`, line);
      }
    }
    box.hidden = false;
    box.tabIndex = -1;
    box.focus();
  };

  const begin = () => {
    const form = document.getElementById("upload-form");
    if (!form) return;
    const drop = document.getElementById("drop");
    const chosen = document.getElementById("chosen");
    const refusal = document.getElementById("upload-refusal");
    const progress = document.getElementById("upload-progress");
    const bar = document.getElementById("upload-bar");
    for (const part of form.querySelectorAll("[data-needs-script]")) part.hidden = false;
    let files = [];
    // The admin's own script would write a chosen file's name into the form's first text field.
    for (const input of form.querySelectorAll("input[type=file]")) input.hasChangeListener = true;

    const choose = (found) => {
      files = found;
      const bytes = files.reduce((sum, one) => sum + one.file.size, 0);
      const noun = files.length === 1 ? files[0].path : `${files.length} files`;
      chosen.textContent = files.length ? `Chosen: ${noun}, ${(bytes / 1e6).toFixed(1)} MB` : "";
    };
    form.archive.addEventListener("change", () => choose([...form.archive.files].map((file) => ({ file, path: file.name, isArchive: true }))));
    document.getElementById("folder").addEventListener("change", (event) => choose([...event.target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }))));
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("is-over", name === "dragover");
      });
    }
    drop.addEventListener("drop", async (event) => {
      const found = await filesOfDrop(event.dataTransfer.items);
      const isArchive = found.length === 1 && found[0].path.toLowerCase().endsWith(".zip");
      choose(found.map((one) => ({ ...one, isArchive })));
    });

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      refusal.hidden = true;
      if (!files.length) {
        showRefusal(refusal, { title: "Nothing is chosen", detail: "Choose a ZIP or the adapter's folder." });
        return;
      }
      const body = new FormData();
      if (files[0].isArchive) body.append("archive", files[0].file);
      else {
        body.append("paths", JSON.stringify(files.map((one) => one.path)));
        for (const one of files) body.append("files", one.file);
      }
      body.append("version_name", form.version_name.value);
      body.append("notes", form.notes.value);
      body.append("label", JSON.stringify({
        purpose: form.purpose.value, population: strata(form.population.value), setting: form.setting.value,
        language: form.language.value || "en", limits: form.limits.value, touches_phi: form.touches_phi.checked,
      }));
      const request = new XMLHttpRequest();
      request.open("POST", form.dataset.api);
      request.setRequestHeader("X-CSRFToken", form.csrfmiddlewaretoken.value);
      request.setRequestHeader("Accept", "application/json");
      request.upload.addEventListener("progress", (step) => {
        if (!step.lengthComputable) return;
        bar.value = (100 * step.loaded) / step.total;
        document.getElementById("upload-percent").textContent = bar.value < 100 ? `${Math.round(bar.value)} %` : "stored; being read";
      });
      request.addEventListener("loadend", () => {
        progress.hidden = true;
        let answer = {};
        try { answer = JSON.parse(request.responseText); } catch { answer = {}; }
        if (request.status === 200 || request.status === 201) {
          window.location.assign(`${form.dataset.versions}${answer.uuid}/`);
          return;
        }
        const lost = { title: "The upload did not arrive", detail: "The connection was cut; nothing was stored." };
        showRefusal(refusal, request.status ? answer : lost);
      });
      progress.hidden = false;
      request.send(body);
    });
  };
  document.addEventListener("DOMContentLoaded", begin);
})();
