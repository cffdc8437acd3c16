// Sets the chosen theme before the first paint, so that the page never flashes in the other one. It is a file of its
// own, loaded blocking in the head, because the Content-Security-Policy allows no inline script.
// Without a choice the attribute stays away, and `prefers-color-scheme` decides.
(function () {
  try {
    var theme = JSON.parse(localStorage.getItem('melangerie.preferences') || '{}').theme;
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch (_) {
    // Storage that is blocked or damaged means no choice.
  }
})();
