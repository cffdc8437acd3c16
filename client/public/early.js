// What cannot wait for the page's script. It is a file of its own, loaded blocking in the head, because the
// Content-Security-Policy allows no inline script.
(function () {
  // The chosen theme, before the first paint, so that the page never flashes in the other one.
  // Without a choice the attribute stays away, and `prefers-color-scheme` decides.
  try {
    var theme = JSON.parse(localStorage.getItem('melangerie.preferences') || '{}').theme;
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch (_) {
    // Storage that is blocked or damaged means no choice.
  }
  // Only for speed, while the page's script is on its way.
  try {
    new Worker('/languages.js');
  } catch (_) {
    // Where there are no workers the page does it by itself.
  }
})();
