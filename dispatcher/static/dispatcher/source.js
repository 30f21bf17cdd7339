/* The pages of a source: buttons that copy, and a light that shows records as they come.
   Without it the buttons are not there, and the light is as new as the page. */
"use strict";
(() => {
  const EVERY_MS = 3000;

  const copied = async (button) => {
    const text = document.getElementById(button.dataset.copy).textContent;
    const said = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // No clipboard over plain http: the text is selected, to be copied by hand.
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = said; }, 2000);
  };

  const watch = (light) => {
    const look = async () => {
      if (!document.hidden) {
        try {
          const answer = await fetch(light.dataset.light, { headers: { accept: "application/json" } });
          // Logged out, or the source is gone: it would be so the next time, too.
          if (answer.redirected || [403, 404].includes(answer.status)) { return; }
          // A proxy's 502 is not JSON, and leaves what was last seen, too.
          const seen = await answer.json();
          // The server has escaped it, and the policy runs no script that stands in it.
          if (answer.ok && light.dataset.seen !== seen.html) {
            light.innerHTML = light.dataset.seen = seen.html;
          }
        } catch {
          // The server is away for a moment: what was last seen stays.
        }
      }
      setTimeout(look, EVERY_MS);
    };
    setTimeout(look, EVERY_MS);
  };

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copied(button));
  }
  document.querySelectorAll("[data-light]").forEach(watch);
})();
