// Keeps the regions marked data-live fresh. Nothing is replaced under a reader's hands, and nothing is asked for unseen.
"use strict";
{
  const EVERY = 5000;
  let tag = null;

  const inUse = (region) =>
    region.contains(document.activeElement) || region.querySelector("details[open]") !== null;

  const refresh = async () => {
    if (document.hidden) return;
    const url = new URL(location.href);
    url.searchParams.delete("done");
    const answer = await fetch(url, { cache: "no-store", headers: tag ? { "if-none-match": tag } : {} });
    if (answer.status === 304) return;
    if (answer.redirected) { location.reload(); return; }
    if (!answer.ok) return;
    tag = answer.headers.get("etag");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    for (const region of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(region.id);
      if (inUse(region)) { tag = null; continue; }
      if (next === null) region.remove();
      else if (next.outerHTML !== region.outerHTML) region.replaceWith(document.adoptNode(next));
    }
  };

  const run = async () => {
    try { await refresh(); } catch { /* the router is away for a moment: the next round asks again */ }
    setTimeout(run, EVERY);
  };

  if (document.querySelector("[data-live]")) setTimeout(run, EVERY);
  document.addEventListener("visibilitychange", () => refresh().catch(() => {}));
}
