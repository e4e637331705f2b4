// Loaded into a page before its own scripts: when something reaches the screen, by the page's own clock, and how long
// its frames take. What a feature's page shows is told by what is read there; knows nothing of how it is drawn.
window.viewerTiming = (() => {
  const GIVE_UP_MS = 20_000;
  const textOf = (element) => element?.textContent ?? "";

  /** Whether the list has the feature at this rank (from 0). */
  const featureListed = (rank) => document.querySelector(`[data-row="${rank}"] a[href^="/feature/"]`) !== null;

  /** Whether the page shows this feature's number, and texts from these rows, in this order. */
  function featureShown(featureId, rowIds) {
    if (textOf(document.querySelector("h1")) !== `Feature ${featureId}`) return false;
    const links = document.querySelectorAll("main ol a");
    return rowIds.every((rowId, index) => textOf(links[index]) === `row ${rowId}`);
  }

  /** A promise of the time at which the first frame was painted in which this held; rejects if it doesn't come to. */
  function painted(holds) {
    return new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => {
        observer.disconnect();
        reject(new Error(`after ${GIVE_UP_MS} ms the page does not show it, but: ${textOf(document.body)}`));
      }, GIVE_UP_MS);
      const look = () => {
        if (!holds()) return;
        observer.disconnect();
        clearTimeout(giveUp);
        afterNextFrame(resolve);
      };
      const observer = new MutationObserver(look);
      observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
      look();
    });
  }

  function afterNextFrame(tell) {
    requestAnimationFrame(() => {
      // a message is handled after the frame whose callbacks sent it
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => tell(performance.now());
      port2.postMessage(null);
    });
  }

  /** A promise of the milliseconds from the next key pressed to the frame in which this holds. */
  function paintedAfterKey(holds) {
    const pressed = new Promise((resolve) => {
      window.addEventListener("keydown", (event) => resolve(event.timeStamp), { capture: true, once: true });
    });
    return Promise.all([pressed, painted(holds)]).then(([from, to]) => to - from);
  }

  /** Watch frames from now on; the function returned stops it and gives milliseconds. */
  function watchFrames() {
    const intervals = [];
    const longFrames = [];
    let last = performance.now();
    const tick = () => {
      const now = performance.now();
      intervals.push(now - last);
      last = now;
      next = requestAnimationFrame(tick);
    };
    let next = requestAnimationFrame(tick);
    const note = (entries) => longFrames.push(...entries.map(({ duration }) => duration));
    // reports animation frames of more than 50 ms: https://w3c.github.io/long-animation-frames/
    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({ type: "long-animation-frame" });
    return () => {
      cancelAnimationFrame(next);
      note(observer.takeRecords());
      observer.disconnect();
      return { intervals, longFrames };
    };
  }

  return { featureListed, featureShown, painted, paintedAfterKey, watchFrames };
})();
